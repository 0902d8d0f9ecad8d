/* keep - see keep.h. A drop holds no lock while it is kept; whether it is handed to a login is the child's to find out.
 */
#include "session/keep.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/ipc.h"
#include "session/heap.h"
#include "session/session.h"

#define PROOF_LASTS 1800000 /* milliseconds that a login may count on the upstream's proof of an earlier one */

/* What is left of its processor time must do for a whole session. */
static bool is_fresh(const struct popgate_session *session)
{
	unsigned limit = session->conf->limits.session_cpu;
	struct timespec used;

	return limit == 0 || (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0 && used.tv_sec < limit / 2);
}

/* A listing that takes long would take too long again: its login would wait in vain before another is opened. */
static bool may_keep(const struct popgate_session *session)
{
	return session->report >= 0 && session->conf->limits.keep_open > 0 &&
	       (session->offers & POPGATE_CAN_REFRESH) != 0 && !session->dead && session->opening < KEEP_REFRESH / 2 &&
	       is_fresh(session) && deadline_now() < session->proven + PROOF_LASTS;
}

/* KEPT or ENDED. 0 or -1. */
static int tell(struct popgate_session *session, enum message_type type)
{
	struct message message = {.type = type};

	message.u.ended.id = session->id;
	message.u.ended.octets = output_mark(&session->output);
	session->told_end = ipc_send(session->report, &message, NULL) == IPC_OK;
	return session->told_end ? 0 : -1;
}

int keep_offer(struct popgate_session *session)
{
	session->kept = may_keep(session) && tell(session, MESSAGE_KEPT) == 0;
	return session->kept ? 0 : -1;
}

void keep_end(struct popgate_session *session)
{
	if (session->report >= 0 && !session->told_end)
		(void)tell(session, MESSAGE_ENDED);
}

void keep_withdraw(struct popgate_session *session)
{
	lock_release(&session->lock);
	close(session->report);
	session->report = -1;
	session->kept = false;
}

static void let_go(struct popgate_session *session)
{
	struct output *output = &session->output;

	/* a login that was refused has brought none */
	if (output->watched >= 0) {
		if (output->fd != output->watched)
			close(output->fd);
		close(output->watched);
		phase_unmap(&output->page);
	}
	output->fd = output->watched = session->in = -1;
	session_forget_client(session);
}

int keep_wait(struct popgate_session *session)
{
	struct pollfd broker = {.fd = session->report, .events = POLLIN};
	int64_t deadline = deadline_in(session->conf->limits.keep_open), stale = session->proven + PROOF_LASTS;

	let_go(session);
	if ((session->offers & POPGATE_CAN_PREFETCH) != 0)
		session->plugin->plugin->prefetch(session->drop, NULL, 0, POPGATE_WHOLE, 0);
	heap_trim();
	watchdog_arm(0);
	return deadline_poll(&broker, 1, deadline < stale ? deadline : stale) > 0 ? 0 : -1;
}
