/* commit - see commit.h.
 *
 * Touches the files of the messages it is given and no other. One that is not where it was is looked for again by its
 * base name, for others may have changed its flags; it counts as gone when two looks have not found it. Where several
 * files had one base name, what is not the same as the listed one is another message, and stays. Never waits for
 * anything but the disk. Runs in a session process.
 */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "likeness.h"
#include "name.h"
#include "scan.h"
#include "status.h"
#include "trash.h"
#include "walk.h"

#define ROUNDS	    8	 /* the first, and looks for what was not there */
#define LOOKS	    2	 /* that must miss a message, which may be renamed while one of them goes on */
#define GIVEN_UP    255	 /* in their place: it can't be removed */
#define CLOCK_EVERY 256u /* messages until the next look at the clock */

struct removal {
	struct drop *drop;
	struct trash trash;
	enum conf_delete way;
	size_t count;
	unsigned char *missed;	 /* of each: how many looks have not found it */
	struct likeness *listed; /* of each: the file that was listed, if there were several; NULL: no use yet */
	size_t tried;		 /* since the last look at the clock */
	bool late;
	int reason; /* errno of the first that could not be removed; 0: none */
};

/* Does it to one file. 0: done, or -1 with errno. */
typedef int removal_fn(struct removal *r, const struct message *message, const char *name);

static int expunge(struct removal *r, const struct message *message, const char *name)
{
	return unlinkat(drop_place(r->drop, message), name, 0);
}

/* Whether a name in cur/ is taken by the same message. */
static bool is_copy(const struct removal *r, const struct message *message, const char *name, const char *taken)
{
	struct likeness one, other;
	bool same = likeness_take(drop_place(r->drop, message), name, &one) == 0 &&
		    likeness_take(r->drop->cur, taken, &other) == 0 && likeness_same(&one, &other);

	errno = EEXIST;
	return same;
}

static int flag(struct removal *r, const struct message *message, const char *name)
{
	char flagged[NAME_ROOM];

	if (name_with_flag(name, 'T', flagged) != 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((message->marks & MESSAGE_CUR) && strcmp(name, flagged) == 0)
		return faccessat(r->drop->cur, name, F_OK, AT_SYMLINK_NOFOLLOW);
	if (trash_rename(drop_place(r->drop, message), name, r->drop->cur, flagged) == 0)
		return 0;
	return errno == EEXIST && is_copy(r, message, name, flagged) ? 0 : -1;
}

static int move(struct removal *r, const struct message *message, const char *name)
{
	int to = message->marks & MESSAGE_CUR ? r->trash.cur : r->trash.fresh;

	return trash_rename(drop_place(r->drop, message), name, to, name);
}

/* What the settings may say; NULL: to leave everything as it is. */
static removal_fn *const removals[] = {
    [CONF_EXPUNGE] = expunge, [CONF_FLAG] = flag, [CONF_MOVE] = move, [CONF_KEEP] = NULL};

static void give_up(struct removal *r, size_t i, int reason)
{
	r->missed[i] = GIVEN_UP;
	if (r->reason == 0)
		r->reason = reason;
}

/* Whether the file that was found is the listed one, or a copy of it that has been removed. */
static bool is_listed(struct removal *r, size_t i, const struct message *message, const char *name)
{
	struct likeness now;

	if (!(message->marks & MESSAGE_DOUBLE))
		return true;
	if (r->listed == NULL && (r->listed = calloc(r->count, sizeof(*r->listed))) == NULL) {
		give_up(r, i, ENOMEM);
		return false;
	}
	if (!r->listed[i].known && (message->marks & MESSAGE_OTHER)) {
		/* there is nothing left to compare it with */
		give_up(r, i, EEXIST);
		return false;
	}
	if (likeness_take(drop_place(r->drop, message), name, &now) != 0)
		return !r->listed[i].known; /* whoever removes it gets to know why */
	if (!r->listed[i].known)
		r->listed[i] = now;
	return likeness_same(&r->listed[i], &now);
}

/* One message, as far as is known where it is. Of one that had several files each is removed before it counts as gone;
 * with a flag it stays, and so may those. */
static void try_one(struct removal *r, size_t i, const struct message *message, unsigned char *gone)
{
	const char *name = messages_name(&r->drop->messages, message);

	if ((message->marks & MESSAGE_ABSENT) || !is_listed(r, i, message, name)) {
		if (r->missed[i] != GIVEN_UP)
			*gone = ++r->missed[i] >= LOOKS;
		return;
	}
	r->missed[i] = 0;
	if (removals[r->way](r, message, name) == 0)
		*gone = !(message->marks & MESSAGE_DOUBLE) || r->way == CONF_FLAG;
	else if (errno != ENOENT)
		give_up(r, i, errno);
}

static bool is_late(struct removal *r, int64_t deadline)
{
	if (r->tried++ % CLOCK_EVERY == 0)
		r->late = r->late || r->drop->conf->host->now() >= deadline;
	return r->late;
}

/* All that are not gone yet. Returns how many another round may help. */
static size_t try_all(struct removal *r, const size_t *messages, unsigned char *gone, int64_t deadline)
{
	size_t left = 0;

	r->tried = 0;
	for (size_t i = 0; i < r->count; i++) {
		if (gone[i] || r->missed[i] == GIVEN_UP || is_late(r, deadline))
			continue;
		try_one(r, i, &r->drop->messages.all[messages[i]], &gone[i]);
		left += !gone[i] && r->missed[i] != GIVEN_UP;
	}
	return left;
}

static size_t left_of(const struct removal *r, const unsigned char *gone)
{
	size_t left = 0;

	for (size_t i = 0; i < r->count; i++)
		left += !gone[i];
	return left;
}

static const char *reason_of(const struct removal *r)
{
	/* Landlock has told so too before its ABI 2 */
	if (r->reason == EXDEV)
		return "from folder to folder needs one file system, and with the sandbox Linux 5.19";
	if (r->reason != 0)
		return strerror(r->reason);
	return r->late ? strerror(ETIMEDOUT) : "others rename them";
}

static int settle(const struct removal *r)
{
	const int folders[] = {r->trash.fresh, r->trash.cur, r->drop->fresh, r->drop->cur};
	int result = 0;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i] >= 0 && walk_sync(folders[i]) != 0)
			result = -1;
	return result;
}

static int remove_all(struct removal *r, const size_t *messages, unsigned char *gone, int64_t deadline,
		      struct popgate_error *error)
{
	size_t left = try_all(r, messages, gone, deadline);
	int result = 0;

	for (int round = 1; round < ROUNDS && left > 0 && !r->late && result == 0; round++) {
		result = scan_again(r->drop, error);
		if (result == 0)
			left = try_all(r, messages, gone, deadline);
	}
	if (settle(r) != 0) {
		/* who knows what a crash leaves of it */
		memset(gone, 0, r->count);
		return status_fail(error, POPGATE_TEMP, "the folder could not be written to the disk: %s",
				   strerror(errno));
	}
	left = left_of(r, gone);
	if (result != 0 || left == 0)
		return result;
	return status_fail(error, POPGATE_TEMP, "%zu of %zu messages could not be removed: %s", left, r->count,
			   reason_of(r));
}

/* What is in the trash already goes for good, as mail programs do. */
static enum conf_delete way_of(const struct drop *drop)
{
	const struct maildir_conf *conf = drop->conf;
	bool inside = conf->delete == CONF_MOVE && path_is_named(drop->folder_name, conf->trash_name);

	return inside ? CONF_EXPUNGE : conf->delete;
}

int commit_messages(void *opaque, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		    struct popgate_error *error)
{
	struct drop *drop = opaque;
	struct removal r = {.drop = drop, .trash = {-1, -1}, .count = count};
	int result = -1;

	if (count == 0)
		return 0;
	r.way = way_of(drop);
	if (removals[r.way] == NULL) {
		memset(gone, 1, count);
		return 0;
	}
	/* not even the folder is made where there is no time to use it */
	if (r.way == CONF_MOVE && drop->conf->host->now() < deadline &&
	    trash_open(&r.trash, drop->top, drop->conf->trash_name, error) != 0)
		return -1;
	r.missed = calloc(count, 1);
	if (r.missed == NULL)
		status_fail(error, POPGATE_TEMP, "out of memory");
	else
		result = remove_all(&r, messages, gone, deadline, error);
	free(r.missed);
	free(r.listed);
	trash_close(&r.trash);
	return result;
}
