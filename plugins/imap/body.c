/* body - passes a message's octets on while libetpan parses the rest.
 *
 * Octets go to the sink only when the response they stand in is known to be
 * the wanted message's: by its UID where the server names it first, else by
 * its sequence number, and then the UID must follow. Octets of any other
 * message are dropped. Success needs the tagged OK.
 *
 * Never holds a message in memory, but for text that comes before its
 * header. Runs in a session process.
 */
#include "body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With so much of an unwanted literal ahead, a new connection is cheaper. */
#define DRAIN_MAX (256u * 1024u)

static bool wants(const struct body *b, enum body_part part)
{
	return (b->wanted & 1u << part) != 0;
}

/* Which of our parts a section is; BODY_PARTS: none that was asked for. */
static enum body_part classify(const struct body *b, const struct mailimap_section *section)
{
	enum body_part part = BODY_PARTS;

	if (section == NULL || section->sec_spec == NULL) {
		part = BODY_WHOLE;
	} else if (section->sec_spec->sec_type == MAILIMAP_SECTION_SPEC_SECTION_MSGTEXT) {
		switch (section->sec_spec->sec_data.sec_msgtext->sec_type) {
		case MAILIMAP_SECTION_MSGTEXT_HEADER:
			part = BODY_HEADER;
			break;
		case MAILIMAP_SECTION_MSGTEXT_TEXT:
			part = BODY_TEXT;
			break;
		default:
			break;
		}
	}
	return part != BODY_PARTS && wants(b, part) ? part : BODY_PARTS;
}

/* Aborts the parse; the connection is lost by it. */
static bool abort_with(struct body *b, const char *why)
{
	if (b->broken == NULL)
		b->broken = why;
	return false;
}

/* ---- into the sink ----------------------------------------------------- */

static bool pass(struct body *b, const void *octets, size_t size)
{
	if (b->enough)
		return true;
	switch (b->sink->write(b->sink->context, octets, size)) {
	case 0:
		b->written += size;
		return true;
	case 1:
		b->written += size;
		b->enough = true;
		return true;
	default:
		b->stopped = true;
		return false;
	}
}

static bool hold(struct body *b, const void *octets, size_t size)
{
	char *held;

	if (b->limit == 0 || b->held_size + size > b->limit)
		return abort_with(b, "more text than was asked for");
	held = realloc(b->held, b->held_size + size);
	if (held == NULL)
		return abort_with(b, "out of memory");
	memcpy(held + b->held_size, octets, size);
	b->held = held;
	b->held_size += size;
	return true;
}

static bool release_held(struct body *b)
{
	bool fine = b->held_size == 0 || pass(b, b->held, b->held_size);

	free(b->held);
	b->held = NULL;
	b->held_size = 0;
	return fine;
}

/* ---- while libetpan parses ----------------------------------------------- */

/* The octets of a section begin: are they the wanted message's? */
static bool begin_part(struct body *b, enum body_part part, uint32_t origin)
{
	struct line_fetch fetch;
	size_t size;
	const char *line = conn_current_line(&b->drop->conn, &size);

	b->passing = false;
	if (line_read_fetch(line, size, &fetch) != 0)
		return abort_with(b, "a body outside a FETCH response");
	b->ours = fetch.uid == b->uid;
	if (fetch.uid == 0) {
		b->drop->late_uid = true;
		if (b->sequence == 0 || fetch.sequence != b->sequence) {
			b->unsure = true;
			return true;
		}
	} else if (!b->ours) {
		return true;
	}
	if (b->parts[part].begun)
		return abort_with(b, "the same part came twice");
	if (part != BODY_HEADER && origin != b->origin)
		return abort_with(b, "another range than the one asked for");
	b->parts[part].begun = true;
	b->passing = true;
	b->passed = true;
	return true;
}

static bool worth_cutting(struct body *b)
{
	struct line_fetch fetch;
	size_t size;
	const char *line = conn_current_line(&b->drop->conn, &size);

	return b->enough && b->ours && line_read_fetch(line, size, &fetch) == 0 && fetch.has_literal &&
	       fetch.literal > DRAIN_MAX;
}

static bool take_octets(int type, struct mailimap_msg_att_body_section *section, const char *octets, size_t size,
			void *context)
{
	struct body *b = context;
	enum body_part part;

	if (type != MAILIMAP_MSG_ATT_BODY_SECTION || section == NULL)
		return true;
	part = classify(b, section->sec_section);
	if (part == BODY_PARTS)
		return true;
	if (b->section != section) {
		b->section = section;
		if (!begin_part(b, part, section->sec_origin_octet))
			return false;
	}
	if (!b->passing)
		return true;
	b->parts[part].got += size;
	/* a range from the start may come as the whole: some servers know no ranges */
	if (b->limit > 0 && b->origin > 0 && b->parts[part].got > b->limit)
		return abort_with(b, "more octets than were asked for");
	if (part == BODY_TEXT && wants(b, BODY_HEADER) && !b->parts[BODY_HEADER].begun)
		return hold(b, octets, size);
	if (!pass(b, octets, size))
		return false;
	b->cut = worth_cutting(b);
	return !b->cut;
}

static void note_part(struct body *b, const struct mailimap_msg_att_body_section *section)
{
	enum body_part part = classify(b, section->sec_section);

	if (part == BODY_PARTS)
		return;
	if (b->parts[part].there)
		b->wrong = true;
	b->parts[part].there = section->sec_body_part != NULL;
}

/* A FETCH response has ended. */
static void take_attributes(struct mailimap_msg_att *attributes, void *context)
{
	struct body *b = context;
	uint32_t uid = 0;

	for (clistiter *at = clist_begin(attributes->att_list); at != NULL; at = clist_next(at)) {
		const struct mailimap_msg_att_item *item = clist_content(at);

		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC &&
		    item->att_data.att_static->att_type == MAILIMAP_MSG_ATT_UID)
			uid = item->att_data.att_static->att_data.att_uid;
	}
	if (uid == b->uid) {
		b->answered = true;
		for (clistiter *at = clist_begin(attributes->att_list); at != NULL; at = clist_next(at)) {
			const struct mailimap_msg_att_item *item = clist_content(at);

			if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC &&
			    item->att_data.att_static->att_type == MAILIMAP_MSG_ATT_BODY_SECTION)
				note_part(b, item->att_data.att_static->att_data.att_body_section);
		}
	} else if (b->passed) {
		b->wrong = true;
	} else if (uid != 0) {
		b->alien = true;
	}
	b->section = NULL;
	b->passed = false;
}

static void no_progress(size_t current, size_t maximum, void *context)
{
	(void)current, (void)maximum, (void)context;
}

/* ---- a command --------------------------------------------------------- */

static void reset(struct body *b, unsigned wanted, uint64_t origin, uint64_t limit)
{
	b->wanted = wanted;
	b->origin = origin;
	b->limit = limit;
	memset(b->parts, 0, sizeof(b->parts));
	b->section = NULL;
	b->passing = b->passed = b->ours = false;
	b->answered = b->alien = b->unsure = b->wrong = b->stopped = b->cut = false;
	b->broken = NULL;
}

static enum conn_end send_fetch(struct body *b)
{
	struct conn *c = &b->drop->conn;
	struct guard_limits limits = conn_small;
	char range[64] = "";

	limits.body = UINT32_MAX;
	if (b->limit > 0)
		snprintf(range, sizeof(range), "<%" PRIu64 ".%" PRIu64 ">", b->origin, b->limit);
	if (wants(b, BODY_WHOLE))
		return conn_command(c, &limits, "UID FETCH %" PRIu32 " (UID BODY.PEEK[]%s)", b->uid, range);
	if (!wants(b, BODY_TEXT))
		return conn_command(c, &limits, "UID FETCH %" PRIu32 " (UID BODY.PEEK[HEADER])", b->uid);
	return conn_command(c, &limits, "UID FETCH %" PRIu32 " (UID%s BODY.PEEK[TEXT]%s)", b->uid,
			    wants(b, BODY_HEADER) ? " BODY.PEEK[HEADER]" : "", range);
}

static enum conn_end run(struct body *b)
{
	mailimap *imap = b->drop->conn.imap;
	enum conn_end end;

	mailimap_set_progress_callback(imap, no_progress, no_progress, NULL);
	mailimap_set_msg_att_handler(imap, take_attributes, b);
	mailimap_set_msg_body_handler(imap, take_octets, b);
	end = send_fetch(b);
	mailimap_set_msg_body_handler(imap, NULL, NULL);
	mailimap_set_msg_att_handler(imap, NULL, NULL);
	mailimap_set_progress_callback(imap, NULL, NULL, NULL);
	if (b->drop->conn.expunged)
		b->drop->sequence_known = false;
	return end;
}

static bool expunge_issued(const struct body *b)
{
	return strcmp(b->drop->conn.status.code, "EXPUNGEISSUED") == 0;
}

/* NO, or nothing that can be read. */
static enum body_end failed(struct body *b, enum conn_end end, struct popgate_error *error)
{
	struct conn *c = &b->drop->conn;

	if (b->stopped) {
		status_fail(error, POPGATE_STOPPED, "the sink refused");
		return BODY_FAILED;
	}
	if (b->broken != NULL) {
		status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": %s", b->uid, b->broken);
		return BODY_FAILED;
	}
	conn_fail(c, "UID FETCH", STATUS_AT_COMMAND, error);
	if (end == CONN_BROKEN && conn_is_lost(c) && b->written == 0)
		return BODY_LOST;
	/* a message that cannot be read is no reason to give up the others */
	if (error->status == POPGATE_PERM ||
	    (error->status == POPGATE_PROTOCOL && b->written == 0 && transport_fault(c->transport) == TRANSPORT_FINE))
		error->status = POPGATE_TEMP;
	if (end == CONN_NO && b->written == 0 && expunge_issued(b))
		error->status = POPGATE_GONE;
	return BODY_FAILED;
}

/* The tagged OK is here: is all that was wanted? */
static enum body_end judge(struct body *b, struct popgate_error *error)
{
	enum popgate_status missing = POPGATE_TEMP;

	if (b->wrong) {
		b->drop->conn.usable = false;
		status_fail(error, POPGATE_PROTOCOL, "UID %" PRIu32 ": the server sent another message", b->uid);
		return BODY_FAILED;
	}
	if (b->unsure && b->written == 0)
		return BODY_UNSURE;
	if (b->unsure) {
		status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": the server does not name it", b->uid);
		return BODY_FAILED;
	}
	if (!b->answered) {
		status_fail(error, b->alien || b->unsure || b->written > 0 ? POPGATE_TEMP : POPGATE_GONE,
			    b->alien ? "UID %" PRIu32 ": the server sent another message"
				     : "UID %" PRIu32 ": the message is gone",
			    b->uid);
		return BODY_FAILED;
	}
	if (b->written == 0 && expunge_issued(b))
		missing = POPGATE_GONE;
	for (int part = 0; part < BODY_PARTS; part++) {
		if (!wants(b, (enum body_part)part) || b->parts[part].there)
			continue;
		/* a message that is all header */
		if (part == BODY_TEXT && b->parts[BODY_HEADER].there && b->parts[BODY_HEADER].got >= b->listed)
			continue;
		status_fail(error, missing, "UID %" PRIu32 ": the server sent no body", b->uid);
		return BODY_FAILED;
	}
	return BODY_DONE;
}

enum body_end body_read(struct body *b, unsigned wanted, uint64_t origin, uint64_t limit, struct popgate_error *error)
{
	enum conn_end end;
	enum body_end result;

	reset(b, wanted, origin, limit);
	end = run(b);
	if (end == CONN_BROKEN && b->cut)
		return BODY_DONE;
	result = end == CONN_OK ? judge(b, error) : failed(b, end, error);
	if (result == BODY_DONE && !release_held(b)) {
		status_fail(error, POPGATE_STOPPED, "the sink refused");
		result = BODY_FAILED;
	}
	free(b->held);
	b->held = NULL;
	b->held_size = 0;
	return result;
}

/* The sequence number stands in the probe's answer; it is taken from the line like a body's. */
static void take_location(struct mailimap_msg_att *attributes, void *context)
{
	struct body *b = context;
	struct line_fetch fetch;
	size_t size;
	const char *line = conn_current_line(&b->drop->conn, &size);

	(void)attributes;
	if (line_read_fetch(line, size, &fetch) == 0 && fetch.uid == b->uid)
		b->sequence = fetch.sequence;
}

enum body_end body_locate(struct body *b, struct popgate_error *error)
{
	mailimap *imap = b->drop->conn.imap;
	enum conn_end end;

	reset(b, 0, 0, 0);
	b->sequence = 0;
	mailimap_set_progress_callback(imap, no_progress, no_progress, NULL);
	mailimap_set_msg_att_handler(imap, take_location, b);
	end = conn_command(&b->drop->conn, &conn_small, "UID FETCH %" PRIu32 " (UID)", b->uid);
	mailimap_set_msg_att_handler(imap, NULL, NULL);
	mailimap_set_progress_callback(imap, NULL, NULL, NULL);
	if (end != CONN_OK)
		return failed(b, end, error);
	if (b->sequence != 0)
		return BODY_DONE;
	status_fail(error, POPGATE_GONE, "UID %" PRIu32 ": the message is gone", b->uid);
	return BODY_FAILED;
}
