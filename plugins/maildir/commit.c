/* commit - see commit.h.
 *
 * Touches the files of the messages it is given and no other: each is named by its base name, which is nobody else's.
 * One that is not where it was is looked for again, for others may have changed its flags; it counts as gone when two
 * looks have not found it. Never waits for anything but the disk. Runs in a session process.
 */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "name.h"
#include "scan.h"
#include "status.h"
#include "trash.h"

#define ROUNDS	    4	 /* the first, and looks for what was not there */
#define LOOKS	    2	 /* that must miss a message, which may be renamed while one of them goes on */
#define CLOCK_EVERY 256u /* messages until the next look at the clock */

struct removal {
	struct drop *drop;
	struct trash trash;
	unsigned char *missed; /* of each: how many looks have not found it */
	int reason;	       /* errno of the first that could not be removed; 0: none */
};

/* Does it to one file. 0: done, or -1 with errno. */
typedef int removal_fn(struct removal *r, struct message *message, const char *name);

static int expunge(struct removal *r, struct message *message, const char *name)
{
	return unlinkat(drop_place(r->drop, message), name, 0);
}

static int flag(struct removal *r, struct message *message, const char *name)
{
	char flagged[NAME_ROOM];

	if (name_with_flag(name, 'T', flagged) != 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((message->marks & MESSAGE_CUR) && strcmp(name, flagged) == 0)
		return faccessat(r->drop->cur, name, F_OK, AT_SYMLINK_NOFOLLOW);
	return trash_rename(drop_place(r->drop, message), name, r->drop->cur, flagged);
}

static int move(struct removal *r, struct message *message, const char *name)
{
	int to = message->marks & MESSAGE_CUR ? r->trash.cur : r->trash.fresh;

	return trash_rename(drop_place(r->drop, message), name, to, name);
}

/* What the settings may say; NULL: to leave everything as it is. */
static removal_fn *const removals[] = {
    [CONF_EXPUNGE] = expunge, [CONF_FLAG] = flag, [CONF_MOVE] = move, [CONF_KEEP] = NULL};

/* Whether its file was all there was. Of one that had another file in the other folder, under the same base name, that
 * is looked for before the message counts as gone. With a flag it stays, and so may that. */
static bool was_all(const struct removal *r, struct message *message)
{
	bool all = !(message->marks & MESSAGE_DOUBLE) || r->drop->conf->delete == CONF_FLAG;

	message->marks &= (uint8_t)~MESSAGE_DOUBLE;
	return all;
}

/* One message, as far as is known where it is. */
static void try_one(struct removal *r, struct message *message, unsigned char *missed, unsigned char *gone)
{
	if (message->marks & MESSAGE_ABSENT) {
		*gone = ++*missed >= LOOKS;
		return;
	}
	*missed = 0;
	if (removals[r->drop->conf->delete](r, message, messages_name(&r->drop->messages, message)) == 0)
		*gone = was_all(r, message);
	else if (errno != ENOENT && r->reason == 0)
		r->reason = errno;
}

/* All that are not gone yet. Returns how many are left. */
static size_t try_all(struct removal *r, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline)
{
	const struct popgate_host *host = r->drop->conf->host;
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (gone[i])
			continue;
		if (i % CLOCK_EVERY == 0 && host->now() >= deadline)
			r->reason = ETIMEDOUT;
		if (r->reason != ETIMEDOUT)
			try_one(r, &r->drop->messages.all[messages[i]], &r->missed[i], &gone[i]);
		left += !gone[i];
	}
	return left;
}

/* Some file systems have nothing to say about folders. */
static int settle(const struct removal *r)
{
	const int folders[] = {r->trash.fresh, r->trash.cur, r->drop->fresh, r->drop->cur};
	int result = 0;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i] >= 0 && fsync(folders[i]) != 0 && errno != EINVAL && errno != EROFS)
			result = -1;
	return result;
}

static int remove_all(struct removal *r, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		      struct popgate_error *error)
{
	size_t left = try_all(r, messages, count, gone, deadline);

	for (int round = 1; round < ROUNDS && left > 0 && r->reason == 0; round++) {
		if (scan_again(r->drop, error) != 0)
			return -1;
		left = try_all(r, messages, count, gone, deadline);
	}
	if (settle(r) != 0)
		return status_fail(error, POPGATE_TEMP, "the folder could not be written to the disk: %s",
				   strerror(errno));
	if (left == 0)
		return 0;
	return status_fail(error, POPGATE_TEMP, "%zu of %zu messages could not be removed: %s", left, count,
			   r->reason != 0 ? strerror(r->reason) : "others rename them");
}

int commit_messages(void *opaque, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		    struct popgate_error *error)
{
	struct drop *drop = opaque;
	struct removal r = {.drop = drop, .trash = {-1, -1}};
	int result = -1;

	if (count == 0)
		return 0;
	if (removals[drop->conf->delete] == NULL) {
		memset(gone, 1, count);
		return 0;
	}
	if (drop->conf->delete == CONF_MOVE && trash_open(&r.trash, drop->top, drop->conf->trash_name, error) != 0)
		return -1;
	r.missed = calloc(count, 1);
	if (r.missed == NULL)
		status_fail(error, POPGATE_TEMP, "out of memory");
	else
		result = remove_all(&r, messages, count, gone, deadline, error);
	free(r.missed);
	trash_close(&r.trash);
	return result;
}
