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

#include "attributes.h"

/* With so much of an unwanted literal ahead, a new connection is cheaper. */
#define DRAIN_MAX (256u * 1024u)
/* So many bodies may come beside those asked for, before a server counts as hostile. */
#define BODIES_SPARE 2u

static bool wants(const struct body *b, enum body_part part)
{
	return (b->wanted & 1u << part) != 0;
}

enum body_part body_part_of(const struct mailimap_section *section)
{
	if (section == NULL || section->sec_spec == NULL)
		return BODY_WHOLE;
	if (section->sec_spec->sec_type != MAILIMAP_SECTION_SPEC_SECTION_MSGTEXT)
		return BODY_PARTS;
	if (section->sec_spec->sec_data.sec_msgtext->sec_type == MAILIMAP_SECTION_MSGTEXT_HEADER)
		return BODY_HEADER;
	if (section->sec_spec->sec_data.sec_msgtext->sec_type == MAILIMAP_SECTION_MSGTEXT_TEXT)
		return BODY_TEXT;
	return BODY_PARTS;
}

enum body_part body_part_of_item(const struct mailimap_msg_att_item *item, bool *nil_r)
{
	const struct mailimap_msg_att_body_section *section;

	if (item->att_type != MAILIMAP_MSG_ATT_ITEM_STATIC ||
	    item->att_data.att_static->att_type != MAILIMAP_MSG_ATT_BODY_SECTION)
		return BODY_PARTS;
	section = item->att_data.att_static->att_data.att_body_section;
	*nil_r = section->sec_body_part == NULL;
	return body_part_of(section->sec_section);
}

struct guard_limits body_limits(const struct drop *drop, unsigned bodies)
{
	struct guard_limits limits = *drop->conn.small;

	limits.body = drop->conf->message_max;
	limits.bodies = bodies + BODIES_SPARE;
	return limits;
}

/* Whether it is one of ours: BODY_PARTS when it was not asked for. */
static enum body_part ours_of(const struct body *b, enum body_part part)
{
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

bool body_pass(struct body *b, const void *octets, size_t size)
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
	return b->held_size == 0 || body_pass(b, b->held, b->held_size);
}

static void drop_held(struct body *b)
{
	free(b->held);
	b->held = NULL;
	b->held_size = 0;
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
		b->skipped = true;
		return true;
	}
	if (b->parts[part].begun)
		return abort_with(b, "the same part came twice");
	if (part != BODY_HEADER && origin != b->origin)
		return abort_with(b, "another range than the one asked for");
	b->ranged = fetch.ranged;
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
	part = ours_of(b, body_part_of(section->sec_section));
	if (part == BODY_PARTS)
		return true;
	if (b->section != section) {
		b->section = section;
		if (!begin_part(b, part, section->sec_origin_octet))
			return false;
	}
	if (!b->passing)
		return true;
	transport_progress(b->drop->conn.transport, size);
	b->parts[part].got += size;
	/* a range from the start may come as the whole: some servers know no ranges */
	if (b->limit > 0 && b->origin > 0 && b->parts[part].got > b->limit)
		return abort_with(b, "more octets than were asked for");
	if (part == BODY_TEXT && wants(b, BODY_HEADER) && !b->parts[BODY_HEADER].begun)
		return hold(b, octets, size);
	if (!body_pass(b, octets, size))
		return false;
	b->cut = worth_cutting(b);
	return !b->cut;
}

/* Notes the parts of our message's response; returns how many there are. Of another's they are only counted. */
static size_t note_parts(struct body *b, const struct mailimap_msg_att *attributes, bool ours)
{
	size_t count = 0;

	for (clistiter *at = clist_begin(attributes->att_list); at != NULL; at = clist_next(at)) {
		bool nil = false;
		enum body_part part = ours_of(b, body_part_of_item(clist_content(at), &nil));

		if (part == BODY_PARTS)
			continue;
		count++;
		if (!ours)
			continue;
		if (b->parts[part].there)
			b->wrong = true;
		b->parts[part].there = !nil;
		b->parts[part].nil = nil;
	}
	return count;
}

/* A FETCH response has ended. */
static void take_attributes(struct mailimap_msg_att *attributes, void *context)
{
	struct body *b = context;
	uint32_t uid = attributes_uid(attributes);
	size_t parts = note_parts(b, attributes, uid == b->uid);

	if (uid == b->uid) {
		b->answered = true;
		/* it has named another UID as well, before the octets */
		b->wrong = b->wrong || b->skipped;
	} else if (b->passed) {
		b->wrong = true;
	} else if (uid != 0) {
		b->alien = true;
	} else if (parts > 0) {
		b->unsure = true;
	}
	b->section = NULL;
	b->passed = b->skipped = false;
}

/* ---- a command --------------------------------------------------------- */

static void reset(struct body *b, unsigned wanted, uint64_t origin, uint64_t limit)
{
	b->wanted = wanted;
	b->origin = origin;
	b->limit = limit;
	memset(b->parts, 0, sizeof(b->parts));
	b->section = NULL;
	b->passing = b->passed = b->skipped = b->ours = b->ranged = false;
	b->answered = b->alien = b->unsure = b->wrong = b->stopped = b->cut = false;
	b->broken = NULL;
}

static enum conn_end send_fetch(struct body *b)
{
	const struct conn_taker taker = {.attributes = take_attributes, .octets = take_octets, .context = b};
	struct conn *c = &b->drop->conn;
	struct guard_limits limits = body_limits(b->drop, BODY_PARTS);
	char range[64] = "";

	if (b->limit > 0)
		snprintf(range, sizeof(range), "<%" PRIu64 ".%" PRIu64 ">", b->origin, b->limit);
	if (wants(b, BODY_WHOLE))
		return conn_fetch(c, &limits, &taker, "UID FETCH %" PRIu32 " (UID BODY.PEEK[]%s)", b->uid, range);
	if (!wants(b, BODY_TEXT))
		return conn_fetch(c, &limits, &taker, "UID FETCH %" PRIu32 " (UID BODY.PEEK[HEADER])", b->uid);
	return conn_fetch(c, &limits, &taker, "UID FETCH %" PRIu32 " (UID%s BODY.PEEK[TEXT]%s)", b->uid,
			  wants(b, BODY_HEADER) ? " BODY.PEEK[HEADER]" : "", range);
}

static bool expunge_issued(const struct body *b)
{
	return strcmp(b->drop->conn.status.code, "EXPUNGEISSUED") == 0;
}

enum body_end body_failed(struct body *b, enum conn_end end, struct popgate_error *error)
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
	/* a message that cannot be read is no reason to give up the others; the connection is made anew for them */
	if (error->status == POPGATE_PERM || error->status == POPGATE_PROTOCOL)
		error->status = POPGATE_TEMP;
	if (end == CONN_NO && b->written == 0 && expunge_issued(b))
		error->status = POPGATE_GONE;
	return BODY_FAILED;
}

static enum body_end refuse(const struct body *b, enum popgate_status status, const char *why,
			    struct popgate_error *error)
{
	status_fail(error, status, "UID %" PRIu32 ": %s", b->uid, why);
	return BODY_FAILED;
}

/* Whether a part that was wanted is here, or cannot be. */
static bool is_complete(const struct body *b, enum body_part part)
{
	if (!wants(b, part) || b->parts[part].there)
		return true;
	/* beyond the end some servers have NIL for an empty range */
	if (b->origin > 0 && b->parts[part].nil)
		return true;
	/* a message that is all header; where the size is not known either nothing shows that it is */
	return part == BODY_TEXT && b->parts[BODY_HEADER].there && b->parts[BODY_HEADER].got >= b->listed &&
	       (b->listed > 0 || b->parts[BODY_HEADER].got == 0);
}

/* OK, and nothing of the message: it is gone, or the server left out what it cannot read just now. */
static enum body_end look_for(struct body *b, struct popgate_error *error)
{
	enum body_end end = body_locate(b, error);

	return end == BODY_DONE ? refuse(b, POPGATE_TEMP, "it is there, and the server sent nothing of it", error)
				: end;
}

/* The tagged OK is here: is all that was wanted? */
static enum body_end judge(struct body *b, struct popgate_error *error)
{
	if (b->wrong) {
		b->drop->conn.usable = false;
		return refuse(b, POPGATE_TEMP, "the server sent another message", error);
	}
	if (b->unsure)
		return b->written == 0 ? BODY_UNSURE : refuse(b, POPGATE_TEMP, "the server does not name it", error);
	if (!b->answered && b->alien)
		return refuse(b, POPGATE_TEMP, "the server sent another message", error);
	if (!b->answered)
		return b->written > 0 ? refuse(b, POPGATE_TEMP, "the message is gone", error) : look_for(b, error);
	/* an expunge looks like an early end */
	if (b->origin > 0 && expunge_issued(b))
		return refuse(b, POPGATE_TEMP, "expunged while it was read", error);
	for (int part = 0; part < BODY_PARTS; part++)
		if (!is_complete(b, (enum body_part)part))
			return refuse(b, b->written == 0 && expunge_issued(b) ? POPGATE_GONE : POPGATE_TEMP,
				      "the server sent no body", error);
	return BODY_DONE;
}

/* What has changed the order of the folder makes sequence numbers worthless. */
static void note_expunge(struct body *b)
{
	if (b->drop->conn.expunged)
		b->drop->sequence_known = false;
}

enum body_end body_read(struct body *b, unsigned wanted, uint64_t origin, uint64_t limit, struct popgate_error *error)
{
	enum conn_end end;
	enum body_end result;

	reset(b, wanted, origin, limit);
	end = send_fetch(b);
	note_expunge(b);
	if (end == CONN_BROKEN && b->cut)
		result = BODY_DONE;
	else
		result = end == CONN_OK ? judge(b, error) : body_failed(b, end, error);
	if (result == BODY_DONE && !release_held(b))
		result = refuse(b, POPGATE_STOPPED, "the sink refused", error);
	drop_held(b);
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
	if (line_read_fetch(line, size, &fetch) != 0 || fetch.uid != b->uid || !fetch.has_octets)
		return;
	b->answered = true;
	b->sequence = fetch.sequence;
}

enum body_end body_locate(struct body *b, struct popgate_error *error)
{
	const struct conn_taker taker = {.attributes = take_location, .context = b};
	struct conn *c = &b->drop->conn;
	enum conn_end end;

	reset(b, 0, 0, 0);
	b->sequence = 0;
	/* a server may know the UID of what it has expunged; the size it looks up */
	end = conn_fetch(c, c->small, &taker, "UID FETCH %" PRIu32 " (UID RFC822.SIZE)", b->uid);
	note_expunge(b);
	if (c->expunged)
		b->sequence = 0;
	if (end != CONN_OK)
		return body_failed(b, end, error);
	if (b->answered)
		return BODY_DONE;
	return refuse(b, b->written > 0 ? POPGATE_TEMP : POPGATE_GONE, "the message is gone", error);
}
