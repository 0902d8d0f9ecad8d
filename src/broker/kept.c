/* kept - see kept.h. Whether a drop may be had with a credential is not known here: the session compares. */
#include "broker/kept.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/text.h"

#define SEPARATORS "\n"

struct kept {
	struct kept_set *set;
	struct kept *same_bucket;
	struct kept *older, *newer;
	struct channel *report;
	size_t backend;
	uint64_t lock;
	char mailbox[];
};

/* FNV-1a of the user's name: the names are the users' own, and a user has one bucket full of himself at most. */
static struct kept **bucket_of(struct kept_set *set, size_t backend, const char *mailbox)
{
	uint64_t hash = 14695981039346656037u ^ backend;

	for (; *mailbox != '\0' && *mailbox != *SEPARATORS; mailbox++)
		hash = (hash ^ (unsigned char)text_lower(*mailbox)) * 1099511628211u;
	return &set->buckets[hash % KEPT_BUCKETS];
}

static struct kept **find(struct kept_set *set, size_t backend, const char *mailbox)
{
	struct kept **at = bucket_of(set, backend, mailbox);

	while (*at != NULL && ((*at)->backend != backend || !text_same_case(mailbox, strlen(mailbox), (*at)->mailbox)))
		at = &(*at)->same_bucket;
	return at;
}

static bool is_of_user(const struct kept *kept, size_t backend, const char *mailbox)
{
	size_t size = strcspn(mailbox, SEPARATORS);

	return kept->backend == backend && strcspn(kept->mailbox, SEPARATORS) == size &&
	       strncasecmp(kept->mailbox, mailbox, size) == 0;
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

	forget(find(kept->set, kept->backend, kept->mailbox));
}

void kept_add(struct kept_set *set, size_t backend, const char *mailbox, uint64_t lock, struct channel **report)
{
	struct kept **at = find(set, backend, mailbox), *kept;
	size_t size;

	if (*at != NULL)
		forget(at);
	else if (set->count >= set->most)
		forget(find(set, set->oldest->backend, set->oldest->mailbox));
	size = strlen(mailbox) + 1;
	kept = malloc(sizeof(*kept) + size);
	if (kept == NULL) {
		channel_free(report);
		return;
	}
	at = bucket_of(set, backend, mailbox);
	*kept = (struct kept){
	    .set = set, .same_bucket = *at, .older = set->newest, .report = *report, .backend = backend, .lock = lock};
	memcpy(kept->mailbox, mailbox, size);
	*report = NULL;
	*at = kept;
	*(set->newest != NULL ? &set->newest->newer : &set->oldest) = kept;
	set->newest = kept;
	set->count++;
	channel_give(kept->report, on_message, on_closed, kept);
}

struct channel *kept_take(struct kept_set *set, size_t backend, const char *mailbox, uint64_t *lock_r)
{
	struct kept **at = find(set, backend, mailbox);
	struct channel *report;

	if (*at == NULL)
		return NULL;
	report = (*at)->report;
	*lock_r = (*at)->lock;
	(*at)->report = NULL;
	forget(at);
	return report;
}

void kept_end_others(struct kept_set *set, size_t backend, const char *mailbox, uint64_t lock)
{
	struct kept **at = bucket_of(set, backend, mailbox);

	while (*at != NULL) {
		if ((*at)->lock == lock && is_of_user(*at, backend, mailbox))
			forget(at);
		else
			at = &(*at)->same_bucket;
	}
}
