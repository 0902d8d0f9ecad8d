/* agent - see agent.h. Reads files each time, so that what changes counts at once; what takes longer is a job. Knows no
 * password of a client. */
#include "agent/agent.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/jobs.h"
#include "agent/oauth.h"
#include "agent/refresh.h"
#include "agent/source.h"
#include "common/conf.h"
#include "common/deadline.h"
#include "common/link.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "state/uses.h"

#define USES_PAUSE    5000 /* milliseconds after a use that could not be noted */
#define USES_PATIENCE 50   /* milliseconds: all who wait for a credential wait too */

struct agent {
	struct link link;
	struct oauth *oauth; /* NULL: there are no providers */
	struct jobs *jobs;
	struct uses *uses; /* NULL: not open */
	bool blind;	   /* uses cannot be noted; it was said */
	int64_t noting;	   /* none is before */
};

static void refuse(const struct agent *agent, uint64_t id, const struct popgate_error *error)
{
	struct message message = {.type = MESSAGE_REFUSED};

	message.u.refused.id = id;
	message.u.refused.status = error->status;
	message.u.refused.text = message_text(error->text);
	(void)ipc_send(agent->link.broker, &message, NULL);
}

static void on_done(void *context, const struct message *answer)
{
	const struct agent *agent = context;

	(void)ipc_send(agent->link.broker, answer, NULL);
}

static void close_all(void *context)
{
	const struct agent *agent = context;

	close(agent->link.process->control);
	if (agent->link.broker >= 0)
		close(agent->link.broker);
}

static void fetch_file(const struct agent *agent, const struct message_fetch *fetch)
{
	struct message message = {.type = MESSAGE_FETCHED};
	struct popgate_error error = {.status = POPGATE_TEMP};
	struct secret secret = {0};

	if (source_fetch(fetch, &secret, &error) != 0) {
		refuse(agent, fetch->id, &error);
		return;
	}
	message.u.fetched.id = fetch->id;
	message.u.fetched.secret_kind = POPGATE_PASSWORD;
	message.u.fetched.secret = message_octets(secret.data, secret.size);
	(void)ipc_send(agent->link.broker, &message, NULL);
	secret_clear(&secret);
}

/* What is stored and good needs no process. 0: done; 1: it must be asked for. */
static int fetch_stored(const struct agent *agent, const struct message_fetch *fetch)
{
	char name[MESSAGE_SPEC_MAX + 1] = "", user[MESSAGE_NAME_MAX + 1] = "";
	struct refresh refresh = {.account = user, .newer = (fetch->flags & FETCH_NEWER) != 0, .serial = fetch->serial};
	struct popgate_error error = {.status = POPGATE_TEMP};
	struct token token = {0};
	struct message message;
	int result;

	if (fetch->spec.size > 0)
		memcpy(name, fetch->spec.data, fetch->spec.size);
	if (fetch->user.size > 0)
		memcpy(user, fetch->user.data, fetch->user.size);
	if (agent->oauth == NULL || (refresh.provider = oauth_provider(agent->oauth, name)) == NULL)
		return 1;
	result = refresh_look(agent->oauth, &refresh, &token, &error);
	if (result == 0) {
		message = fetcher_message(fetch->id, &token);
		(void)ipc_send(agent->link.broker, &message, NULL);
	} else if (result < 0) {
		refuse(agent, fetch->id, &error);
	}
	token_clear(&token);
	return result > 0 ? 1 : 0;
}

static void take_request(struct agent *agent)
{
	const struct message_fetch *fetch = &agent->link.inbox.message.u.fetch;
	struct popgate_error error = {.status = POPGATE_TEMP};

	if (fetch->source != CONF_SOURCE_COMMAND && fetch->source != CONF_SOURCE_OAUTH) {
		fetch_file(agent, fetch);
		return;
	}
	if (fetch->source == CONF_SOURCE_OAUTH && fetch_stored(agent, fetch) == 0)
		return;
	if (jobs_add(agent->jobs, fetch, &error) != 0)
		refuse(agent, fetch->id, &error);
}

/* ---- devices ---- */

/* Said once, until it works again. What comes meanwhile is not noted: it would have those wait who need a credential.
 */
static void go_blind(struct agent *agent, const struct popgate_error *error)
{
	if (!agent->blind)
		log_say(POPGATE_LOG_WARN, NULL, "the last use of devices is not noted: %s", error->text);
	agent->blind = true;
	agent->noting = deadline_in(USES_PAUSE);
}

static void note_use(struct agent *agent, const struct message_used *used)
{
	const char *directory = agent->link.process->conf->state_directory;
	struct use use = {.when = (int64_t)time(NULL)};
	struct popgate_error error;

	if (directory == NULL || used->device.size != DEVICE_SALT || deadline_left(agent->noting) > 0)
		return;
	if (used->peer.size > 0)
		memcpy(use.address, used->peer.data, used->peer.size);
	if (agent->uses == NULL)
		agent->uses = uses_open(directory, USES_PATIENCE, &error);
	if (agent->uses != NULL && uses_note(agent->uses, used->device.data, &use, &error) == 0) {
		agent->blind = false;
		return;
	}
	go_blind(agent, &error);
	uses_close(&agent->uses);
}

static void take_from_broker(struct agent *agent)
{
	if (link_take_from_broker(&agent->link) != LINK_MESSAGE)
		return;
	if (agent->link.inbox.message.type == MESSAGE_FETCH)
		take_request(agent);
	else if (agent->link.inbox.message.type == MESSAGE_USED)
		note_use(agent, &agent->link.inbox.message.u.used);
	ipc_inbox_clear(&agent->link.inbox);
}

static void loop(struct agent *agent)
{
	for (bool goes_on = true; goes_on;) {
		struct pollfd fds[2] = {{.fd = agent->link.process->control, .events = POLLIN},
					{.fd = agent->link.broker, .events = POLLIN}};

		if (jobs_wait(agent->jobs, fds, 2) != 0)
			return;
		if (fds[0].revents != 0)
			goes_on = link_goes_on(&agent->link);
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

/* Secrets that root alone can read are read before root is given up; the store is the service's user's. A fault keeps
 * the whole generation from starting. */
static enum process_exit prepare(struct agent *agent)
{
	const struct process *process = agent->link.process;
	struct conf_report report = {0};

	if (process->conf->provider_count > 0)
		agent->oauth = oauth_new(process->conf, &report);
	if (process_tell_faults(&report))
		return PROCESS_EXIT_CONF;
	if (process_identity_assume(process->identity) != 0)
		return PROCESS_EXIT_FAILURE;
	sandbox_begin();
	if (agent->oauth != NULL)
		(void)oauth_begin_store(agent->oauth, &report);
	return process_tell_faults(&report) ? PROCESS_EXIT_CONF : PROCESS_EXIT_OK;
}

static int run(struct agent *agent)
{
	const struct message ready = {.type = MESSAGE_READY};
	struct jobs_owner owner = {.done = on_done, .close_all = close_all, .context = agent};
	enum process_exit result = prepare(agent);

	if (result != PROCESS_EXIT_OK)
		return (int)result;
	owner.oauth = agent->oauth;
	agent->jobs = jobs_new(&owner);
	if (agent->jobs == NULL || ipc_send(agent->link.process->control, &ready, NULL) != IPC_OK)
		return PROCESS_EXIT_FAILURE;
	loop(agent);
	return PROCESS_EXIT_OK;
}

int agent_run(const struct process *process)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int result;

	if (agent == NULL)
		return PROCESS_EXIT_FAILURE;
	link_init(&agent->link, process);
	watch_children();
	result = run(agent);
	jobs_free(&agent->jobs);
	oauth_free(&agent->oauth);
	uses_close(&agent->uses);
	free(agent);
	return result;
}
