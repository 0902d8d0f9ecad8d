/* kept - see kept.h. Whether a drop may be had with a credential is not known here: the session compares. */
#include "broker/kept.h"

#include <stdlib.h>
#include <string.h>

struct kept {
	struct kept_set *set;
	struct kept *same_bucket;
	struct kept *older, *newer;
	struct channel *report;
	size_t backend;
	char user[];
};

/* FNV-1a: the names are the users' own, and a user has one bucket full of himself at most. */
static struct kept **bucket_of(struct kept_set *set, size_t backend, const char *user)
{
	uint64_t hash = 14695981039346656037u ^ backend;

	for (; *user != '\0'; user++)
		hash = (hash ^ (unsigned char)*user) * 1099511628211u;
	return &set->buckets[hash % KEPT_BUCKETS];
}

static struct kept **find(struct kept_set *set, size_t backend, const char *user)
{
	struct kept **at = bucket_of(set, backend, user);

	while (*at != NULL && ((*at)->backend != backend || strcmp((*at)->user, user) != 0))
		at = &(*at)->same_bucket;
	return at;
}

static void forget(struct kept **at)
{
	struct kept *kept = *at;
	struct kept_set *set = kept->set;

	*at = kept->same_bucket;
	*(kept->older != NULL ? &kept->older->newer : &set->oldest) = kept->newer;
	*(kept->newer != NULL ? &kept->newer->older : &set->newest) = kept->older;
	set->count--;
	channel_free(&kept->report);
	free(kept);
}

static void on_message(void *context, struct ipc_inbox *inbox)
{
	(void)context;
	(void)inbox; /* it has nothing to say */
}

static void on_closed(void *context)
{
	struct kept *kept = context;

	forget(find(kept->set, kept->backend, kept->user));
}

void kept_add(struct kept_set *set, size_t backend, const char *user, struct channel **report)
{
	struct kept **at = find(set, backend, user), *kept;
	size_t size;

	if (*at != NULL)
		forget(at);
	else if (set->count >= set->most)
		forget(find(set, set->oldest->backend, set->oldest->user));
	size = strlen(user) + 1;
	kept = malloc(sizeof(*kept) + size);
	if (kept == NULL) {
		channel_free(report);
		return;
	}
	at = bucket_of(set, backend, user);
	*kept =
	    (struct kept){.set = set, .same_bucket = *at, .older = set->newest, .report = *report, .backend = backend};
	memcpy(kept->user, user, size);
	*report = NULL;
	*at = kept;
	*(set->newest != NULL ? &set->newest->newer : &set->oldest) = kept;
	set->newest = kept;
	set->count++;
	channel_give(kept->report, on_message, on_closed, kept);
}

struct channel *kept_take(struct kept_set *set, size_t backend, const char *user)
{
	struct kept **at = find(set, backend, user);
	struct channel *report;

	if (*at == NULL)
		return NULL;
	report = (*at)->report;
	(*at)->report = NULL;
	forget(at);
	return report;
}
