/* scan - see scan.h.
 *
 * new/ is read before cur/, so that what moves from the one to the other meanwhile is seen once at least. Looks at
 * names alone, and opens nothing but the folders and the one message that is asked for. Runs in a session process.
 */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "name.h"
#include "status.h"
#include "walk.h"

#define TURNS	 4 /* through folders that others change at the same time */
#define ATTEMPTS 3 /* to open a message whose file others rename at the same time */

/* Takes a file. 0, or -1: no memory. */
typedef int scan_fn(void *context, const struct found *found);

static bool is_file(int folder, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_name[0] == '.')
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
}

/* User space file systems that know none give all files the same. */
static uint64_t inode_of(const struct dirent *entry)
{
	return entry->d_ino == UINT32_MAX ? 0 : entry->d_ino;
}

static int read_folder(int folder, struct found found, scan_fn *take, void *context, struct popgate_error *error)
{
	const char *what = found.in_cur ? "cur" : "new";
	int own = walk_into(folder, ".", O_RDONLY), result = 0; /* it has a place of its own in the folder */
	DIR *stream = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;

	if (stream == NULL) {
		status_errno(error, what);
		if (own >= 0)
			close(own);
		return -1;
	}
	while (result == 0 && (errno = 0, entry = readdir(stream)) != NULL) {
		found.name = entry->d_name;
		found.inode = inode_of(entry);
		if (is_file(folder, entry) && take(context, &found) != 0)
			result = status_fail(error, POPGATE_TEMP, "out of memory");
	}
	if (result == 0 && errno != 0)
		result = status_errno(error, what);
	closedir(stream);
	return result;
}

/* When the folders were changed last. */
struct stamp {
	struct timespec fresh, cur;
};

static struct stamp stamp_of(const struct drop *drop)
{
	struct stamp stamp = {{0, 0}, {0, 0}};
	struct stat status;

	if (fstat(drop->fresh, &status) == 0)
		stamp.fresh = status.st_mtim;
	if (fstat(drop->cur, &status) == 0)
		stamp.cur = status.st_mtim;
	return stamp;
}

static bool is_same(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

/* All that is there, some of it several times: a file that is renamed while its folder is read may be passed by, so
 * what was changed meanwhile is read once more. */
static int read_both(const struct drop *drop, scan_fn *take, void *context, struct popgate_error *error)
{
	struct stamp before, after = stamp_of(drop);

	for (uint8_t turn = 1; turn <= TURNS; turn++) {
		before = after;
		if (read_folder(drop->fresh, (struct found){.turn = turn}, take, context, error) != 0 ||
		    read_folder(drop->cur, (struct found){.turn = turn, .in_cur = true}, take, context, error) != 0)
			return -1;
		after = stamp_of(drop);
		if (is_same(&before.fresh, &after.fresh) && is_same(&before.cur, &after.cur))
			break;
	}
	return 0;
}

static int add(void *context, const struct found *found)
{
	return messages_add(context, found);
}

int scan_all(struct drop *drop, struct popgate_error *error)
{
	return read_both(drop, add, &drop->messages, error);
}

/* ---- again --------------------------------------------------------------- */

/* Where a message is now. */
struct present {
	uint32_t at;  /* where its name is */
	uint8_t turn; /* in which it was found; 0: it was not */
	bool in_cur;
	bool own;   /* it is the file that was listed */
	bool twice; /* another file has its base name */
};

/* The messages as they were, and the names that they have now. */
struct renewal {
	struct messages *messages;
	struct text text;	/* to be the messages' own */
	struct present *places; /* of each message */
};

static int take_present(void *context, const struct found *found)
{
	struct renewal *r = context;
	size_t size = strlen(found->name);
	const struct message *message = messages_find(r->messages, found->name, name_base(found->name, size));
	struct present *place;
	bool own;

	if (message == NULL)
		return 0;
	place = &r->places[message - r->messages->all];
	own = found->inode != 0 && found->inode == message->inode;
	/* one that is renamed meanwhile is met twice, and is no other */
	place->twice = place->twice || (place->turn == found->turn && !(place->own && own));
	if (place->own && !own)
		return 0;
	place->at = text_renew(&r->text, place->at, found->name, size);
	place->turn = found->turn;
	place->in_cur = found->in_cur;
	place->own = own;
	return place->at == 0 ? -1 : 0;
}

/* Those that were not found keep the last name that they had. */
static int take_absent(struct renewal *r)
{
	for (size_t i = 0; i < r->messages->count; i++) {
		const char *name = messages_name(r->messages, &r->messages->all[i]);

		if (r->places[i].turn == 0 && (r->places[i].at = text_keep(&r->text, name, strlen(name))) == 0)
			return -1;
	}
	return 0;
}

static unsigned marks_of(const struct message *message, const struct present *place)
{
	unsigned marks = message->marks & ~(MESSAGE_CUR | MESSAGE_ABSENT | MESSAGE_OTHER);

	if (place->turn == 0)
		return marks | MESSAGE_ABSENT;
	if (place->in_cur)
		marks |= MESSAGE_CUR;
	if (place->twice)
		marks |= MESSAGE_DOUBLE;
	if ((marks & MESSAGE_DOUBLE) && !place->own)
		marks |= MESSAGE_OTHER;
	return marks;
}

static void install(struct renewal *r)
{
	for (size_t i = 0; i < r->messages->count; i++) {
		struct message *message = &r->messages->all[i];

		message->marks = (uint8_t)marks_of(message, &r->places[i]);
		message->at = r->places[i].at;
	}
	text_clear(&r->messages->names);
	r->messages->names = r->text;
	memset(&r->text, 0, sizeof(r->text));
}

int scan_again(struct drop *drop, struct popgate_error *error)
{
	struct messages *messages = &drop->messages;
	struct renewal r = {.messages = messages, .places = calloc(messages->count + 1, sizeof(*r.places))};
	int result = -1;

	if (r.places == NULL || messages_index(messages) != 0)
		status_fail(error, POPGATE_TEMP, "out of memory");
	else
		result = read_both(drop, take_present, &r, error);
	if (result == 0 && take_absent(&r) != 0)
		result = status_fail(error, POPGATE_TEMP, "out of memory");
	if (result == 0)
		install(&r);
	messages_unindex(messages);
	text_clear(&r.text);
	free(r.places);
	return result;
}

/* ---- one message --------------------------------------------------------- */

/* What is no file is nothing that could be delivered; what may not be read is so for an administrator. */
static int cannot_open(struct popgate_error *error)
{
	if (errno == ENOENT || errno == ELOOP || errno == EINVAL || errno == ENXIO)
		return status_fail(error, POPGATE_GONE, "the message is no longer there");
	return status_errno(error, "a message");
}

int scan_open(struct drop *drop, size_t position, uint64_t *size_r, struct popgate_error *error)
{
	const struct message *message = &drop->messages.all[position];
	struct stat status;

	for (int attempt = 1;; attempt++) {
		int fd = walk_open_file(drop_place(drop, message), messages_name(&drop->messages, message), &status);

		if (fd >= 0) {
			*size_r = (uint64_t)status.st_size;
			return fd;
		}
		if (errno != ENOENT || attempt == ATTEMPTS)
			return cannot_open(error);
		if (scan_again(drop, error) != 0)
			return -1;
		if (message->marks & (MESSAGE_ABSENT | MESSAGE_OTHER))
			return status_fail(error, POPGATE_GONE, "the message is no longer there");
	}
}
