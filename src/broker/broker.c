/* broker - see broker.h. An event loop that never waits for anything; holds
 * credentials only while a login is under way. */
#include "broker/broker.h"

#include <stdlib.h>

#include "broker/keyring.h"
#include "broker/login.h"
#include "broker/policy.h"
#include "broker/proving.h"
#include "broker/scram.h"
#include "common/log.h"
#include "common/sandbox.h"

static void on_front_closed(void *context)
{
	struct broker_front *front = context, **at = &front->broker->fronts;

	while (*at != front)
		at = &(*at)->next;
	*at = front->next;
	login_front_lost(front->broker, front);
	channel_free(&front->channel);
	free(front);
}

static void on_front_message(void *context, struct ipc_inbox *inbox)
{
	struct broker_front *front = context;
	const struct message *message = &inbox->message;

	if (message->type == MESSAGE_LOGIN && login_begin(front->broker, front, inbox) != 0) {
		log_say(POPGATE_LOG_WARN, NULL,
			"a front has sent a login that its listener does not offer: it is left");
		on_front_closed(front);
	} else if (message->type == MESSAGE_RESPONSE) {
		login_respond(front->broker, front, &message->u.response);
	} else if (message->type == MESSAGE_CANCEL) {
		login_cancel(front->broker, front, message->u.cancel.id);
	}
}

static void add_front(struct broker *broker, int fd)
{
	struct broker_front *front = calloc(1, sizeof(*front));
	struct message features = {.type = MESSAGE_FEATURES};

	if (broker->accounts != NULL)
		features.u.features.proofs = broker->accounts->proofs;
	policy_announce(broker, &features.u.features);
	broker->delays = features.u.features.login_delay > 0;
	if (front != NULL) {
		front->broker = broker;
		front->channel = channel_new(broker->base, fd, on_front_message, on_front_closed, front);
	}
	if (front == NULL || front->channel == NULL) {
		log_say(POPGATE_LOG_WARN, NULL, "out of memory: a front is without broker");
		free(front);
		return;
	}
	front->next = broker->fronts;
	broker->fronts = front;
	(void)channel_send(front->channel, &features, NULL);
}

static void on_spawner_message(void *context, struct ipc_inbox *inbox)
{
	(void)context;
	(void)inbox; /* it has nothing to say */
}

static void on_spawner_closed(void *context)
{
	struct broker *broker = context;

	channel_free(&broker->spawner);
}

static void on_control_message(void *context, struct ipc_inbox *inbox)
{
	const struct message *message = &inbox->message;
	struct broker *broker = context;

	if (message->type == MESSAGE_NEIGHBOUR && message->u.neighbour.role == PROCESS_FRONT) {
		add_front(broker, ipc_take(inbox, 0));
	} else if (message->type == MESSAGE_NEIGHBOUR && message->u.neighbour.role == PROCESS_SPAWNER) {
		channel_free(&broker->spawner);
		broker->spawner =
		    channel_new(broker->base, ipc_take(inbox, 0), on_spawner_message, on_spawner_closed, broker);
	} else if (message->type == MESSAGE_NEIGHBOUR) {
		workers_add(broker, (enum process_role)message->u.neighbour.role, ipc_take(inbox, 0));
	} else if (message->type == MESSAGE_LOG) {
		log_to(ipc_take(inbox, 0));
	} else if (message->type == MESSAGE_STOP || message->type == MESSAGE_DRAIN) {
		event_base_loopbreak(broker->base);
	}
}

static void on_control_closed(void *context)
{
	struct broker *broker = context;

	event_base_loopbreak(broker->base);
}

/* Before anybody is served: a file that is broken keeps the whole generation from starting. */
static int read_accounts(struct broker *broker, const struct conf *conf)
{
	struct conf_report report = {0};

	if (conf->accounts_file == NULL)
		return 0;
	broker->accounts = accounts_read(conf, &report);
	if (process_tell_faults(&report) || broker->accounts == NULL)
		return -1;
	broker->usual_hash = proving_usual_hash(broker->accounts);
	broker->keyring = keyring_new(broker->accounts, conf->accounts_file);
	broker->scram = scram_library_new();
	return broker->keyring == NULL ? -1 : 0;
}

static int run(struct broker *broker, const struct process *process)
{
	const struct message ready = {.type = MESSAGE_READY};

	if (read_accounts(broker, process->conf) != 0)
		return PROCESS_EXIT_CONF;
	if (process->throttle == NULL || process->usage == NULL)
		return PROCESS_EXIT_FAILURE;
	broker->process = process;
	broker->tries.throttle = process->throttle;
	broker->kept.most = process->conf->limits.max_kept_open;
	broker->tries.most = process->conf->limits.login_penalty;
	broker->base = channel_base();
	if (broker->base == NULL || sandbox_leave_root(process->conf, process->identity) != 0 ||
	    process_identity_assume(process->identity) != 0)
		return PROCESS_EXIT_FAILURE;
	broker->control = channel_new(broker->base, process->control, on_control_message, on_control_closed, broker);
	if (broker->control == NULL || sandbox_enter(SANDBOX_BROKER, process->conf, NULL) != 0 ||
	    channel_send(broker->control, &ready, NULL) != 0)
		return PROCESS_EXIT_FAILURE;
	event_base_dispatch(broker->base);
	return PROCESS_EXIT_OK;
}

int broker_run(const struct process *process)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	int result = broker == NULL ? PROCESS_EXIT_FAILURE : run(broker, process);

	free(broker);
	return result;
}
