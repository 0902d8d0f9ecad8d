/* workers - see workers.h. A job whose worker dies is answered as failed. */
#include "broker/workers.h"

#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "broker/login.h"
#include "common/log.h"

#define JOBS_MAX 4096 /* under way with one worker */

struct worker {
	struct worker *next;
	struct broker *broker;
	enum process_role role;
	struct channel *channel;
	uint64_t *jobs; /* the logins that wait for it; in no order */
	size_t count, room;
};

static int remember(struct worker *worker, uint64_t id)
{
	if (worker->count == worker->room) {
		size_t room = worker->room * 2 + 16;
		uint64_t *jobs = worker->count >= JOBS_MAX ? NULL : reallocarray(worker->jobs, room, sizeof(*jobs));

		if (jobs == NULL)
			return -1;
		worker->jobs = jobs;
		worker->room = room;
	}
	worker->jobs[worker->count++] = id;
	return 0;
}

static bool forget(struct worker *worker, uint64_t id)
{
	for (size_t i = 0; i < worker->count; i++) {
		if (worker->jobs[i] == id) {
			worker->jobs[i] = worker->jobs[--worker->count];
			return true;
		}
	}
	return false;
}

static void on_message(void *context, struct ipc_inbox *inbox)
{
	const struct message *message = &inbox->message;
	struct worker *worker = context;

	if (message->type == MESSAGE_CHECKED && worker->role == PROCESS_HELPER) {
		if (forget(worker, message->u.checked.id))
			login_checked(worker->broker, message->u.checked.id,
				      (enum message_verdict)message->u.checked.verdict);
	} else if (message->type == MESSAGE_FETCHED && worker->role == PROCESS_AGENT) {
		if (forget(worker, message->u.fetched.id))
			login_fetched(worker->broker, &message->u.fetched);
	} else if (message->type == MESSAGE_REFUSED && worker->role == PROCESS_AGENT) {
		if (forget(worker, message->u.refused.id))
			login_not_fetched(worker->broker, &message->u.refused);
	}
}

static void fail(struct broker *broker, enum process_role role, uint64_t id)
{
	struct message_refused refused = {.id = id, .status = POPGATE_TEMP};

	refused.text = message_text("the process that fetches credentials has died");
	if (role == PROCESS_HELPER)
		login_checked(broker, id, CHECK_FAILED);
	else
		login_not_fetched(broker, &refused);
}

static void on_closed(void *context)
{
	struct worker *worker = context, **at = &worker->broker->workers.first;

	while (*at != worker)
		at = &(*at)->next;
	*at = worker->next;
	channel_free(&worker->channel);
	for (size_t i = 0; i < worker->count; i++)
		fail(worker->broker, worker->role, worker->jobs[i]);
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

static int ask(struct broker *broker, enum process_role role, uint64_t id, const struct message *message)
{
	struct worker *worker = find(broker, role);

	if (worker == NULL || remember(worker, id) != 0)
		return -1;
	if (channel_send(worker->channel, message, NULL) == 0)
		return 0;
	(void)forget(worker, id);
	return -1;
}

int workers_check(struct broker *broker, uint64_t id, const char *hash, const void *password, size_t size)
{
	struct message message = {.type = MESSAGE_CHECK};

	message.u.check.id = id;
	message.u.check.hash = message_text(hash);
	message.u.check.password = message_octets(password, size);
	return ask(broker, PROCESS_HELPER, id, &message);
}

/* The words of a command, each with its NUL. */
static size_t command_size(const char *text)
{
	const char *at = text;

	while (*at != '\0')
		at += strlen(at) + 1;
	return (size_t)(at - text);
}

int workers_fetch(struct broker *broker, uint64_t id, const char *user, const struct conf_source *source,
		  const uint64_t *refused)
{
	struct message message = {.type = MESSAGE_FETCH};
	struct message_fetch *fetch = &message.u.fetch;

	fetch->id = id;
	fetch->source = (uint32_t)source->kind;
	fetch->flags = refused != NULL ? FETCH_NEWER : 0;
	fetch->serial = refused != NULL ? *refused : 0;
	fetch->user = message_text(user);
	fetch->spec = message_octets(source->text, source->kind == CONF_SOURCE_COMMAND ? command_size(source->text)
										       : strlen(source->text));
	return ask(broker, PROCESS_AGENT, id, &message);
}
