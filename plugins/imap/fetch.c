/* fetch - chooses the commands that bring a message.
 *
 * A message up to fetch_max octets comes in one piece, a larger one in ranges of
 * that size. As few as may be: servers count through the message anew for each. What ends a
 * message is the literal, or for ranges an empty one; RFC822.SIZE is only a
 * hint, but an end elsewhere is believed only of a message that is still
 * there. TOP asks for the header and as much text as may be enough.
 *
 * What was asked for ahead is taken from there; everything else is asked for
 * when nothing is under way any more.
 *
 * A connection found dead before the first octet is restored once.
 * Never asks without PEEK. Runs in a session process.
 */
#include "fetch.h"

#include <inttypes.h>

#include "ahead.h"
#include "body.h"
#include "login.h"

#define TEXT_FIRST 4096u
#define TEXT_MAX   (4u * 1024u * 1024u)
#define LINE_GUESS 100u /* octets of a text line */
#define LOCATE_MAX 3	/* the mailbox may change between the question and the FETCH */

/* Says once a drop that sizes are not what they seem. */
static void report_size(const struct body *b)
{
	if (b->written == b->listed || b->drop->size_reported)
		return;
	b->drop->size_reported = true;
	b->drop->conn.host->log(b->drop->session, POPGATE_LOG_INFO,
				"RFC822.SIZE of UID %" PRIu32 " is %" PRIu64 ", the message has %" PRIu64 " octets",
				b->uid, b->listed, b->written);
}

/* The ranges have ended with `total` octets. Where that is not the listed size, either the size was wrong or the
 * message went away meanwhile. */
static enum body_end end_of_ranges(struct body *b, uint64_t total, bool full, struct popgate_error *error)
{
	if (total == b->listed)
		return BODY_DONE;
	if (full && total < b->listed) {
		status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": %" PRIu64 " of %" PRIu64 " octets, then none",
			    b->uid, total, b->listed);
		return BODY_FAILED;
	}
	return body_locate(b, error);
}

/* Beyond 2^32 octets no range begins, and no literal goes (RFC 3501, number). */
static enum body_end too_large(const struct body *b, uint64_t octets, struct popgate_error *error)
{
	status_fail(error, POPGATE_PERM, "UID %" PRIu32 ": %" PRIu64 " octets are more than guard_message", b->uid,
		    octets);
	return BODY_FAILED;
}

/* Further ranges of a part, of which the first has come: until one is empty, or short where the listed size is reached.
 * `before`: octets of the message that are none of this part's. */
static enum body_end read_on(struct body *b, enum body_part part, uint64_t before, uint64_t limit, uint64_t most,
			     struct popgate_error *error)
{
	uint64_t got = b->parts[part].got, origin = got;
	bool full = got == limit;

	while (got > 0 && (got == limit || before + origin != b->listed)) {
		enum body_end end;

		if (before + origin > b->drop->conf->message_max)
			return too_large(b, before + origin, error);
		limit = limit * 2 > most ? most : limit * 2;
		end = body_read(b, 1u << part, origin, limit, error);
		if (end != BODY_DONE || b->enough)
			return end;
		got = b->parts[part].got;
		origin += got;
		full = got > 0 ? got == limit : full;
	}
	return end_of_ranges(b, before + origin, full, error);
}

static enum body_end read_ranges(struct body *b, struct popgate_error *error)
{
	uint64_t step = b->drop->conf->fetch_max;
	enum body_end end = body_read(b, 1u << BODY_WHOLE, 0, step, error);
	uint64_t got = b->parts[BODY_WHOLE].got;

	if (end != BODY_DONE || b->enough)
		return end;
	/* ranges are unknown to this server: that was the whole */
	if (got > step || (got < step && !b->ranged))
		return end_of_ranges(b, got, false, error);
	return read_on(b, BODY_WHOLE, 0, step, step, error);
}

/* The largest range of text: a longer literal is refused. */
static uint64_t text_max(const struct drop *drop)
{
	return drop->conf->message_max < TEXT_MAX ? drop->conf->message_max : TEXT_MAX;
}

/* The first guess at how much text the wanted lines are. */
static uint64_t guess(const struct drop *drop, int64_t lines)
{
	uint64_t most = text_max(drop);
	uint64_t octets = lines > (int64_t)(most / LINE_GUESS) ? most : (uint64_t)lines * LINE_GUESS;

	return octets < TEXT_FIRST ? TEXT_FIRST : octets;
}

/* No text, though by its size the message has some: there are servers that answer a range with nothing. */
static bool lacks_text(const struct body *b, uint64_t header, uint64_t text)
{
	return !b->enough && text == 0 && header < b->listed;
}

static enum body_end read_text(struct body *b, struct popgate_error *error)
{
	return body_read(b, 1u << BODY_TEXT, 0, 0, error);
}

static enum body_end read_top(struct body *b, int64_t lines, struct popgate_error *error)
{
	uint64_t limit = guess(b->drop, lines);
	enum body_end end;

	if (lines == 0)
		return body_read(b, 1u << BODY_HEADER, 0, 0, error);
	end = body_read(b, 1u << BODY_HEADER | 1u << BODY_TEXT, 0, limit, error);
	if (end == BODY_DONE && lacks_text(b, b->parts[BODY_HEADER].got, b->parts[BODY_TEXT].got))
		return read_text(b, error);
	/* Less than asked for is all of the text, even where the listed size says otherwise: servers list sizes that
	 * are wrong, and send the whole when asked for what is behind. More is what a server sends that knows no
	 * ranges. */
	if (end != BODY_DONE || b->enough || b->parts[BODY_TEXT].got != limit)
		return end;
	return read_on(b, BODY_TEXT, b->parts[BODY_HEADER].got, limit, text_max(b->drop), error);
}

static enum body_end read_once(struct body *b, int64_t lines, struct popgate_error *error)
{
	if (lines != POPGATE_WHOLE)
		return read_top(b, lines, error);
	if (b->listed > b->drop->conf->message_max)
		return too_large(b, b->listed, error);
	return b->listed > b->drop->conf->fetch_max ? read_ranges(b, error)
						    : body_read(b, 1u << BODY_WHOLE, 0, 0, error);
}

/* Servers that name the UID last need the sequence number first. */
static enum body_end name_sequence(struct body *b, size_t message, struct popgate_error *error)
{
	b->sequence = b->drop->sequence_known ? (uint32_t)message + 1 : 0;
	return b->sequence == 0 && b->drop->late_uid ? body_locate(b, error) : BODY_DONE;
}

static enum body_end read_located(struct body *b, size_t message, int64_t lines, struct popgate_error *error)
{
	enum body_end end = BODY_UNSURE;

	for (int i = 0; i < LOCATE_MAX && end == BODY_UNSURE; i++) {
		end = name_sequence(b, message, error);
		if (end != BODY_DONE)
			return end;
		end = read_once(b, lines, error);
		/* the number that did not fit will not fit again */
		if (end == BODY_UNSURE)
			b->drop->sequence_known = false;
	}
	if (end == BODY_UNSURE) {
		status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": the server does not name it", b->uid);
		return BODY_FAILED;
	}
	return end;
}

/* ---- what was asked for ahead ------------------------------------------- */

static struct held_want want_for(const struct drop *drop, int64_t lines)
{
	if (lines == POPGATE_WHOLE)
		return (struct held_want){.parts = 1u << BODY_WHOLE};
	if (lines == 0)
		return (struct held_want){.parts = 1u << BODY_HEADER};
	return (struct held_want){.parts = 1u << BODY_HEADER | 1u << BODY_TEXT, .limit = guess(drop, lines)};
}

static enum body_end write_part(struct body *b, const struct held_part *part, struct popgate_error *error)
{
	if (part->size == 0 || body_pass(b, part->octets, part->size))
		return BODY_DONE;
	status_fail(error, POPGATE_STOPPED, "the sink refused");
	return BODY_FAILED;
}

/* Goes on where the text that was asked for ahead ends, though more lines are wanted; or asks for all of it. */
static enum body_end read_rest(struct body *b, size_t message, uint64_t header, uint64_t text,
			       struct popgate_error *error)
{
	ahead_settle(b->drop);
	if (name_sequence(b, message, error) != BODY_DONE)
		return BODY_FAILED;
	if (text == 0)
		return read_text(b, error);
	b->parts[BODY_TEXT].got = text;
	return read_on(b, BODY_TEXT, header, text, text_max(b->drop), error);
}

static enum body_end write_held(struct body *b, size_t message, const struct held_want *want,
				const struct held_part *parts, struct popgate_error *error)
{
	uint64_t header = parts[BODY_HEADER].size, text = parts[BODY_TEXT].size;

	for (int i = 0; i < BODY_PARTS; i++)
		if (write_part(b, &parts[i], error) != BODY_DONE)
			return BODY_FAILED;
	if (b->enough || header == 0 || !(want->parts & 1u << BODY_TEXT) ||
	    (text != want->limit && !lacks_text(b, header, text)))
		return BODY_DONE;
	return read_rest(b, message, header, text, error);
}

/* ---- the whole ----------------------------------------------------------- */

static enum body_end read_alone(struct body *b, size_t message, int64_t lines, const struct popgate_pace *pace,
				struct popgate_error *error)
{
	struct drop *drop = b->drop;
	enum body_end end = BODY_LOST;

	ahead_settle(drop);
	for (int i = 0; i < 2 && end == BODY_LOST; i++) {
		if (login_again(drop, drop->conn.host->now() + drop->conf->reconnect_timeout, error) != 0)
			return BODY_FAILED;
		transport_pace(drop->conn.transport, pace);
		end = read_located(b, message, lines, error);
	}
	return end;
}

static enum body_end read_message(struct body *b, size_t message, int64_t lines, const struct popgate_pace *pace,
				  struct popgate_error *error)
{
	const struct held_want want = want_for(b->drop, lines);
	const struct held_part *parts;

	if (b->drop->conn.usable)
		transport_pace(b->drop->conn.transport, pace);
	switch (ahead_find(b, message, &want, &parts, error)) {
	case AHEAD_NONE:
		break;
	case AHEAD_HELD:
		return write_held(b, message, &want, parts, error);
	case AHEAD_PASSED:
		return BODY_DONE;
	case AHEAD_FAILED:
		return BODY_FAILED;
	}
	return read_alone(b, message, lines, pace, error);
}

int fetch_message(void *opaque, size_t message, int64_t lines, const struct popgate_sink *sink,
		  const struct popgate_pace *pace, struct popgate_error *error)
{
	struct drop *drop = opaque;
	struct body b = {
	    .drop = drop, .sink = sink, .uid = drop->messages[message].uid, .listed = drop->messages[message].octets};
	const struct held_want want = want_for(drop, lines);

	drop->pace = *pace;
	if (read_message(&b, message, lines, pace, error) != BODY_DONE)
		return -1;
	/* a mail of no octets is listed as such, and has an empty header too; unless sizes say nothing here */
	if (b.written == 0 && !b.enough && (b.listed > 0 || drop->size_reported))
		return status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": the server sent an empty body", b.uid);
	if (lines == POPGATE_WHOLE && !b.enough)
		report_size(&b);
	ahead_forget(drop, message, &want);
	return 0;
}

/* The client has paused: what is under way is read, lest the server wait for us. */
static void pause_ahead(struct drop *drop)
{
	if (drop->ahead == NULL || !drop->conn.usable)
		return;
	transport_pace(drop->conn.transport, &drop->pace);
	ahead_settle(drop);
}

void fetch_ahead(void *opaque, const size_t *messages, size_t count, int64_t lines, uint64_t octets)
{
	struct drop *drop = opaque;
	const struct held_want want = want_for(drop, lines);

	if (count == 0 && octets == 0)
		ahead_drop(drop);
	else if (count == 0)
		pause_ahead(drop);
	else
		ahead_hint(drop, messages, count, &want, octets);
}
