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
#include "session/limits.h"
#include "session/session.h"

#define OPEN_WAIT 30000 /* milliseconds for the broker's OPEN */

struct child {
	const struct child_start *start;
	struct ipc_inbox *inbox; /* until OPEN has come */
	struct popgate_session session;
};

static char *copy(const struct message_bytes *bytes)
{
	return strndup(bytes->size == 0 ? "" : (const char *)bytes->data, bytes->size);
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
	session->peer = copy(&open->peer);
	session->tls = copy(&open->tls);
	session->user = copy(&open->user);
	session->upstream_user = copy(&open->upstream_user);
	if (session->peer == NULL || session->tls == NULL || session->user == NULL || session->upstream_user == NULL)
		return -1;
	return secret_set(&session->secret, open->secret.data, open->secret.size);
}

static int receive_open(struct child *child)
{
	int result = -1;

	child->inbox = malloc(sizeof(*child->inbox));
	if (child->inbox == NULL)
		return -1;
	if (ipc_receive(child->start->report, child->inbox) == IPC_OK) {
		result = accept_open(child);
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
	message.u.refused.id = child->start->id;
	message.u.refused.status = error->status;
	message.u.refused.text = message_text(text);
	(void)ipc_send(child->start->report, &message, NULL);
}

static int tell_opened(const struct child *child, const char *text)
{
	struct message message = {.type = MESSAGE_OPENED};

	message.u.opened.id = child->start->id;
	message.u.opened.text = message_text(text);
	return ipc_send(child->start->report, &message, NULL) == IPC_OK ? 0 : -1;
}

static void serve(struct child *child)
{
	struct popgate_session *session = &child->session;
	struct phase_page *page = phase_map(child->start->page);
	struct popgate_error error;
	char text[MESSAGE_TEXT_MAX];

	session->in = child->start->stream;
	/* the front ends a client that stalls: it sees what is taken, and we what has room in its buffers */
	output_init(&session->output, child->start->stream, session->conf->limits.idle_timeout, page);
	if (page == NULL)
		return;
	close(child->start->page);
	watchdog_arm(OPEN_WAIT);
	if (receive_open(child) != 0)
		return;
	if (session_open(session, text, sizeof(text), &error) != 0) {
		session_abandon(session); /* the lock is free before the refusal is told */
		refuse(child, &error);
		return;
	}
	if (tell_opened(child, text) != 0) {
		session_abandon(session);
		return;
	}
	heap_trim(); /* what opening needed for a moment; a session may idle for long */
	session_close(session, session_serve(session, NULL, 0));
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
	child->session.conf = start->conf;
	child->session.lock.fd = -1;
	return child;
}

noreturn void child_run(const struct child_start *start)
{
	char text[LOG_SESSION_SIZE];
	struct child *child;

	process_ignore_signals();
	prctl(PR_SET_NAME, "popgate-session");
	log_set_process("session");
	log_session_id(start->id, text);
	log_set_session(text);
	limits_start(&start->conf->limits);
	child = child_new(start);
	if (child == NULL)
		_exit(PROCESS_EXIT_FAILURE);
	serve(child);
	_exit(PROCESS_EXIT_OK);
}
