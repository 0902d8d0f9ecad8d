/* list - see list.h.
 *
 * What the names, dovecot-uidlist and popgate-sizes tell is not looked for in the files: only a message of which none
 * of them knows the size is read, once. Never waits for anything but the disk; a long reading ends with the deadline
 * or when the client has gone. Runs in a session process.
 */
#include "list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "count.h"
#include "fetch.h"
#include "ids.h"
#include "lines.h"
#include "scan.h"
#include "sizes.h"
#include "status.h"
#include "uidlist.h"

#define FILE_MOST    (256u * 1024u * 1024u) /* octets that are read of dovecot-uidlist, and of popgate-sizes */
#define UIDLIST_FILE "dovecot-uidlist"
#define LOOK_EVERY   256u /* files that are read until the next look at the clock */

struct listing {
	struct drop *drop;
	struct uidlist uidlist;
	struct sizes sizes;
	struct text given; /* UIDLs on record */
	bool dirty;	   /* popgate-sizes lacks something */
	bool failed;	   /* no memory */
};

/* ---- what is known ------------------------------------------------------- */

static void take_uidlist(void *context, const char *line, size_t size)
{
	struct listing *l = context;
	struct uidlist_record record;
	struct message *message;

	if (!uidlist_take(&l->uidlist, line, size, &record))
		return;
	message = messages_find(&l->drop->messages, record.base, record.base_size);
	if (message == NULL)
		return;
	message->uid = record.uid;
	message->given = 0;
	if (message->octets == NAME_UNKNOWN)
		message->octets = record.octets;
	if (record.uidl == NULL)
		return;
	/* an empty one stands for the base name */
	message->given = record.uidl_size > 0 ? text_keep(&l->given, record.uidl, record.uidl_size)
					      : text_keep(&l->given, record.base, record.base_size);
	l->failed = l->failed || message->given == 0;
}

static void take_sizes(void *context, const char *line, size_t size)
{
	struct listing *l = context;
	struct sizes_entry entry;
	struct message *message;

	if (!sizes_take(&l->sizes, line, size, &entry))
		return;
	message = messages_find(&l->drop->messages, entry.base, entry.base_size);
	if (message == NULL)
		return;
	if (entry.named)
		message->marks |= MESSAGE_NAMED;
	if (message->octets == NAME_UNKNOWN && entry.octets != NAME_UNKNOWN) {
		message->octets = entry.octets;
		message->marks |= MESSAGE_COUNTED;
	}
}

/* One that is there and can't be read would leave messages without the ids that they have, for ever once those are
 * noted: so the listing fails. */
static int read_known(struct listing *l, struct popgate_error *error)
{
	struct drop *drop = l->drop;

	if (*drop->conf->uidl_format != '\0' &&
	    lines_of_file(drop->folder, UIDLIST_FILE, FILE_MOST, take_uidlist, l) != 0 && errno != ENOENT)
		return status_errno(error, UIDLIST_FILE);
	/* what is no file, or a link, is nothing that was written here */
	if (lines_of_file(drop->folder, SIZES_FILE, FILE_MOST, take_sizes, l) != 0 && errno != ENOENT &&
	    errno != ELOOP && errno != EINVAL && errno != ENXIO)
		return status_errno(error, SIZES_FILE);
	return l->failed ? status_fail(error, POPGATE_TEMP, "out of memory") : 0;
}

/* Where Dovecot numbers the mail too, a message that it has not seen yet must not get another id once it has. */
static void note_named(struct listing *l)
{
	struct messages *messages = &l->drop->messages;

	for (size_t i = 0; i < messages->count && l->uidlist.sound; i++) {
		struct message *message = &messages->all[i];

		if (message->uid == 0 && !(message->marks & MESSAGE_NAMED)) {
			message->marks |= MESSAGE_NAMED;
			l->dirty = true;
		}
	}
}

/* ---- what is not --------------------------------------------------------- */

static int feed(void *context, const void *data, size_t size)
{
	count_feed(context, data, size);
	return 0;
}

/* One that may not be read is listed with the octets that it has on the disk: the client is to ask for it, and to be
 * told. */
static int size_up(struct drop *drop, struct message *message)
{
	const char *name = messages_name(&drop->messages, message);
	struct stat status;

	if (fstatat(drop_place(drop, message), name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
		return -1;
	message->octets = (uint64_t)status.st_size;
	return 0;
}

static int count_one(struct listing *l, size_t position, struct popgate_error *error)
{
	struct message *message = &l->drop->messages.all[position];
	struct count count = {.octets = 0};
	const struct popgate_sink sink = {.write = feed, .context = &count};

	if (fetch_into(l->drop, position, &sink, error) == 0) {
		message->octets = count_total(&count);
		message->marks |= MESSAGE_COUNTED;
		l->dirty = true;
		return 0;
	}
	if (error->status == POPGATE_GONE || (error->status == POPGATE_PERM && size_up(l->drop, message) != 0)) {
		message->marks |= MESSAGE_ABSENT;
		return 0;
	}
	return error->status == POPGATE_PERM ? 0 : -1;
}

static int count_unknown(struct listing *l, int64_t deadline, struct popgate_error *error)
{
	struct messages *messages = &l->drop->messages;
	size_t counted = 0;

	for (size_t i = 0; i < messages->count; i++) {
		if (messages->all[i].octets != NAME_UNKNOWN || (messages->all[i].marks & MESSAGE_ABSENT))
			continue;
		if (counted++ % LOOK_EVERY == 0 && drop_look_up(l->drop, deadline, error) != 0)
			return -1;
		if (count_one(l, i, error) != 0)
			return -1;
	}
	return 0;
}

static void remember(const struct listing *l)
{
	const struct messages *messages = &l->drop->messages;
	struct sizes_writer writer;

	if (!l->dirty)
		return;
	sizes_begin(&writer, l->drop->folder);
	for (size_t i = 0; i < messages->count; i++) {
		const struct message *message = &messages->all[i];
		const struct sizes_entry entry = {.octets =
						      message->marks & MESSAGE_COUNTED ? message->octets : NAME_UNKNOWN,
						  .named = (message->marks & MESSAGE_NAMED) != 0,
						  .base = messages_name(messages, message),
						  .base_size = message->base};

		if ((message->marks & (MESSAGE_COUNTED | MESSAGE_NAMED)) && !(message->marks & MESSAGE_ABSENT))
			sizes_add(&writer, &entry);
	}
	sizes_end(&writer);
}

/* ---- the whole ----------------------------------------------------------- */

static int tell(struct listing *l, popgate_list_fn *add, void *context, struct popgate_error *error)
{
	const struct messages *messages = &l->drop->messages;
	struct ids ids = {.messages = messages,
			  .given = &l->given,
			  .format = l->drop->conf->uidl_format,
			  .uidvalidity = l->uidlist.uidvalidity};
	int result = 0;

	if (ids_choose(&ids) != 0)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	for (size_t i = 0; i < messages->count && result == 0; i++) {
		const struct message *one = &messages->all[i];
		char uidl[UIDL_ROOM];
		const struct popgate_message message = {
		    .uidl = uidl, .octets = one->octets, .flags = one->marks & MESSAGE_SEEN ? POPGATE_SEEN : 0};

		ids_write(&ids, one, uidl);
		result = add(context, &message);
	}
	return result == 0 ? 0 : status_fail(error, POPGATE_STOPPED, "the host wants no more");
}

int list_messages(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	struct drop *drop = opaque;
	struct listing l = {.drop = drop};
	int result = -1;

	if (scan_all(drop, error) != 0 || read_known(&l, error) != 0)
		goto out;
	result = count_unknown(&l, deadline, error);
	note_named(&l);
	remember(&l); /* also what an interrupted counting has found: the next one begins there */
	if (result != 0)
		goto out;
	messages_drop_absent(&drop->messages);
	messages_sort(&drop->messages);
	result = tell(&l, add, context, error);
out:
	messages_unindex(&drop->messages);
	text_clear(&l.given);
	return result;
}
