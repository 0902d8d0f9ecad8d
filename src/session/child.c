/* child - see child.h. Knows one user's credential and nothing of any other. */
#include "session/child.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/process.h"
#include "common/text.h"
#include "session/heap.h"
#include "session/keep.h"
#include "session/limits.h"
#include "session/session.h"

#define OPEN_WAIT 30000 /* milliseconds for the broker's OPEN */

struct child {
	const struct child_start *start;
	struct ipc_inbox *inbox; /* until OPEN has come */
	bool trial;		 /* the login that has come is to be refused, if it is for the drop */
	struct popgate_session session;
};

static char *copy(const struct message_bytes *bytes)
{
	return strndup(bytes->size == 0 ? "" : (const char *)bytes->data, bytes->size);
}

/* NULL: it is empty. */
static char *copy_some(const struct message_bytes *bytes)
{
	return bytes->size == 0 ? NULL : copy(bytes);
}

static int accept_client(struct popgate_session *session, const struct message_open *open)
{
	session->peer = copy(&open->peer);
	session->tls = copy(&open->tls);
	session->user = copy(&open->user);
	session->login_delay = open->login_delay;
	session->delays = (open->flags & LOGIN_DELAYS) != 0;
	session->allowance = open->octets;
	return session->peer == NULL || session->tls == NULL || session->user == NULL ? -1 : 0;
}

/* Takes OPEN apart. */
static int accept_open(struct child *child)
{
	const struct message_open *open = &child->inbox->message.u.open;
	struct popgate_session *session = &child->session;

	if (child->inbox->message.type != MESSAGE_OPEN || open->id != child->start->id ||
	    open->backend >= child->start->plugins->count)
		return -1;
	session->backend = &child->start->conf->backends[open->backend];
	session->plugin = &child->start->plugins->items[open->backend];
	session->utf8 = (open->flags & LOGIN_UTF8) != 0;
	session->proved = (open->flags & LOGIN_PROVED) != 0;
	session->denied = (open->flags & LOGIN_DENIED) != 0;
	session->stranger = (open->flags & LOGIN_STRANGER) != 0;
	session->secret_kind = (enum popgate_secret_kind)open->secret_kind;
	session->expires = (int64_t)open->expires;
	session->upstream_user = copy(&open->upstream_user);
	session->auth_user = copy_some(&open->auth_user);
	session->folder = copy_some(&open->folder);
	if (session->upstream_user == NULL || (session->auth_user == NULL && open->auth_user.size > 0) ||
	    (session->folder == NULL && open->folder.size > 0) || accept_client(session, open) != 0)
		return -1;
	return secret_set(&session->secret, open->secret.data, open->secret.size);
}

/* The client's stream and page. */
static int attach(struct popgate_session *session, int stream, int page)
{
	struct phase_page *mapped = phase_map(page);

	close(page);
	session->in = stream;
	/* the front ends a client that stalls: it sees what is taken, and we what has room in its buffers */
	output_init(&session->output, stream, session->conf->limits.idle_timeout, mapped);
	return mapped == NULL ? -1 : 0;
}

static bool is_text(const struct message_bytes *bytes, const char *text)
{
	size_t size = text == NULL ? 0 : strlen(text);

	return bytes->size == size && (size == 0 || memcmp(bytes->data, text, size) == 0);
}

/* REOPEN is for the drop that is kept only if all that it was opened with is the same, above all what proved the user.
 */
static int accept_reopen(struct child *child)
{
	const struct message_open *open = &child->inbox->message.u.open;
	struct popgate_session *session = &child->session;
	bool same;

	if (child->inbox->message.type != MESSAGE_REOPEN || open->backend >= child->start->plugins->count)
		return -1;
	same = session->backend == &child->start->conf->backends[open->backend] &&
	       session->utf8 == ((open->flags & LOGIN_UTF8) != 0) &&
	       session->proved == ((open->flags & LOGIN_PROVED) != 0) &&
	       is_text(&open->upstream_user, session->upstream_user) && is_text(&open->auth_user, session->auth_user) &&
	       is_text(&open->folder, session->folder) &&
	       ((session->proved && session->secret_kind == POPGATE_NONE) ||
		((uint32_t)session->secret_kind == open->secret_kind &&
		 secret_equal(&session->secret, open->secret.data, open->secret.size)));
	if (!same || child->inbox->fds[0] < 0 || child->inbox->fds[1] < 0)
		return -1;
	session->id = open->id;
	child->trial = (open->flags & LOGIN_TRIAL) != 0;
	if (child->trial)
		return 0;
	return accept_client(session, open) != 0
		   ? -1
		   : attach(session, ipc_take(child->inbox, 0), ipc_take(child->inbox, 1));
}

typedef int accept_fn(struct child *child);

static int receive(struct child *child, accept_fn *accept_it)
{
	int result = -1;

	child->inbox = malloc(sizeof(*child->inbox));
	if (child->inbox == NULL)
		return -1;
	if (ipc_receive(child->session.report, child->inbox) == IPC_OK) {
		result = accept_it(child);
		ipc_inbox_clear(child->inbox);
	}
	free(child->inbox);
	child->inbox = NULL;
	return result;
}

static void refuse(const struct child *child, const struct popgate_error *error)
{
	char text[MESSAGE_TEXT_MAX];
	struct message message = {.type = MESSAGE_REFUSED};

	text_harmless(error->text, strlen(error->text), text, sizeof(text));
	message.u.refused.id = child->session.id;
	message.u.refused.status = error->status;
	message.u.refused.text = message_text(text);
	(void)ipc_send(child->session.report, &message, NULL);
}

static int tell_opened(const struct child *child, const char *text)
{
	struct message message = {.type = MESSAGE_OPENED};

	message.u.opened.id = child->session.id;
	message.u.opened.lock = child->session.lock.place;
	message.u.opened.text = message_text(text);
	return ipc_send(child->session.report, &message, NULL) == IPC_OK ? 0 : -1;
}

static void name_session(uint64_t id)
{
	char text[LOG_SESSION_SIZE];

	log_session_id(id, text);
	log_set_session(text);
}

/* The broker's OPEN. 0: it was told OPENED, or -1. */
static int begin(struct child *child)
{
	struct popgate_session *session = &child->session;
	struct popgate_error error;
	char text[MESSAGE_TEXT_MAX];

	if (attach(session, child->start->stream, child->start->page) != 0)
		return -1;
	watchdog_arm(OPEN_WAIT);
	if (receive(child, accept_open) != 0)
		return -1;
	if (session_open(session, text, sizeof(text), &error) != 0) {
		session_close(session); /* the lock is free before the refusal is told */
		refuse(child, &error);
		return -1;
	}
	return tell_opened(child, text);
}

/* Another login of the same user. Whatever speaks against it is told by our end alone: the broker has it opened anew.
 */
static int begin_again(struct child *child)
{
	struct popgate_session *session = &child->session;
	struct popgate_error error;
	char text[MESSAGE_TEXT_MAX];

	do {
		if (keep_wait(session) != 0)
			return -1;
		watchdog_arm(OPEN_WAIT);
		if (receive(child, accept_reopen) != 0)
			return -1;
		name_session(session->id);
	} while (child->trial && keep_offer(session) == 0);
	if (child->trial)
		return -1;
	if (session_reopen(session, KEEP_REFRESH, text, sizeof(text), &error) != 0) {
		log_say(POPGATE_LOG_DEBUG, NULL, "the maildrop that was kept open is of no use: %s", error.text);
		return -1;
	}
	return tell_opened(child, text);
}

static void serve(struct child *child)
{
	struct popgate_session *session = &child->session;
	int result = begin(child);

	while (result == 0) {
		heap_trim(); /* what opening needed for a moment; a session may idle for long */
		session_tell_end(session, session_serve(session, NULL, 0));
		keep_end(session);
		if (!session->kept)
			break;
		result = begin_again(child);
		if (result != 0)
			keep_withdraw(session); /* closing the drop may take long */
	}
	session_close(session);
}

/* Nothing is written to the output's buffer: what a session doesn't use of it costs no memory. */
static struct child *child_new(const struct child_start *start)
{
	struct child *child = malloc(sizeof(*child));

	if (child == NULL)
		return NULL;
	memset(child, 0, offsetof(struct child, session.output.buffer));
	child->start = start;
	child->session.id = start->id;
	child->session.report = start->report;
	child->session.conf = start->conf;
	child->session.lock.fd = -1;
	return child;
}

noreturn void child_run(const struct child_start *start)
{
	struct child *child;

	process_ignore_signals();
	prctl(PR_SET_NAME, "popgate-session");
	log_set_process("session");
	name_session(start->id);
	limits_start(&start->conf->limits);
	child = child_new(start);
	if (child == NULL)
		_exit(PROCESS_EXIT_FAILURE);
	serve(child);
	_exit(PROCESS_EXIT_OK);
}
