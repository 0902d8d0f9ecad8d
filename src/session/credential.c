/* credential - see credential.h. Nothing of a secret goes to the log. */
#include "session/credential.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/deadline.h"
#include "common/ipc.h"

#define RENEW_WAIT 30000 /* milliseconds that the broker may take */

bool credential_is_old(const struct popgate_session *session)
{
	return session->expires != 0 && deadline_now() >= session->expires;
}

static int fail(struct popgate_error *error, enum popgate_status status, const char *text)
{
	error->status = status;
	snprintf(error->text, sizeof(error->text), "%s", text);
	return -1;
}

static int take(struct popgate_session *session, const struct message *message, struct popgate_error *error)
{
	const struct message_fetched *fetched = &message->u.fetched;
	unsigned status;

	if (message->type == MESSAGE_FETCHED) {
		session->secret_kind = (enum popgate_secret_kind)fetched->secret_kind;
		session->expires = (int64_t)fetched->expires;
		session->tokenless = false;
		return secret_set(&session->secret, fetched->secret.data, fetched->secret.size) == 0
			   ? 0
			   : fail(error, POPGATE_TEMP, "out of memory");
	}
	if (message->type != MESSAGE_REFUSED)
		return fail(error, POPGATE_TEMP, "the broker answers something else than a credential");
	status = message->u.refused.status;
	session->tokenless = status == REFUSAL_TOKEN;
	error->status = status == 0 ? POPGATE_TEMP : session->tokenless ? POPGATE_PERM : (enum popgate_status)status;
	snprintf(error->text, sizeof(error->text), "%.*s", (int)message->u.refused.text.size,
		 (const char *)message->u.refused.text.data);
	return -1;
}

static int receive(struct popgate_session *session, struct popgate_error *error)
{
	struct pollfd broker = {.fd = session->report, .events = POLLIN};
	struct ipc_inbox *inbox = malloc(sizeof(*inbox));
	int result;

	if (inbox == NULL)
		return fail(error, POPGATE_TEMP, "out of memory");
	watchdog_arm(RENEW_WAIT + host_patience(session));
	if (deadline_poll(&broker, 1, deadline_in(RENEW_WAIT)) <= 0 || ipc_receive(session->report, inbox) != IPC_OK) {
		free(inbox);
		return fail(error, POPGATE_TEMP, "no newer credential came from the broker");
	}
	result = take(session, &inbox->message, error);
	ipc_inbox_clear(inbox);
	free(inbox);
	return result;
}

int credential_renew(struct popgate_session *session, struct popgate_error *error)
{
	struct message message = {.type = MESSAGE_RENEW};

	if (session->report < 0 || session->secret_kind != POPGATE_TOKEN)
		return fail(error, POPGATE_AUTH, "there is no newer credential");
	message.u.renew.id = session->id;
	if (ipc_send(session->report, &message, NULL) != IPC_OK)
		return fail(error, POPGATE_TEMP, "the broker is not there to give a newer credential");
	return receive(session, error);
}
