/* agent - see agent.h. Reads files each time, so that what changes counts at once; what takes longer is a job. Knows no
 * client, and no password of any. */
#include "agent/agent.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/jobs.h"
#include "common/conf.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/sandbox.h"

struct agent {
	const struct process *process;
	int broker; /* -1: none */
	bool ends;
	struct jobs *jobs;
	struct ipc_inbox inbox;
};

static void refuse(const struct agent *agent, uint64_t id, const struct popgate_error *error)
{
	struct message message = {.type = MESSAGE_REFUSED};

	message.u.refused.id = id;
	message.u.refused.status = error->status;
	message.u.refused.text = message_text(error->text);
	(void)ipc_send(agent->broker, &message, NULL);
}

static void deliver(const struct agent *agent, uint64_t id, const struct source_credential *credential)
{
	struct message message = {.type = MESSAGE_FETCHED};

	message.u.fetched.id = id;
	message.u.fetched.secret_kind = credential->kind;
	message.u.fetched.expires = (uint64_t)credential->expires;
	message.u.fetched.secret = message_octets(credential->secret.data, credential->secret.size);
	(void)ipc_send(agent->broker, &message, NULL);
}

static void on_done(void *context, uint64_t id, const struct source_credential *credential,
		    const struct popgate_error *error)
{
	const struct agent *agent = context;

	if (credential != NULL)
		deliver(agent, id, credential);
	else
		refuse(agent, id, error);
}

static void take_request(struct agent *agent)
{
	const struct message_fetch *fetch = &agent->inbox.message.u.fetch;
	struct source_credential credential = {.kind = POPGATE_PASSWORD};
	struct popgate_error error = {.status = POPGATE_TEMP};

	if (fetch->source == CONF_SOURCE_COMMAND) {
		if (jobs_add(agent->jobs, fetch, &error) != 0)
			refuse(agent, fetch->id, &error);
		return;
	}
	if (source_fetch(fetch, &credential, &error) == 0)
		deliver(agent, fetch->id, &credential);
	else
		refuse(agent, fetch->id, &error);
	secret_clear(&credential.secret);
}

static void lose_broker(struct agent *agent)
{
	if (agent->broker >= 0)
		close(agent->broker);
	agent->broker = -1;
}

static void take_from_broker(struct agent *agent)
{
	const struct message lost = {.type = MESSAGE_LOST, .u.lost.role = PROCESS_BROKER};

	if (ipc_receive(agent->broker, &agent->inbox) != IPC_OK) {
		lose_broker(agent);
		(void)ipc_send(agent->process->control, &lost, NULL);
		return;
	}
	if (agent->inbox.message.type == MESSAGE_FETCH)
		take_request(agent);
	ipc_inbox_clear(&agent->inbox);
}

static void take_control(struct agent *agent)
{
	if (ipc_receive(agent->process->control, &agent->inbox) != IPC_OK) {
		agent->ends = true; /* the supervisor has gone */
		return;
	}
	if (agent->inbox.message.type == MESSAGE_NEIGHBOUR) {
		lose_broker(agent);
		agent->broker = ipc_take(&agent->inbox, 0);
	} else if (agent->inbox.message.type == MESSAGE_LOG) {
		log_to(ipc_take(&agent->inbox, 0));
	} else if (agent->inbox.message.type == MESSAGE_DRAIN || agent->inbox.message.type == MESSAGE_STOP) {
		agent->ends = true;
	}
	ipc_inbox_clear(&agent->inbox);
}

static void loop(struct agent *agent)
{
	while (!agent->ends) {
		struct pollfd fds[2] = {{.fd = agent->process->control, .events = POLLIN},
					{.fd = agent->broker, .events = POLLIN}};

		if (jobs_wait(agent->jobs, fds, 2) != 0)
			return;
		if (fds[0].revents != 0)
			take_control(agent);
		else if (fds[1].revents != 0)
			take_from_broker(agent);
	}
}

/* Only to interrupt a wait. */
static void on_child(int number)
{
	(void)number;
}

static void watch_children(void)
{
	struct sigaction action = {.sa_handler = on_child};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &action, NULL);
}

int agent_run(const struct process *process)
{
	const struct message ready = {.type = MESSAGE_READY};
	struct agent *agent = calloc(1, sizeof(*agent));

	if (agent == NULL || (agent->jobs = jobs_new(on_done, agent)) == NULL)
		return PROCESS_EXIT_FAILURE;
	agent->process = process;
	agent->broker = -1;
	watch_children();
	if (process_identity_assume(process->identity) != 0)
		return PROCESS_EXIT_FAILURE;
	sandbox_begin();
	if (ipc_send(process->control, &ready, NULL) != IPC_OK)
		return PROCESS_EXIT_FAILURE;
	loop(agent);
	jobs_free(&agent->jobs);
	return PROCESS_EXIT_OK;
}
