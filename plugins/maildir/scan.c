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

/* Takes a file's name. 0, or -1: no memory. */
typedef int scan_fn(void *context, const char *name, bool in_cur);

static bool is_file(int folder, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_name[0] == '.')
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
}

static int read_folder(int folder, bool in_cur, scan_fn *take, void *context, struct popgate_error *error)
{
	int own = walk_into(folder, ".", O_RDONLY), result = 0; /* it has a place of its own in the folder */
	DIR *stream = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;

	if (stream == NULL) {
		status_errno(error, in_cur ? "cur" : "new");
		if (own >= 0)
			close(own);
		return -1;
	}
	while (result == 0 && (errno = 0, entry = readdir(stream)) != NULL)
		if (is_file(folder, entry) && take(context, entry->d_name, in_cur) != 0)
			result = status_fail(error, POPGATE_TEMP, "out of memory");
	if (result == 0 && errno != 0)
		result = status_errno(error, in_cur ? "cur" : "new");
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

	for (int turn = 0; turn < TURNS; turn++) {
		before = after;
		if (read_folder(drop->fresh, false, take, context, error) != 0 ||
		    read_folder(drop->cur, true, take, context, error) != 0)
			return -1;
		after = stamp_of(drop);
		if (is_same(&before.fresh, &after.fresh) && is_same(&before.cur, &after.cur))
			break;
	}
	return 0;
}

static int add(void *context, const char *name, bool in_cur)
{
	return messages_add(context, name, in_cur);
}

int scan_all(struct drop *drop, struct popgate_error *error)
{
	if (read_both(drop, add, &drop->messages, error) != 0)
		return -1;
	if (messages_index(&drop->messages) != 0)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	return 0;
}

/* ---- again --------------------------------------------------------------- */

enum where { WHERE_NOWHERE, WHERE_NEW, WHERE_CUR };

/* The messages as they were, and the names that they have now. */
struct renewal {
	struct messages *messages;
	struct text text;     /* to be the messages' own */
	uint32_t *at;	      /* of each message: where in it */
	unsigned char *where; /* of each message: enum where */
};

static int take_present(void *context, const char *name, bool in_cur)
{
	struct renewal *r = context;
	size_t size = strlen(name), position;
	const struct message *message = messages_find(r->messages, name, name_base(name, size));

	if (message == NULL)
		return 0;
	position = (size_t)(message - r->messages->all);
	r->at[position] = text_keep(&r->text, name, size);
	r->where[position] = in_cur ? WHERE_CUR : WHERE_NEW;
	return r->at[position] == 0 ? -1 : 0;
}

/* Those that were not found keep the last name that they had. */
static int take_absent(struct renewal *r)
{
	for (size_t i = 0; i < r->messages->count; i++) {
		const char *name = messages_name(r->messages, &r->messages->all[i]);

		if (r->where[i] == WHERE_NOWHERE && (r->at[i] = text_keep(&r->text, name, strlen(name))) == 0)
			return -1;
	}
	return 0;
}

static void install(struct renewal *r)
{
	for (size_t i = 0; i < r->messages->count; i++) {
		struct message *message = &r->messages->all[i];
		unsigned marks = message->marks & ~(MESSAGE_CUR | MESSAGE_ABSENT);

		if (r->where[i] == WHERE_NOWHERE)
			marks |= MESSAGE_ABSENT;
		else if (r->where[i] == WHERE_CUR)
			marks |= MESSAGE_CUR;
		message->marks = (uint8_t)marks;
		message->at = r->at[i];
	}
	text_clear(&r->messages->names);
	r->messages->names = r->text;
	memset(&r->text, 0, sizeof(r->text));
}

int scan_again(struct drop *drop, struct popgate_error *error)
{
	struct messages *messages = &drop->messages;
	struct renewal r = {.messages = messages,
			    .at = calloc(messages->count + 1, sizeof(*r.at)),
			    .where = calloc(messages->count + 1, 1)};
	int result = -1;

	if (r.at == NULL || r.where == NULL || messages_index(messages) != 0)
		status_fail(error, POPGATE_TEMP, "out of memory");
	else
		result = read_both(drop, take_present, &r, error);
	if (result == 0 && take_absent(&r) != 0)
		result = status_fail(error, POPGATE_TEMP, "out of memory");
	if (result == 0)
		install(&r);
	messages_unindex(messages);
	text_clear(&r.text);
	free(r.at);
	free(r.where);
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
		if (message->marks & MESSAGE_ABSENT)
			return status_fail(error, POPGATE_GONE, "the message is no longer there");
	}
}
