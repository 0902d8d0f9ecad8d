/* workers - see workers.h. A job whose worker dies is answered as failed. */
#include "broker/workers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/broker.h"
#include "broker/login.h"
#include "common/log.h"

#define JOBS_MAX  4096 /* under way with one worker */
#define NOTES_MAX 64   /* messages in the agent's channel, above which its time is for credentials alone */

/* No worker is told whose it is, for a connection's next login has the id of the one before. */
struct job {
	uint64_t number;
	uint64_t login; /* its id */
};

struct worker {
	struct worker *next;
	struct broker *broker;
	enum process_role role;
	struct channel *channel;
	struct job *jobs; /* in no order */
	size_t count, room;
};

static int remember(struct worker *worker, const struct job *job)
{
	if (worker->count == worker->room) {
		size_t room = worker->room * 2 + 16;
		struct job *jobs = worker->count >= JOBS_MAX ? NULL : reallocarray(worker->jobs, room, sizeof(*jobs));

		if (jobs == NULL)
			return -1;
		worker->jobs = jobs;
		worker->room = room; /* fanalyzer: on_closed gives it back */
	}
	worker->jobs[worker->count++] = *job;
	return 0;
}

/* Whether the worker was asked for it. */
static bool forget(struct worker *worker, uint64_t number, struct job *job_r)
{
	for (size_t i = 0; i < worker->count; i++) {
		if (worker->jobs[i].number == number) {
			*job_r = worker->jobs[i];
			worker->jobs[i] = worker->jobs[--worker->count];
			return true;
		}
	}
	return false;
}

/* The login that waits for the job. NULL: it has left, whoever has its id now. */
static struct login *waiting_for(struct broker *broker, const struct job *job)
{
	struct login *login = login_find(broker, job->login);

	if (login == NULL || login->job != job->number)
		return NULL;
	login->job = 0;
	return login;
}

/* The same for one that a worker has answered. */
static struct login *answered(struct worker *worker, uint64_t number)
{
	struct job job;

	return forget(worker, number, &job) ? waiting_for(worker->broker, &job) : NULL;
}

static void on_message(void *context, struct ipc_inbox *inbox)
{
	const struct message *message = &inbox->message;
	struct worker *worker = context;
	struct login *login;

	if (message->type == MESSAGE_CHECKED && worker->role == PROCESS_HELPER) {
		if ((login = answered(worker, message->u.checked.id)) != NULL)
			login_checked(login, (enum message_verdict)message->u.checked.verdict);
	} else if (message->type == MESSAGE_FETCHED && worker->role == PROCESS_AGENT) {
		if ((login = answered(worker, message->u.fetched.id)) != NULL)
			login_fetched(login, &message->u.fetched);
	} else if (message->type == MESSAGE_REFUSED && worker->role == PROCESS_AGENT) {
		if ((login = answered(worker, message->u.refused.id)) != NULL)
			login_not_fetched(login, &message->u.refused);
	}
}

static void fail(struct broker *broker, enum process_role role, const struct job *job)
{
	struct login *login = waiting_for(broker, job);
	struct message_refused refused = {.status = POPGATE_TEMP};

	refused.text = message_text("the process that fetches credentials has died");
	if (login == NULL)
		return;
	if (role == PROCESS_HELPER)
		login_checked(login, CHECK_FAILED);
	else
		login_not_fetched(login, &refused);
}

static void on_closed(void *context)
{
	struct worker *worker = context, **at = &worker->broker->workers.first;

	while (*at != worker)
		at = &(*at)->next;
	*at = worker->next;
	channel_free(&worker->channel);
	for (size_t i = 0; i < worker->count; i++)
		fail(worker->broker, worker->role, &worker->jobs[i]);
	free(worker->jobs);
	free(worker);
}

void workers_add(struct broker *broker, enum process_role role, int fd)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker != NULL) {
		worker->broker = broker;
		worker->role = role;
		worker->channel = channel_new(broker->base, fd, on_message, on_closed, worker);
	}
	if (worker == NULL || worker->channel == NULL) {
		log_say(POPGATE_LOG_WARN, NULL, "out of memory: a %s is without broker", process_role_name(role));
		free(worker);
		return;
	}
	worker->next = broker->workers.first;
	broker->workers.first = worker;
}

/* The one that has least to do. NULL: there is none. */
static struct worker *find(const struct broker *broker, enum process_role role)
{
	struct worker *found = NULL;

	for (struct worker *worker = broker->workers.first; worker != NULL; worker = worker->next)
		if (worker->role == role && (found == NULL || worker->count < found->count))
			found = worker;
	return found;
}

static int ask(struct login *login, enum process_role role, uint64_t number, const struct message *message)
{
	struct worker *worker = find(login->broker, role);
	struct job job = {.number = number, .login = login->id};

	if (worker == NULL || number == 0 || remember(worker, &job) != 0)
		return -1;
	if (channel_send(worker->channel, message, NULL) != 0) {
		(void)forget(worker, number, &job);
		return -1;
	}
	login->job = number;
	return 0;
}

/* By chance: a worker may still be busy with jobs of the broker before. 0: there are no random numbers. */
static uint64_t number_job(void)
{
	uint64_t number;

	return getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number) ? number : 0;
}

int workers_check(struct login *login, const char *hash, const void *password, size_t size)
{
	struct message message = {.type = MESSAGE_CHECK};

	message.u.check.id = number_job();
	message.u.check.hash = message_text(hash);
	message.u.check.password = message_octets(password, size);
	return ask(login, PROCESS_HELPER, message.u.check.id, &message);
}

/* The words of a command, each with its NUL. */
static size_t command_size(const char *text)
{
	const char *at = text;

	while (*at != '\0')
		at += strlen(at) + 1;
	return (size_t)(at - text);
}

int workers_fetch(struct login *login, const char *user, const struct conf_source *source, const uint64_t *refused)
{
	struct message message = {.type = MESSAGE_FETCH};
	struct message_fetch *fetch = &message.u.fetch;

	fetch->id = number_job();
	fetch->source = (uint32_t)source->kind;
	fetch->flags = refused != NULL ? FETCH_NEWER : 0;
	fetch->serial = refused != NULL ? *refused : 0;
	fetch->user = message_text(user);
	fetch->spec = message_octets(source->text, source->kind == CONF_SOURCE_COMMAND ? command_size(source->text)
										       : strlen(source->text));
	return ask(login, PROCESS_AGENT, fetch->id, &message);
}

void workers_note(const struct broker *broker, const struct device_key *device, const char *peer)
{
	const struct worker *agent = find(broker, PROCESS_AGENT);
	struct message message = {.type = MESSAGE_USED};

	message.u.used.device = message_octets(device->salt, sizeof(device->salt));
	message.u.used.peer = message_text(peer);
	if (agent != NULL && channel_queued(agent->channel) < NOTES_MAX)
		(void)channel_send(agent->channel, &message, NULL);
}
