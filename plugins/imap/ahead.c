/* ahead - batches under way.
 *
 * What is held and what is under way, by the listed sizes, stay below the
 * budget together. A message waits for its whole batch, lest a refusal at
 * the batch's end leave the client with half of it; so the first batch is
 * small, each one after it twice as large up to a bound, and all are small
 * where the server is slow. A message that is a batch alone is passed on as it
 * comes.
 *
 * Runs in a session process.
 */
#include "ahead.h"

#include <stdlib.h>
#include <string.h>

#include "uidset.h"

#define FLIGHT_MAX   12u	    /* batches under way */
#define MEMBERS_MAX  256u	    /* messages of a batch */
#define STEP_FIRST   (64u * 1024u)  /* octets of the first batch */
#define STEP_MAX     (512u * 1024u) /* octets of a batch */
#define HEADER_GUESS 4096u
#define SET_MAX	     (CONN_COMMAND_MAX - 200u)
#define SLOW	     1000	     /* milliseconds for a batch, above which batches become small */
#define DRAIN_MAX    (1024u * 1024u) /* with more under way in vain, a new connection is cheaper */
#define BREAKS_MAX   2u		     /* connections lost over a batch before messages are asked for one by one */

struct batch {
	size_t first, count; /* of the entries, counted since the beginning */
};

struct ahead {
	struct held held;
	struct batch flight[FLIGHT_MAX]; /* the oldest first */
	unsigned flights;
	uint64_t reckoned; /* of what is under way */
	uint64_t step;	   /* octets of the next batch */
	unsigned breaks;
	bool slow;
};

/* ---- batches ----------------------------------------------------------- */

/* The oldest batch has been answered, or never will be. */
static void land(struct ahead *a)
{
	struct batch batch = a->flight[0];

	memmove(&a->flight[0], &a->flight[1], --a->flights * sizeof(a->flight[0]));
	for (size_t i = batch.first - a->held.shed; i < batch.first - a->held.shed + batch.count; i++) {
		a->reckoned -= a->held.entries[i].reckoned;
		if (a->held.entries[i].state == HELD_ASKED || a->held.entries[i].state == HELD_CAME)
			held_lose(&a->held, &a->held.entries[i]);
	}
}

static void land_all(struct ahead *a)
{
	while (a->flights > 0)
		land(a);
}

/* Once the connection is lost the answers don't come any more. */
static void notice_loss(struct ahead *a)
{
	if (a->flights == 0 || (a->held.drop->conn.usable && a->held.drop->conn.flights == a->flights))
		return;
	a->breaks++;
	land_all(a);
}

/* Reads the oldest batch's answer. */
static enum conn_end receive(struct ahead *a, struct body *wanted)
{
	const struct conn_taker taker = held_taker(&a->held, wanted);
	struct drop *drop = a->held.drop;
	int64_t begun = drop->conf->host->now();
	enum conn_end end = conn_receive(&drop->conn, &taker);

	a->slow = drop->conf->host->now() - begun > SLOW;
	held_conclude(&a->held, a->flight[0].first - a->held.shed, a->flight[0].count, end == CONN_OK);
	if (drop->conn.expunged)
		drop->sequence_known = false;
	if (a->held.wrong)
		drop->conn.usable = false;
	if (drop->conn.usable)
		land(a);
	notice_loss(a);
	return a->held.wrong ? CONN_BROKEN : end;
}

static uint64_t reckon(const struct ahead *a, size_t message)
{
	uint64_t listed = a->held.drop->messages[message].octets;
	uint64_t most = HEADER_GUESS + a->held.want.limit;

	return a->held.want.parts & 1u << BODY_WHOLE || listed < most ? listed : most;
}

/* How many of the messages make the next batch; 0: none now. */
static size_t plan(const struct ahead *a, const size_t *messages, size_t count)
{
	uint64_t taken = a->held.memory + a->reckoned, octets = 0, most = a->step;
	size_t n = 0;

	/* several are to be under way at once */
	if (most > a->held.budget / 4)
		most = a->held.budget / 4;
	if (most > STEP_MAX)
		most = STEP_MAX;
	for (; n < count && n < MEMBERS_MAX; n++) {
		uint64_t size = reckon(a, messages[n]);

		if (size > a->held.budget || size > a->held.drop->conf->fetch_max)
			break;
		/* rather a whole batch later than a small one now */
		if (taken + octets + size > a->held.budget)
			return a->flights == 0 ? n : 0;
		if (n > 0 && octets + size > most)
			break;
		octets += size;
	}
	return n;
}

static enum conn_end send_batch(struct ahead *a, const char *set, size_t count)
{
	struct conn *c = &a->held.drop->conn;
	struct guard_limits limits = body_limits(a->held.drop, (unsigned)count * BODY_PARTS);

	limits.lines += count * 8;
	limits.octets += count * 1024;
	if (a->held.want.parts & 1u << BODY_WHOLE)
		return conn_send(c, &limits, "UID FETCH %s (UID BODY.PEEK[])", set);
	if (!(a->held.want.parts & 1u << BODY_TEXT))
		return conn_send(c, &limits, "UID FETCH %s (UID BODY.PEEK[HEADER])", set);
	return conn_send(c, &limits, "UID FETCH %s (UID BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.%u>)", set,
			 (unsigned)a->held.want.limit);
}

/* Asks for the next batch; returns how many messages it has, 0: none was sent. */
static size_t ask(struct ahead *a, const size_t *messages, size_t count)
{
	struct batch batch = {.first = a->held.shed + a->held.count};
	uint32_t uids[MEMBERS_MAX];
	char set[SET_MAX];
	size_t n = plan(a, messages, count);

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		uids[i] = a->held.drop->messages[messages[i]].uid;
	n = uidset_write(uids, n, set, sizeof(set));
	while (batch.count < n && held_add(&a->held, messages[batch.count], reckon(a, messages[batch.count])) == 0)
		batch.count++;
	if (batch.count < n || send_batch(a, set, n) != CONN_OK) {
		a->held.count -= batch.count;
		return 0;
	}
	for (size_t i = a->held.count - n; i < a->held.count; i++)
		a->reckoned += a->held.entries[i].reckoned;
	a->flight[a->flights++] = batch;
	a->step = a->slow ? STEP_FIRST : a->step * 2;
	return n;
}

/* ---- the interface ------------------------------------------------------- */

static struct ahead *get(struct drop *drop)
{
	if (drop->ahead == NULL)
		drop->ahead = calloc(1, sizeof(*drop->ahead));
	if (drop->ahead != NULL)
		drop->ahead->held.drop = drop;
	return drop->ahead;
}

/* Whether what is here is of use to a client that goes on at `message` and wants this. */
static bool continues(const struct ahead *a, size_t message, const struct held_want *want)
{
	return a->held.count > 0 && a->held.want.parts == want->parts && a->held.want.limit == want->limit &&
	       a->held.entries[0].message <= message && message <= a->held.entries[a->held.count - 1].message;
}

void ahead_hint(struct drop *drop, const size_t *messages, size_t count, const struct held_want *want, uint64_t budget)
{
	struct ahead *a = get(drop);
	size_t next = 0, sent = 1;

	if (a == NULL || !drop->conn.usable || a->breaks >= BREAKS_MAX)
		return;
	notice_loss(a);
	if (!continues(a, messages[0], want)) {
		ahead_drop(drop);
		a->held.want = *want;
		a->step = STEP_FIRST;
		if (!drop->conn.usable)
			return;
	}
	a->held.budget = budget;
	held_shed(&a->held, messages[0], a->flights > 0 ? a->flight[0].first - a->held.shed : a->held.count);
	while (next < count && a->held.count > 0 && messages[next] <= a->held.entries[a->held.count - 1].message)
		next++;
	for (; next < count && sent > 0 && a->flights < FLIGHT_MAX; next += sent)
		sent = ask(a, messages + next, count - next);
}

static bool serves(const struct ahead *a, const struct held_want *want)
{
	bool whole = (a->held.want.parts & 1u << BODY_WHOLE) != 0;

	return whole || ((a->held.want.parts & want->parts) == want->parts &&
			 (!(want->parts & 1u << BODY_TEXT) || a->held.want.limit == want->limit));
}

/* Another message of the batch may have been what the guard or the parser refused. */
static bool is_better_alone(const struct body *b)
{
	enum transport_fault fault = transport_fault(b->drop->conn.transport);

	return b->written == 0 && !b->stopped && (fault == TRANSPORT_FINE || fault == TRANSPORT_HOSTILE);
}

/* A server that mixes messages up gets no more batches: alone it may be understood. */
static enum ahead_end fail(struct ahead *a, struct body *b, enum conn_end end, struct popgate_error *error)
{
	if (a->held.wrong) {
		a->held.wrong = false;
		a->breaks = BREAKS_MAX;
		if (b->written == 0)
			return AHEAD_NONE;
		status_fail(error, POPGATE_TEMP, "the server mixed up messages");
		return AHEAD_FAILED;
	}
	return body_failed(b, end, error) == BODY_LOST || is_better_alone(b) ? AHEAD_NONE : AHEAD_FAILED;
}

/* Whether the message may go to the sink as it comes: a refusal would be its own. Of a TOP the rest is wanted too, by
 * the RETR that follows. */
static bool can_pass(const struct ahead *a, const struct held_entry *entry, const struct held_want *want)
{
	return want->parts == 1u << BODY_WHOLE && a->flight[0].count == 1 &&
	       &a->held.entries[a->flight[0].first - a->held.shed] == entry;
}

enum ahead_end ahead_find(struct body *b, size_t message, const struct held_want *want,
			  const struct held_part **parts_r, struct popgate_error *error)
{
	struct ahead *a = b->drop->ahead;
	struct held_entry *entry;

	if (a == NULL)
		return AHEAD_NONE;
	notice_loss(a);
	entry = held_find(&a->held, message);
	if (entry == NULL || !serves(a, want))
		return AHEAD_NONE;
	while (entry->state == HELD_ASKED || entry->state == HELD_CAME) {
		enum conn_end end = receive(a, can_pass(a, entry, want) ? b : NULL);

		if (end == CONN_BROKEN)
			return fail(a, b, end, error);
	}
	if (entry->state == HELD_WHOLE && b->written == 0) {
		*parts_r = entry->parts;
		return AHEAD_HELD;
	}
	if (entry->state == HELD_WHOLE) {
		held_lose(&a->held, entry); /* it is not here any more */
		return AHEAD_PASSED;
	}
	if (b->written == 0)
		return AHEAD_NONE;
	status_fail(error, POPGATE_TEMP, "UID %u: its end did not come", b->uid);
	return AHEAD_FAILED;
}

void ahead_forget(struct drop *drop, size_t message, const struct held_want *served)
{
	struct held_entry *entry = drop->ahead != NULL ? held_find(&drop->ahead->held, message) : NULL;

	/* after a look at it the whole is still to come */
	if (entry != NULL && entry->state == HELD_WHOLE && served->parts == drop->ahead->held.want.parts)
		held_lose(&drop->ahead->held, entry);
}

void ahead_settle(struct drop *drop)
{
	struct ahead *a = drop->ahead;

	if (a == NULL)
		return;
	notice_loss(a);
	while (a->flights > 0)
		receive(a, NULL);
	a->held.wrong = false;
}

void ahead_drop(struct drop *drop)
{
	struct ahead *a = drop->ahead;

	if (a == NULL)
		return;
	notice_loss(a);
	if (a->reckoned > DRAIN_MAX) {
		conn_close(&drop->conn);
		land_all(a);
	}
	/* nothing of it is worth holding */
	for (size_t i = 0; i < a->held.count; i++)
		held_lose(&a->held, &a->held.entries[i]);
	ahead_settle(drop);
	a->held.shed += a->held.count;
	a->held.count = 0;
}

void ahead_free(struct drop *drop)
{
	struct ahead *a = drop->ahead;

	if (a == NULL)
		return;
	held_free(&a->held);
	free(a);
	drop->ahead = NULL;
}
