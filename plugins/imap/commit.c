/* commit - marks, expunges or moves exactly the given UIDs, then looks whether they are gone.
 *
 * A plain EXPUNGE is sent only where the settings allow it on a server
 * without UIDPLUS, and only when a search right before shows that nothing
 * but ours is marked; what another client marks between those two commands
 * cannot be protected there. CLOSE is never sent. A connection that is lost
 * after the first STORE is not restored.
 *
 * Runs in a session process.
 */
#include "commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "attributes.h"
#include "caps.h"
#include "login.h"
#include "special.h"
#include "uidset.h"

#define SET_MAX (CONN_COMMAND_MAX - 2400u) /* a quoted folder name and the words fit beside it */

#define MARK "+FLAGS.SILENT (\\Deleted)"

/* Commands under way at once: few enough to fit into the sockets' buffers, should a server answer before it reads on.
 */
#define FLIGHT_MAX 4u

/* What a FETCH has said of a message's \Deleted. */
enum { MARK_UNTOLD, MARK_SET, MARK_UNSET };

/* The set under way, in the order of the caller's positions. */
struct removal {
	struct drop *drop;
	size_t count;
	uint32_t *uids;	       /* ascending */
	unsigned char *flags;  /* the memory of the next four */
	unsigned char *seen;   /* of each: still there, by the last FETCH */
	unsigned char *marked; /* of each: what the last FETCH said of \Deleted, see below */
	unsigned char *before; /* of each: bore \Deleted before our STORE ("alone") */
	unsigned char *found;  /* of each: bore \Deleted, by the last SEARCH */
	unsigned char *gone;   /* the caller's */
	struct popgate_error *error;
};

static struct guard_limits limits_for(const struct removal *r)
{
	struct guard_limits limits = *r->drop->conn.small;

	limits.octets += (uint64_t)r->count * 1024;
	limits.lines += (uint64_t)r->count * 4;
	return limits;
}

/* One more command with as many of the UIDs as fit; returns how many. */
static size_t send_set(struct removal *r, const uint32_t *uids, size_t count, const char *before, const char *after)
{
	struct guard_limits limits = limits_for(r);
	char set[SET_MAX];
	size_t n = uidset_write(uids, count, set, sizeof(set));

	conn_send(&r->drop->conn, &limits, "%s %s%s%s", before, set, *after != '\0' ? " " : "", after);
	return n;
}

/* Sends `before` SET `after` for all of uids, in as many commands as it takes, without waiting in between. After the
 * first that is not OK no more are sent, and c->status is that one's. */
static enum conn_end for_sets(struct removal *r, const uint32_t *uids, size_t count, const struct conn_taker *taker,
			      const char *before, const char *after)
{
	struct conn *c = &r->drop->conn;
	struct line_status status = {.kind = LINE_OTHER};
	enum conn_end end = CONN_OK;

	for (size_t done = 0; (done < count && end == CONN_OK) || c->flights > 0;) {
		enum conn_end one;

		while (done < count && end == CONN_OK && c->usable && c->flights < FLIGHT_MAX)
			done += send_set(r, uids + done, count - done, before, after);
		one = conn_receive(c, taker);
		if (one == CONN_BROKEN)
			return one;
		if (one != CONN_OK && end == CONN_OK) {
			end = one;
			status = c->status;
		}
	}
	if (end != CONN_OK)
		c->status = status;
	return end;
}

/* ---- looking ------------------------------------------------------------- */

/* A response that names more than one is no proof that any of them is gone. */
static void note_seen(struct removal *r, const struct mailimap_msg_att_static *item)
{
	size_t i =
	    item->att_type == MAILIMAP_MSG_ATT_UID ? uidset_find(r->uids, r->count, item->att_data.att_uid) : r->count;

	if (i < r->count)
		r->seen[i] = 1;
}

static void take_attributes(struct mailimap_msg_att *attributes, void *context)
{
	struct removal *r = context;
	size_t i = uidset_find(r->uids, r->count, attributes_uid(attributes));

	for (clistiter *at = clist_begin(attributes->att_list); at != NULL; at = clist_next(at)) {
		const struct mailimap_msg_att_item *item = clist_content(at);

		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_DYNAMIC && i < r->count)
			r->marked[i] = attributes_deleted(item->att_data.att_dyn) ? MARK_SET : MARK_UNSET;
		else if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC)
			note_seen(r, item->att_data.att_static);
	}
}

static void forget_looks(struct removal *r)
{
	memset(r->seen, 0, r->count);
	memset(r->marked, 0, r->count);
}

/* Which of the messages are there, and marked. */
static int look(struct removal *r, const char *items)
{
	const struct conn_taker taker = {.attributes = take_attributes, .context = r};

	forget_looks(r);
	if (for_sets(r, r->uids, r->count, &taker, "UID FETCH", items) == CONN_OK)
		return 0;
	return conn_fail(&r->drop->conn, "confirming", STATUS_AT_COMMAND, r->error);
}

/* The server has said OK to the removal: a FETCH that brings nothing of a UID then confirms it. Without that OK it
 * would confirm nothing, since servers leave out what they cannot read just now. */
static int note_gone(struct removal *r)
{
	size_t left = 0;

	for (size_t i = 0; i < r->count; i++) {
		r->gone[i] = r->seen[i] == 0;
		left += r->seen[i];
	}
	if (left == 0)
		return 0;
	return status_fail(r->error, POPGATE_TEMP, "%zu of %zu messages are still there", left, r->count);
}

static int confirm_gone(struct removal *r)
{
	return look(r, "(UID)") == 0 ? note_gone(r) : -1;
}

/* After the command that removes. */
static int conclude(struct removal *r, enum conn_end end, const char *what)
{
	if (end == CONN_OK)
		return confirm_gone(r);
	return conn_fail(&r->drop->conn, what, STATUS_AT_COMMAND, r->error);
}

/* ---- marking ------------------------------------------------------------- */

static int mark(struct removal *r)
{
	if (for_sets(r, r->uids, r->count, NULL, "UID STORE", MARK) == CONN_OK)
		return 0;
	return conn_fail(&r->drop->conn, "UID STORE", STATUS_AT_COMMAND, r->error);
}

/* Takes back the marks that were not there before us; best effort. */
static void unmark(struct removal *r)
{
	uint32_t *uids = malloc(r->count * sizeof(*uids));
	size_t count = 0;

	if (uids == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (!r->before[i])
			uids[count++] = r->uids[i];
	for_sets(r, uids, count, NULL, "UID STORE", "-FLAGS.SILENT (\\Deleted)");
	free(uids);
}

static int flag_only(struct removal *r)
{
	size_t left = 0;

	if (mark(r) != 0 || look(r, "(UID FLAGS)") != 0)
		return -1;
	for (size_t i = 0; i < r->count; i++) {
		r->gone[i] = !r->seen[i] || r->marked[i] == MARK_SET;
		left += !r->gone[i];
	}
	if (left == 0)
		return 0;
	return status_fail(r->error, POPGATE_TEMP, "%zu of %zu messages were not marked", left, r->count);
}

/* ---- expunging ----------------------------------------------------------- */

/* What the server has marked: how many of ours (noted in `flags`), and whether anything else. Many servers answer
 * SEARCH by what the client was last told of, and tell what others have done since only behind it: so NOOP comes first.
 */
static int search_deleted(struct removal *r, unsigned char *flags, size_t *ours_r, bool *others_r)
{
	struct guard_limits limits = limits_for(r);
	const struct mailimap_response_info *info;

	limits.octets += (uint64_t)r->drop->exists * (11 + GUARD_WORD_COST);
	memset(flags, 0, r->count);
	*ours_r = 0;
	*others_r = false;
	if (conn_command(&r->drop->conn, &limits, "NOOP") != CONN_OK)
		return conn_fail(&r->drop->conn, "NOOP", STATUS_AT_COMMAND, r->error);
	if (conn_command(&r->drop->conn, &limits, "UID SEARCH DELETED") != CONN_OK)
		return conn_fail(&r->drop->conn, "UID SEARCH", STATUS_AT_COMMAND, r->error);
	info = r->drop->conn.imap->imap_response_info;
	if (info == NULL)
		return status_fail(r->error, POPGATE_TEMP, "out of memory");
	if (info->rsp_search_result == NULL)
		return 0;
	for (clistiter *at = clist_begin(info->rsp_search_result); at != NULL; at = clist_next(at)) {
		const uint32_t *uid = clist_content(at);
		size_t i = uidset_find(r->uids, r->count, *uid);

		if (i == r->count) {
			*others_r = true;
		} else if (!flags[i]) {
			flags[i] = 1;
			++*ours_r;
		}
	}
	return 0;
}

static int refuse_others(struct removal *r)
{
	return status_fail(r->error, POPGATE_TEMP,
			   "another client has marked messages as deleted, and the server has no UIDPLUS");
}

/* Whether an EXPUNGE is allowed at all, and would take ours alone, as things are. */
static int check_alone(struct removal *r)
{
	size_t ours;
	bool others;

	switch (r->drop->conf->without) {
	case CONF_ALONE:
		break;
	case CONF_REFUSE:
		return status_fail(r->error, POPGATE_PERM,
				   "the server has no UIDPLUS, and without_uidplus is \"refuse\"");
	case CONF_MOVE_ONLY:
		return status_fail(r->error, POPGATE_PERM,
				   "the server has neither UIDPLUS nor MOVE, and without_uidplus is \"move\"");
	}
	if (search_deleted(r, r->before, &ours, &others) != 0)
		return -1;
	return others ? refuse_others(r) : 0;
}

/* Not all of ours are marked. Those that are missing must be gone, or unmarked in a FETCH as well: a SEARCH that lags
 * behind proves nothing about the others' marks. */
static int explain_missing(struct removal *r, size_t *ours_r)
{
	bool others;

	if (look(r, "(UID FLAGS)") != 0 || search_deleted(r, r->found, ours_r, &others) != 0)
		return -1;
	if (others)
		return refuse_others(r);
	for (size_t i = 0; i < r->count; i++)
		if (r->seen[i] && r->marked[i] != MARK_UNSET && !r->found[i])
			return status_fail(r->error, POPGATE_TEMP, "SEARCH and FETCH disagree about what is deleted");
	return 0;
}

/* Looks that nothing but ours is marked; how many are. */
static int check_marked(struct removal *r, size_t *ours_r)
{
	bool others;

	if (search_deleted(r, r->found, ours_r, &others) != 0)
		return -1;
	if (others)
		return refuse_others(r);
	return *ours_r == r->count ? 0 : explain_missing(r, ours_r);
}

static int send_expunge(struct removal *r)
{
	struct guard_limits limits = limits_for(r);
	struct conn *c = &r->drop->conn;

	if (conn_command(c, &limits, "EXPUNGE") == CONN_OK)
		return 0;
	return conn_fail(c, "EXPUNGE", STATUS_AT_COMMAND, r->error);
}

/* Whatever fails once the marking has begun: no mark of ours stays for the next EXPUNGE of somebody else. */
static int expunge_alone(struct removal *r)
{
	size_t ours;

	if (check_alone(r) != 0)
		return -1;
	if (mark(r) == 0 && check_marked(r, &ours) == 0 && (ours == 0 || send_expunge(r) == 0) && confirm_gone(r) == 0)
		return 0;
	if (r->drop->conn.usable)
		unmark(r);
	return -1;
}

/* Each command waits for the answer to the one before. */
static int expunge_by_steps(struct removal *r)
{
	if (mark(r) != 0)
		return -1;
	return conclude(r, for_sets(r, r->uids, r->count, NULL, "UID EXPUNGE", ""), "UID EXPUNGE");
}

/* Marks, expunges and looks in one flight. What a refused mark leaves unmarked no UID EXPUNGE takes; what it takes was
 * to be removed. The look's data may come before the answers to the other two. Dovecot does that when another client
 * has just removed something, and then its UID EXPUNGE does not yet see the marks, takes nothing and says OK. */
static int expunge_at_once(struct removal *r, const char *set)
{
	const struct conn_taker taker = {.attributes = take_attributes, .context = r};
	struct guard_limits limits = limits_for(r);
	struct conn *c = &r->drop->conn;
	enum conn_end marked, expunged, looked;
	struct line_status status;

	forget_looks(r);
	conn_gather(c);
	conn_send(c, &limits, "UID STORE %s " MARK, set);
	conn_send(c, &limits, "UID EXPUNGE %s", set);
	conn_send(c, &limits, "UID FETCH %s (UID)", set);
	marked = conn_receive(c, &taker);
	if (marked == CONN_BROKEN)
		return conn_fail(c, "UID STORE", STATUS_AT_COMMAND, r->error);
	status = c->status;
	expunged = conn_receive(c, &taker);
	if (expunged == CONN_BROKEN)
		return conn_fail(c, "UID EXPUNGE", STATUS_AT_COMMAND, r->error);
	if (marked == CONN_OK)
		status = c->status;
	looked = conn_receive(c, &taker);
	if (looked == CONN_BROKEN)
		return conn_fail(c, "confirming", STATUS_AT_COMMAND, r->error);
	if (marked != CONN_OK || expunged != CONN_OK) {
		c->status = status;
		return conn_fail(c, marked == CONN_OK ? "UID EXPUNGE" : "UID STORE", STATUS_AT_COMMAND, r->error);
	}
	if (looked == CONN_OK && note_gone(r) == 0)
		return 0;
	if (look(r, "(UID)") != 0)
		return -1;
	return note_gone(r) == 0 ? 0 : expunge_by_steps(r);
}

static int expunge_uids(struct removal *r)
{
	char set[SET_MAX];

	if (uidset_write(r->uids, r->count, set, sizeof(set)) == r->count)
		return expunge_at_once(r, set);
	return expunge_by_steps(r);
}

/* ---- moving -------------------------------------------------------------- */

/* Sends all of them to the trash by UID MOVE or UID COPY. */
static enum conn_end to_trash(struct removal *r, const char *verb)
{
	const char *trash = r->drop->utf8 ? r->drop->trash->utf8 : r->drop->trash->utf7;

	return for_sets(r, r->uids, r->count, NULL, verb, trash);
}

static int move_uids(struct removal *r)
{
	return conclude(r, to_trash(r, "UID MOVE"), "UID MOVE");
}

/* ---- the policies -------------------------------------------------------- */

static int expunge(struct removal *r)
{
	bool inside;

	if (r->drop->conn.caps & CAPS_UIDPLUS)
		return expunge_uids(r);
	if (r->drop->conf->without != CONF_MOVE_ONLY || !(r->drop->conn.caps & CAPS_MOVE))
		return expunge_alone(r);
	if (special_trash(r->drop, &inside, r->error) != 0)
		return -1;
	return inside ? status_fail(r->error, POPGATE_PERM, "the folder is the trash, and the server has no UIDPLUS")
		      : move_uids(r);
}

static int move(struct removal *r)
{
	bool uidplus = (r->drop->conn.caps & CAPS_UIDPLUS) != 0, inside;

	if (special_trash(r->drop, &inside, r->error) != 0)
		return -1;
	if (inside)
		return expunge(r);
	if (r->drop->conn.caps & CAPS_MOVE)
		return move_uids(r);
	/* a copy that could not be followed by an expunge would only be a double */
	if (!uidplus && check_alone(r) != 0)
		return -1;
	if (to_trash(r, "UID COPY") != CONN_OK)
		return conn_fail(&r->drop->conn, "UID COPY", STATUS_AT_COMMAND, r->error);
	return uidplus ? expunge_uids(r) : expunge_alone(r);
}

/* ---- the whole ----------------------------------------------------------- */

/* What the server said meanwhile may be BYE; before the first change that costs nothing but a new login. */
static int revive(struct drop *drop, int64_t deadline, struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	if (!drop->dead && c->usable) {
		transport_deadline(c->transport, deadline);
		ahead_drop(drop);
	}
	if (!drop->dead && c->usable) {
		if (conn_has_input(c) && conn_command(c, c->small, "NOOP") == CONN_BROKEN && !conn_is_lost(c))
			return conn_fail(c, "NOOP", STATUS_AT_COMMAND, error);
	}
	if (login_again(drop, deadline, error) != 0)
		return -1;
	transport_deadline(c->transport, deadline);
	return login_ask_caps(drop, error);
}

/* What the settings may say; NULL: to leave everything as it is. */
typedef int removal_fn(struct removal *r);
static removal_fn *const removals[] = {
    [CONF_EXPUNGE] = expunge, [CONF_FLAG] = flag_only, [CONF_MOVE] = move, [CONF_KEEP] = NULL};

static int prepare(struct removal *r, const size_t *messages)
{
	r->uids = malloc(r->count * sizeof(*r->uids));
	r->flags = calloc(r->count, 4);
	if (r->uids == NULL || r->flags == NULL)
		return status_fail(r->error, POPGATE_TEMP, "out of memory");
	r->seen = r->flags;
	r->marked = r->seen + r->count;
	r->before = r->marked + r->count;
	r->found = r->before + r->count;
	for (size_t i = 0; i < r->count; i++)
		r->uids[i] = r->drop->messages[messages[i]].uid;
	return 0;
}

int commit_messages(void *opaque, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		    struct popgate_error *error)
{
	struct drop *drop = opaque;
	struct removal r = {.drop = drop, .count = count, .gone = gone, .error = error};
	removal_fn *remove_all = removals[drop->conf->delete];
	int result = -1;

	if (count == 0)
		return 0;
	if (drop->conn.host->now() >= deadline) /* what is begun now would be done, and not confirmed */
		return status_fail(error, POPGATE_TEMP, "the time for removing is over");
	if (remove_all == NULL) {
		memset(gone, 1, count);
		return 0;
	}
	if (revive(drop, deadline, error) != 0)
		return -1;
	if (drop->read_only)
		return status_fail(error, POPGATE_PERM, "the folder is read-only");
	if (prepare(&r, messages) == 0)
		result = remove_all(&r);
	free(r.uids);
	free(r.flags);
	return result;
}
