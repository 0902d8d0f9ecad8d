/* enter - ID, ENABLE, SELECT or EXAMINE, and the listing, in one flight.
 *
 * Each answer says by itself what became of its command, so nothing needs to
 * be waited for in between: a folder that cannot be selected makes the
 * listing fail too. Runs in a session process.
 */
#include "enter.h"

#include <string.h>

#include "caps.h"
#include "list.h"

/* Servers that have no use for ID say NO or BAD, which is fine. */
static bool sends_id(const struct drop *drop)
{
	return drop->conf->send_id && (drop->conn.caps & CAPS_ID);
}

static bool wants_utf8(const struct drop *drop)
{
	return (drop->flags & POPGATE_OPEN_UTF8) && (drop->conn.caps & CAPS_ENABLE) &&
	       (drop->conn.caps & CAPS_UTF8_ACCEPT);
}

static const char *verb(const struct drop *drop)
{
	return drop->conf->delete == CONF_KEEP ? "EXAMINE" : "SELECT";
}

/* Whether the folder's name is known, and the same with and without UTF8=ACCEPT. */
static bool name_is_settled(const struct drop *drop)
{
	return drop->folder->name != NULL && strcmp(drop->folder->utf7, drop->folder->utf8) == 0;
}

bool enter_in_one_flight(const struct drop *drop)
{
	return drop->folder->name != NULL && (!wants_utf8(drop) || name_is_settled(drop));
}

static void send_select(struct drop *drop, bool list)
{
	const char *name = drop->utf8 ? drop->folder->utf8 : drop->folder->utf7;

	conn_send(&drop->conn, drop->conn.small, "%s %s", verb(drop), name);
	if (list)
		conn_send(&drop->conn, drop->conn.small, LIST_COMMAND);
	drop->selecting = true;
	drop->listing = list;
}

void enter_send(struct drop *drop, bool list)
{
	struct conn *c = &drop->conn;

	conn_gather(c);
	drop->sent_id = sends_id(drop);
	drop->utf8 = wants_utf8(drop);
	drop->selecting = false;
	if (drop->sent_id)
		conn_send(c, c->small,
			  "ID (\"name\" \"popgate\" \"version\" \"" IMAP_VERSION "\" \"vendor\" \"popgate\")");
	if (drop->utf8)
		conn_send(c, c->small, "ENABLE UTF8=ACCEPT");
	if (enter_in_one_flight(drop))
		send_select(drop, list);
}

/* libetpan collects a SELECT's data in a structure that must be there before. */
static int prepare_selection(mailimap *imap)
{
	if (imap->imap_selection_info != NULL)
		mailimap_selection_info_free(imap->imap_selection_info);
	imap->imap_selection_info = mailimap_selection_info_new();
	if (imap->imap_selection_info == NULL)
		return -1;
	imap->imap_selection_info->sel_perm = MAILIMAP_MAILBOX_READWRITE;
	return 0;
}

int enter_introduced(struct drop *drop, struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	if (drop->sent_id && conn_receive(c, NULL) == CONN_BROKEN)
		return conn_fail(c, "ID", STATUS_AT_COMMAND, error);
	if (drop->utf8) {
		enum conn_end end = conn_receive(c, NULL);

		if (end == CONN_BROKEN)
			return conn_fail(c, "ENABLE", STATUS_AT_COMMAND, error);
		drop->utf8 = end == CONN_OK;
	}
	return 0;
}

static int check_selection(struct drop *drop, struct popgate_error *error)
{
	const struct mailimap_selection_info *info = drop->conn.imap->imap_selection_info;

	if (info->sel_uidvalidity == 0)
		return status_fail(error, POPGATE_PROTOCOL, "%s: the server gives no UIDVALIDITY", verb(drop));
	if (!info->sel_has_exists)
		return status_fail(error, POPGATE_PROTOCOL, "%s: the server gives no EXISTS", verb(drop));
	/* what an answer may bring is reckoned from it */
	if (info->sel_exists > EXISTS_LIMIT)
		return status_fail(error, POPGATE_PROTOCOL, "the server counts %u messages", info->sel_exists);
	drop->uidvalidity = drop->conn.uidvalidity = info->sel_uidvalidity;
	drop->exists = info->sel_exists;
	drop->read_only =
	    info->sel_perm == MAILIMAP_MAILBOX_READONLY || strcmp(drop->conn.status.code, "READ-ONLY") == 0;
	return 0;
}

static int receive_select(struct drop *drop, struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	if (prepare_selection(c->imap) != 0)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	if (conn_receive(c, NULL) != CONN_OK)
		return conn_fail(c, verb(drop), drop->folder->inbox ? STATUS_AT_SELECT : STATUS_AT_SELECT_OTHER, error);
	return check_selection(drop, error);
}

int enter_receive(struct drop *drop, bool list, struct popgate_error *error)
{
	if (!drop->selecting)
		send_select(drop, list);
	return receive_select(drop, error);
}

int enter_again(struct drop *drop, struct popgate_error *error)
{
	conn_gather(&drop->conn);
	send_select(drop, true);
	return receive_select(drop, error);
}
