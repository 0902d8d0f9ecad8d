/* fetch - chooses the commands that bring a message.
 *
 * A message up to 32 MiB comes in one piece, a larger one in ranges, since
 * libetpan 1.10 and later take no larger literal than 64 MiB. What ends a
 * message is the literal, or for ranges an empty one; RFC822.SIZE is only a
 * hint. TOP asks for the header and as much text as may be enough.
 *
 * A connection found dead before the first octet is restored once.
 * Never asks without PEEK. Runs in a session process.
 */
#include "fetch.h"

#include <inttypes.h>
#include <string.h>

#include "body.h"
#include "login.h"

#define WHOLE_MAX  (32u * 1024u * 1024u) /* octets fetched in one piece */
#define STEP	   (16u * 1024u * 1024u)
#define TEXT_FIRST 4096u
#define TEXT_MAX   (4u * 1024u * 1024u)
#define LINE_GUESS 100u /* octets of a text line */
#define LOCATE_MAX 3	/* the mailbox may change between the question and the FETCH */

static enum body_end empty(const struct body *b, struct popgate_error *error)
{
	status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": the server sent an empty body", b->uid);
	return BODY_FAILED;
}

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

static enum body_end read_piece(struct body *b, struct popgate_error *error)
{
	enum body_end end = body_read(b, 1u << BODY_WHOLE, 0, 0, error);

	if (end == BODY_DONE && b->written == 0 && b->listed > 0)
		return empty(b, error);
	return end;
}

/* Ranges follow each other until one is empty, or short where the listed size is reached. */
static enum body_end read_ranges(struct body *b, struct popgate_error *error)
{
	uint64_t origin = 0, got;

	do {
		enum body_end end = body_read(b, 1u << BODY_WHOLE, origin, STEP, error);

		if (end != BODY_DONE || b->enough)
			return end;
		got = b->parts[BODY_WHOLE].got;
		/* ranges are unknown to this server: that was the whole */
		if (origin == 0 && got > STEP)
			return BODY_DONE;
		/* an expunge looks like an early end */
		if (b->drop->conn.status.code[0] != '\0' && strcmp(b->drop->conn.status.code, "EXPUNGEISSUED") == 0) {
			status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": expunged while it was read", b->uid);
			return BODY_FAILED;
		}
		origin += got;
	} while (got == STEP || (got > 0 && origin != b->listed));
	return origin == 0 ? empty(b, error) : BODY_DONE;
}

/* The first guess at how much text the wanted lines are. */
static uint64_t guess(int64_t lines)
{
	uint64_t octets = lines > (int64_t)(TEXT_MAX / LINE_GUESS) ? TEXT_MAX : (uint64_t)lines * LINE_GUESS;

	return octets < TEXT_FIRST ? TEXT_FIRST : octets;
}

static enum body_end read_top(struct body *b, int64_t lines, struct popgate_error *error)
{
	uint64_t limit = guess(lines), origin = 0, got;
	unsigned wanted = 1u << BODY_HEADER | 1u << BODY_TEXT;
	enum body_end end;

	if (lines == 0)
		return body_read(b, 1u << BODY_HEADER, 0, 0, error);
	for (;;) {
		end = body_read(b, wanted, origin, limit, error);
		if (end != BODY_DONE || b->enough)
			return end;
		got = b->parts[BODY_TEXT].got;
		if (origin == 0 && got > limit)
			return BODY_DONE;
		origin += got;
		wanted = 1u << BODY_TEXT;
		if (got < limit)
			return b->written == 0 && b->listed > 0 ? empty(b, error) : BODY_DONE;
		limit = limit * 2 > TEXT_MAX ? TEXT_MAX : limit * 2;
	}
}

/* Ranges begin below 2^32 (RFC 3501, number). */
static enum body_end too_large(const struct body *b, struct popgate_error *error)
{
	status_fail(error, POPGATE_TEMP, "UID %" PRIu32 ": %" PRIu64 " octets are more than IMAP can bring in ranges",
		    b->uid, b->listed);
	return BODY_FAILED;
}

static enum body_end read_once(struct body *b, int64_t lines, struct popgate_error *error)
{
	if (lines != POPGATE_WHOLE)
		return read_top(b, lines, error);
	if (b->listed > UINT32_MAX)
		return too_large(b, error);
	return b->listed > WHOLE_MAX ? read_ranges(b, error) : read_piece(b, error);
}

/* Servers that name the UID last need the sequence number first. */
static enum body_end read_located(struct body *b, size_t message, int64_t lines, struct popgate_error *error)
{
	enum body_end end = BODY_UNSURE;

	for (int i = 0; i < LOCATE_MAX && end == BODY_UNSURE; i++) {
		b->sequence = b->drop->sequence_known ? (uint32_t)message + 1 : 0;
		if (b->sequence == 0 && b->drop->late_uid) {
			end = body_locate(b, error);
			if (end != BODY_DONE)
				return end;
		}
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

int fetch_message(struct drop *drop, size_t message, int64_t lines, const struct popgate_sink *sink,
		  const struct popgate_pace *pace, struct popgate_error *error)
{
	struct conn *c = &drop->conn;
	struct body b = {
	    .drop = drop, .sink = sink, .uid = drop->messages[message].uid, .listed = drop->messages[message].octets};
	enum body_end end = BODY_LOST;

	for (int i = 0; i < 2 && end == BODY_LOST; i++) {
		if (login_again(drop, c->host->now() + drop->conf->reconnect_timeout, error) != 0)
			return -1;
		transport_pace(c->transport, pace);
		end = read_located(&b, message, lines, error);
	}
	if (end != BODY_DONE)
		return -1;
	if (lines == POPGATE_WHOLE && !b.enough)
		report_size(&b);
	return 0;
}
