/* session - see session.h. Never removes a message without a QUIT that was
 * received in TRANSACTION; never writes to the stream before it has opened. */
#include "session/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/deadline.h"
#include "pop3/command.h"
#include "pop3/line.h"
#include "session/commands.h"
#include "session/heap.h"
#include "session/input.h"
#include "session/keep.h"

#define UNKNOWN_MAX 20	 /* unknown commands before the connection is closed */
#define PAUSE	    1000 /* milliseconds without a command, after which a plugin gets its answers in */

/* ---- opening ---- */

struct listing {
	struct maildrop *maildrop;
	size_t most;
	enum maildrop_fault fault;
};

static int take_listed(void *context, const struct popgate_message *message)
{
	struct listing *listing = context;

	if (listing->fault != MAILDROP_FINE)
		return -1; /* a plugin that goes on all the same: numbers must not shift */
	listing->fault = maildrop_add(listing->maildrop, message, listing->most);
	return listing->fault == MAILDROP_FINE ? 0 : -1;
}

/* list() and refresh(). */
typedef int snapshot_fn(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);

static int list(struct popgate_session *session, snapshot_fn *snapshot, int64_t time, struct popgate_error *error)
{
	struct listing listing = {.maildrop = &session->maildrop, .most = session->conf->limits.max_messages};
	int result;

	watchdog_arm(time);
	result = snapshot(session->drop, take_listed, &listing, deadline_in(time), error);
	if (result == 0 && listing.fault == MAILDROP_FINE)
		listing.fault = maildrop_check(&session->maildrop);
	if (listing.fault == MAILDROP_FINE)
		return result;
	error->status = listing.fault == MAILDROP_TOO_MANY ? POPGATE_PERM : POPGATE_TEMP;
	snprintf(error->text, sizeof(error->text), "%s", maildrop_fault_text(listing.fault));
	return -1;
}

/* open() without lock() would let two sessions into one maildrop. */
static int check_locked(const struct popgate_session *session, struct popgate_error *error)
{
	if (session->denied) {
		error->status = POPGATE_AUTH;
		snprintf(error->text, sizeof(error->text), "%s", HOST_DENIED);
		return -1;
	}
	if (session->lock.fd >= 0)
		return 0;
	error->status = POPGATE_PERM;
	snprintf(error->text, sizeof(error->text), "plugin %s opened the maildrop without taking its lock",
		 session->backend->plugin);
	return -1;
}

/* Where it would show that there is no account it is refused like a wrong password. */
static int unable(const struct popgate_session *session, const char *what, struct popgate_error *error)
{
	error->status = session->stranger ? POPGATE_AUTH : POPGATE_PERM;
	snprintf(error->text, sizeof(error->text), "plugin %s takes no %s", session->backend->plugin, what);
	return -1;
}

/* What the plugin is to open the mailbox with, as far as it can. A user who was proved here needs no further proof
 * where the plugin can do without; else the password that he gave goes on. */
static int settle_secret(struct popgate_session *session, struct popgate_error *error)
{
	unsigned takes = plugin_takes(session->plugin->plugin, session->plugin->instance);

	if (session->proved && (takes & POPGATE_TAKES_NONE) != 0) {
		session->secret_kind = POPGATE_NONE;
		(void)secret_set(&session->secret, "", 0);
	}
	if (session->folder != NULL && (takes & POPGATE_TAKES_FOLDER) == 0)
		return unable(session, "folder from the login", error);
	if (session->auth_user != NULL && (takes & POPGATE_TAKES_MASTER) == 0)
		return unable(session, "auth_user", error);
	if (session->secret_kind == POPGATE_TOKEN && (takes & POPGATE_TAKES_TOKEN) == 0)
		return unable(session, "OAuth token", error);
	if (session->secret_kind == POPGATE_NONE && (takes & POPGATE_TAKES_NONE) == 0)
		return unable(session, "login without a secret: the account needs one for the upstream", error);
	return 0;
}

static void welcome(const struct popgate_session *session, char *text, size_t size)
{
	watchdog_arm(0);
	snprintf(text, size, "%zu messages (%llu octets)", session->maildrop.count,
		 (unsigned long long)session->maildrop.octets);
}

int session_open(struct popgate_session *session, char *text, size_t size, struct popgate_error *error)
{
	const struct popgate_open open = {.size = sizeof(open),
					  .user = session->upstream_user,
					  .flags = (session->utf8 ? POPGATE_OPEN_UTF8 : 0) |
						   (session->stranger ? POPGATE_OPEN_STRANGER : 0),
					  .deadline = deadline_in(session->conf->limits.upstream_timeout),
					  .folder = session->folder};

	session->begun = deadline_now();
	session->lock.fd = -1;
	memset(error, 0, sizeof(*error));
	error->status = POPGATE_TEMP;
	if (settle_secret(session, error) != 0)
		return -1;
	watchdog_arm(session->conf->limits.upstream_timeout);
	/* host is the plugin's since configure() */
	if (session->plugin->plugin->open(session->plugin->instance, session, &open, &session->drop, error) != 0 ||
	    check_locked(session, error) != 0) {
		host_bound_error(error);
		return -1;
	}
	session->offers = plugin_offers(session->plugin->plugin, session->drop);
	if (list(session, session->plugin->plugin->list, session->conf->limits.upstream_timeout, error) != 0) {
		host_bound_error(error);
		return -1;
	}
	session->proven = deadline_now();
	session->opening = session->proven - session->begun;
	welcome(session, text, size);
	return 0;
}

void session_forget_client(struct popgate_session *session)
{
	free(session->peer);
	free(session->tls);
	free(session->user);
	session->peer = session->tls = session->user = NULL;
	maildrop_clear(&session->maildrop);
	session->pattern = (struct pattern){0};
	session->counts = (struct session_counts){0};
	session->ahead = session->updating = session->kept = session->told_end = false;
	session->waiting = NULL;
	session->waiting_size = 0;
}

int session_reopen(struct popgate_session *session, int64_t time, char *text, size_t size, struct popgate_error *error)
{
	session->begun = deadline_now();
	memset(error, 0, sizeof(*error));
	error->status = POPGATE_TEMP;
	switch (lock_try(&session->lock)) {
	case LOCK_TAKEN:
		break;
	case LOCK_HELD:
	case LOCK_FAILED:
		snprintf(error->text, sizeof(error->text), "the lock is not to be had at once");
		return -1;
	}
	if (list(session, session->plugin->plugin->refresh, time, error) != 0) {
		host_bound_error(error);
		return -1;
	}
	welcome(session, text, size);
	return 0;
}

/* ---- the loop ---- */

struct loop {
	struct popgate_session *session;
	struct line_reader reader;
	unsigned unknown;
	const char *data; /* input at hand */
	size_t size;
	uint64_t consumed;
	char chunk[PHASE_INPUT]; /* where no page remembers the input */
};

/* One outcome of a step. */
enum step { STEP_ON, STEP_END };

/* Whether nobody is there any more to read for. With the client's socket in hand a front that has gone is the end,
 * however much the client has to say. */
static bool is_left(const struct popgate_session *session, const struct pollfd fds[2])
{
	return fds[0].revents == 0 || (fds[1].revents != 0 && session->output.fd != session->output.watched);
}

/* Waits for the client, or for whoever watches it to go. A plugin that has asked ahead gets its answers in when nothing
 * comes for a while. */
static int await_client(struct popgate_session *session, int64_t deadline)
{
	struct pollfd fds[2] = {{.fd = session->in, .events = POLLIN}, {.fd = session->output.watched}};
	int64_t pause = deadline_in(PAUSE);
	int ready;

	phase_set(session->output.page, PHASE_WAITING);
	watchdog_arm(host_patience(session));
	ready = deadline_poll(fds, 2, pause < deadline ? pause : deadline);
	if (ready != 0)
		return ready > 0 && is_left(session, fds) ? -1 : ready;
	if (session->ahead)
		commands_pause(session);
	heap_trim();
	watchdog_arm(0);
	ready = deadline_poll(fds, 2, deadline);
	return ready > 0 && is_left(session, fds) ? -1 : ready;
}

/* Takes what has come. As read(2). */
static ssize_t take_octets(struct loop *loop)
{
	struct popgate_session *session = loop->session;
	struct phase_page *page = session->output.page;
	char *octets = page != NULL ? phase_input(page, loop->consumed) : loop->chunk;
	int client = -1;
	ssize_t got = input_read(session->in, octets, PHASE_INPUT, page != NULL ? &client : NULL);

	if (client >= 0) {
		output_move(&session->output, client);
		session->output.stall = session->conf->limits.stall_timeout;
		session->in = client;
	}
	if (got > 0) {
		loop->data = octets;
		loop->size = (size_t)got;
	}
	return got;
}

/* Everything at hand is answered: waits for more until the idle deadline. */
static enum step read_input(struct loop *loop, int64_t deadline, enum session_end *end_r)
{
	struct popgate_session *session = loop->session;
	ssize_t got = -1;
	int ready;

	if (output_flush(&session->output) != 0) {
		*end_r = session->output.stalled ? SESSION_STALLED : SESSION_DISCONNECTED;
		return STEP_END;
	}
	ready = await_client(session, deadline);
	if (ready == 0) {
		*end_r = SESSION_IDLE;
		return STEP_END;
	}
	/* before it is taken: from then on something is owed */
	phase_set(session->output.page, PHASE_WORKING);
	if (ready > 0) {
		got = take_octets(loop);
		if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))
			return STEP_ON;
	}
	*end_r = SESSION_DISCONNECTED;
	return STEP_END;
}

static enum step run_command(struct loop *loop, enum session_end *end_r)
{
	struct popgate_session *session = loop->session;
	struct command_call call;

	switch (command_parse(loop->reader.data, loop->reader.size, COMMAND_TRANSACTION, &call)) {
	case COMMAND_UNKNOWN:
		output_line(&session->output, "-ERR unknown command");
		*end_r = SESSION_ABUSE;
		return ++loop->unknown >= UNKNOWN_MAX ? STEP_END : STEP_ON;
	case COMMAND_WRONG_STATE:
		output_line(&session->output, "-ERR you are logged in already");
		return STEP_ON;
	case COMMAND_BAD_ARGUMENTS:
		output_line(&session->output, "-ERR malformed arguments");
		return STEP_ON;
	case COMMAND_OK:
		break;
	}
	switch (commands_run(session, &call)) {
	case COMMAND_REPLIED:
		return STEP_ON;
	case COMMAND_QUIT_DONE:
		*end_r = SESSION_QUIT;
		return STEP_END;
	case COMMAND_QUIT_FAILED:
		*end_r = SESSION_QUIT_FAILED;
		return STEP_END;
	case COMMAND_CUT:
		*end_r = SESSION_CUT;
		return STEP_END;
	}
	return STEP_END;
}

static enum step take_line(struct loop *loop, enum line_event event, enum session_end *end_r)
{
	struct output *output = &loop->session->output;

	*end_r = SESSION_ABUSE;
	switch (event) {
	case LINE_MORE:
		return STEP_ON;
	case LINE_COMPLETE:
		return run_command(loop, end_r);
	case LINE_TOO_LONG:
		output_line(output, "-ERR line too long");
		return STEP_ON;
	case LINE_NUL:
		output_line(output, "-ERR NUL in a command");
		return STEP_END;
	case LINE_FLOOD:
		return STEP_END;
	case LINE_NO_MEMORY:
		output_line(output, "-ERR [SYS/TEMP] out of memory");
		return STEP_END;
	}
	return STEP_END;
}

static enum step take_input(struct loop *loop, int64_t *deadline, enum session_end *end_r)
{
	struct output *output = &loop->session->output;
	size_t used;
	enum line_event event = line_feed(&loop->reader, loop->data, loop->size, &used);
	enum step step;

	loop->data += used;
	loop->size -= used;
	loop->consumed += used;
	loop->session->waiting = loop->data;
	loop->session->waiting_size = loop->size;
	if (event == LINE_MORE)
		return STEP_ON;
	watchdog_arm(host_patience(loop->session));
	step = take_line(loop, event, end_r);
	if (*end_r != SESSION_CUT || step == STEP_ON)
		output->settled = loop->consumed;
	*deadline = deadline_in(loop->session->conf->limits.idle_timeout);
	if (output->failed && (step == STEP_ON || *end_r == SESSION_CUT)) {
		*end_r = output->stalled ? SESSION_STALLED : SESSION_DISCONNECTED;
		return STEP_END;
	}
	return step;
}

/* The last words leave, or not; either way nobody may wait for more, and the next login not for a client that stalls.
 */
static void finish_output(struct popgate_session *session, enum session_end end)
{
	struct output *output = &session->output;

	if (session->kept && !output_has_room(output))
		keep_withdraw(session);
	if (end != SESSION_CUT)
		(void)output_flush(output);
	phase_set(output->page, PHASE_ENDED);
}

enum session_end session_serve(struct popgate_session *session, const char *pending, size_t pending_size)
{
	struct loop loop = {.session = session, .data = pending, .size = pending_size};
	int64_t deadline = deadline_in(session->conf->limits.idle_timeout);
	enum session_end end = SESSION_DISCONNECTED;
	enum step step = STEP_ON;

	while (step == STEP_ON) {
		step = loop.size == 0 ? read_input(&loop, deadline, &end) : STEP_ON;
		if (step == STEP_ON && loop.size > 0)
			step = take_input(&loop, &deadline, &end);
	}
	watchdog_arm(session->conf->limits.stall_timeout);
	finish_output(session, end);
	line_clear(&loop.reader);
	return end;
}

/* ---- the end ---- */

static const char *const end_names[] = {
    [SESSION_QUIT] = "quit",   [SESSION_QUIT_FAILED] = "quit_failed", [SESSION_DISCONNECTED] = "disconnected",
    [SESSION_IDLE] = "idle",   [SESSION_STALLED] = "stalled",	      [SESSION_CUT] = "cut",
    [SESSION_ABUSE] = "abuse",
};

void session_tell_end(const struct popgate_session *session, enum session_end end)
{
	struct log_line line;

	log_begin(&line, POPGATE_LOG_INFO, "session_end", NULL);
	log_text(&line, "user", session->user);
	log_text(&line, "peer", session->peer);
	log_text(&line, "tls", *session->tls == '\0' ? "none" : session->tls);
	log_text(&line, "backend", session->backend->name);
	if (session->folder != NULL)
		log_text(&line, "folder", session->folder);
	log_number(&line, "messages", session->maildrop.count);
	log_number(&line, "retrieved", session->counts.retrieved);
	log_number(&line, "tops", session->counts.tops);
	log_number(&line, "octets", session->counts.octets);
	log_number(&line, "deleted", session->counts.deleted);
	log_number(&line, "seconds", (uint64_t)(deadline_now() - session->begun) / 1000);
	log_text(&line, "reason", end_names[end]);
	log_end(&line);
}

void session_close(struct popgate_session *session)
{
	if (session->drop != NULL)
		session->plugin->plugin->close(session->drop);
	session->drop = NULL;
	lock_release(&session->lock);
	maildrop_clear(&session->maildrop);
	secret_clear(&session->secret);
	free(session->peer);
	free(session->tls);
	free(session->user);
	free(session->upstream_user);
	free(session->auth_user);
	free(session->folder);
	session->peer = session->tls = session->user = session->upstream_user = NULL;
	session->auth_user = session->folder = NULL;
}
