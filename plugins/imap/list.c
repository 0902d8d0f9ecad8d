/* list - one UID FETCH for every UID and size, checked against EXISTS.
 *
 * Nothing is handed on before the whole listing is in and consistent: a
 * listing that is short, has a UID twice or none at all is a failure, never
 * a smaller maildrop. One during which messages were expunged proves nothing,
 * and is made anew. Memory is 16 octets a message and libetpan's lines, which
 * are bounded by what the server counts.
 *
 * Runs in a session process.
 */
#include "list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "enter.h"

/* A line of the listing holds a sequence number, a UID and a size; some servers add what changed meanwhile. */
#define LINE_BUDGET 512u
#define TRIES	    3 /* of a folder that shrinks while it is listed */

struct listing {
	struct drop *drop;
	size_t room;
	bool ordered; /* the n-th has the sequence number n */
	bool no_memory;
};

static int grow(struct listing *l)
{
	size_t room = l->room > 0 ? l->room * 2 : 256;
	struct drop_message *messages = realloc(l->drop->messages, room * sizeof(*messages));

	if (messages == NULL)
		return -1;
	l->drop->messages = messages;
	l->room = room;
	return 0;
}

/* libetpan has checked the response's form; the values are read from the line, since it keeps 32 bits of a size. */
static void take_attributes(struct mailimap_msg_att *attributes, void *context)
{
	struct listing *l = context;
	struct drop *drop = l->drop;
	struct line_fetch fetch;
	size_t size;
	const char *line = conn_current_line(&drop->conn, &size);

	(void)attributes;
	/* without both it is news of a flag, not a line of the listing */
	if (line_read_fetch(line, size, &fetch) != 0 || fetch.uid == 0 || !fetch.has_octets)
		return;
	if (drop->count == l->room && grow(l) != 0) {
		l->no_memory = true;
		return;
	}
	drop->messages[drop->count++] = (struct drop_message){.octets = fetch.octets, .uid = fetch.uid};
	l->ordered = l->ordered && fetch.sequence == drop->count;
}

static enum conn_end fetch_listing(struct listing *l)
{
	const struct conn_taker taker = {.attributes = take_attributes, .context = l};
	const struct guard_limits more = {.octets = (uint64_t)l->drop->exists * LINE_BUDGET,
					  .lines = (uint64_t)l->drop->exists * 2};
	struct conn *c = &l->drop->conn;

	if (!l->drop->listing && conn_send(c, c->small, LIST_COMMAND) != CONN_OK)
		return CONN_BROKEN;
	l->drop->listing = false;
	conn_allow(c, &more);
	return conn_receive(c, &taker);
}

static int compare(const void *a, const void *b)
{
	const struct drop_message *left = a, *right = b;

	return (left->uid > right->uid) - (left->uid < right->uid);
}

/* Servers may answer in any order; a maildrop has one. */
static int put_in_order(struct drop *drop, struct popgate_error *error)
{
	bool sorted = true;

	for (size_t i = 1; i < drop->count && sorted; i++)
		sorted = drop->messages[i - 1].uid < drop->messages[i].uid;
	if (!sorted)
		qsort(drop->messages, drop->count, sizeof(*drop->messages), compare);
	for (size_t i = 1; i < drop->count; i++)
		if (drop->messages[i - 1].uid == drop->messages[i].uid)
			return status_fail(error, POPGATE_PROTOCOL, "listing: UID %u came twice",
					   drop->messages[i].uid);
	for (size_t i = 0; i < drop->count; i++)
		if (drop->messages[i].octets > INT64_MAX)
			return status_fail(error, POPGATE_PROTOCOL, "listing: UID %u has an impossible size",
					   drop->messages[i].uid);
	return 0;
}

/* While the listing ran, messages may have come; nothing else explains a difference. */
static int check_count(const struct drop *drop, struct popgate_error *error)
{
	if (drop->count >= drop->exists && drop->count <= drop->conn.imap->imap_selection_info->sel_exists)
		return 0;
	return status_fail(error, POPGATE_TEMP, "listing: the folder has %u messages, the server listed %zu",
			   drop->exists, drop->count);
}

static int hand_over(const struct drop *drop, popgate_list_fn *add, void *context, struct popgate_error *error)
{
	char uidl[24];
	struct popgate_message message = {.uidl = uidl};

	for (size_t i = 0; i < drop->count; i++) {
		snprintf(uidl, sizeof(uidl), "%u.%u", drop->uidvalidity, drop->messages[i].uid);
		message.octets = drop->messages[i].octets;
		if (add(context, &message) != 0)
			return status_fail(error, POPGATE_STOPPED, "the listing was refused");
	}
	return 0;
}

/* Of a folder that is empty servers refuse the FETCH, or not; one that cannot be read they may call empty. */
static bool is_listed(const struct drop *drop, enum conn_end end)
{
	if (end == CONN_NO && drop->exists == 0)
		return drop->count == 0 && status_blames_command(&drop->conn.status);
	return end == CONN_OK;
}

/* Another session has changed the folder since the listing was asked for: what it left is counted anew. */
static int catch_up(struct drop *drop, struct popgate_error *error)
{
	const struct guard_limits more = {.octets = (uint64_t)drop->exists * LINE_BUDGET,
					  .lines = (uint64_t)drop->exists * 2};
	struct conn *c = &drop->conn;

	conn_allow(c, &more);
	if (conn_receive(c, NULL) == CONN_BROKEN || conn_command(c, c->small, "NOOP") != CONN_OK)
		return conn_fail(c, "listing", STATUS_AT_COMMAND, error);
	drop->listing = drop->outdated = false;
	drop->exists = c->imap->imap_selection_info->sel_exists;
	conn_forget_lines(c);
	return 0;
}

/* One listing. *again_r: messages were expunged meanwhile, and drop->exists is what is left. */
static int read_listing(struct listing *l, bool *again_r, struct popgate_error *error)
{
	struct drop *drop = l->drop;

	*again_r = false;
	drop->count = 0;
	l->ordered = true;
	if (drop->exists > EXISTS_LIMIT)
		return status_fail(error, POPGATE_PROTOCOL, "the server counts %u messages", drop->exists);
	if (!is_listed(drop, fetch_listing(l)))
		return conn_fail(&drop->conn, "listing", STATUS_AT_COMMAND, error);
	conn_forget_lines(&drop->conn);
	if (l->no_memory)
		return status_fail(error, POPGATE_TEMP, "listing: out of memory");
	if (drop->conn.expunged) {
		/* more EXPUNGEs than messages make this a number beyond the limit */
		drop->exists = drop->conn.imap->imap_selection_info->sel_exists;
		*again_r = true;
		return 0;
	}
	return check_count(drop, error) != 0 || put_in_order(drop, error) != 0 ? -1 : 0;
}

int list_messages(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	struct drop *drop = opaque;
	struct listing l = {.drop = drop};
	bool again = true;

	transport_deadline(drop->conn.transport, deadline);
	if (drop->listing && drop->outdated && catch_up(drop, error) != 0)
		return -1;
	for (int i = 0; i < TRIES && again; i++)
		if (read_listing(&l, &again, error) != 0)
			return -1;
	if (again)
		return status_fail(error, POPGATE_TEMP, "listing: messages vanish all the time");
	drop->sequence_known = l.ordered;
	return hand_over(drop, add, context, error);
}

/* The folder is selected anew, since that is what makes a server tell whether it is still the same one. */
int list_again(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	struct drop *drop = opaque;

	ahead_drop(drop);
	if (drop->dead || !drop->conn.usable)
		return status_fail(error, POPGATE_TEMP, "the connection was lost in the session before");
	transport_deadline(drop->conn.transport, deadline);
	drop->sequence_known = drop->outdated = false;
	if (enter_again(drop, error) != 0)
		return -1;
	return list_messages(drop, add, context, deadline, error);
}
