/* front - see front.h. After READY it opens no file and connects nowhere; it
 * holds the TLS key and the clients, and no account, plugin or upstream credential. */
#include "front/front.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "front/relay.h"

#define ACCEPT_PAUSE 500000 /* microseconds without accepting after EMFILE */
#define ACCEPT_BURST 32	    /* connections taken before other events get their turn */
#define SHARE_PAUSE  50000  /* microseconds that a full front leaves new connections to the others */
#define STOP_POLL    50000  /* microseconds between two looks for idle sessions */
#define WORD_PAUSE   60000  /* milliseconds between two words about clients that made way */
#define ASKING_MOST  64	    /* logins under way that are passed over in search of somebody idle */
#define LAST_WORDS   500000 /* microseconds for the replies that leave once the time to stop is over */

struct listener {
	struct front *front;
	const struct conf_listener *conf;
	struct event *acceptable;
};

/* ---- bookkeeping ---- */

static struct client **bucket_of(struct front *front, uint64_t id)
{
	return &front->buckets[id % FRONT_BUCKETS];
}

static void accept_again(struct front *front, bool on)
{
	for (size_t i = 0; front->listeners != NULL && i < front->process->conf->listener_count; i++) {
		if (on)
			event_add(front->listeners[i].acceptable, NULL);
		else
			event_del(front->listeners[i].acceptable);
	}
}

void front_add(struct front *front, struct client *client)
{
	struct client **bucket = bucket_of(front, client->id);

	client->same_bucket = *bucket;
	*bucket = client;
	client->next = front->clients;
	if (front->clients != NULL)
		front->clients->previous = client;
	front->clients = client;
	tally_total(front->process->tally, front->process->index, ++front->count);
}

void front_remove(struct front *front, struct client *client)
{
	struct client **at = bucket_of(front, client->id);

	while (*at != client)
		at = &(*at)->same_bucket;
	*at = client->same_bucket;
	if (client->next != NULL)
		client->next->previous = client->previous;
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		front->clients = client->next;
	front_settle(front, client);
	tally_total(front->process->tally, front->process->index, --front->count);
	if (front->draining && front->count == 0)
		event_base_loopbreak(front->base);
	else if (!front->draining && front->count == front->most - 1)
		accept_again(front, true);
}

/* ---- those that have not logged in ---- */

void front_wait(struct front *front, struct client *client)
{
	client->waiting = true;
	client->older = front->newest;
	if (front->newest != NULL)
		front->newest->newer = client;
	else
		front->oldest = client;
	front->newest = client;
}

void front_settle(struct front *front, struct client *client)
{
	if (!client->waiting)
		return;
	client->waiting = false;
	if (client->older != NULL)
		client->older->newer = client->newer;
	else
		front->oldest = client->newer;
	if (client->newer != NULL)
		client->newer->older = client->older;
	else
		front->newest = client->older;
	client->older = client->newer = NULL;
}

/* The one that came first, of those rather that have no login under way. */
static struct client *longest_waiting(const struct front *front)
{
	struct client *client = front->oldest;

	for (int i = 0; client != NULL && i < ASKING_MOST; i++, client = client->newer)
		if (client->state != CLIENT_ASKING)
			return client;
	return front->oldest;
}

static void say_who_made_way(struct front *front)
{
	front->made_way++;
	if (deadline_left(front->next_word) > 0)
		return;
	log_say(POPGATE_LOG_WARN, NULL, "limits.max_connections is reached: %u that had not logged in made way",
		front->made_way);
	front->made_way = 0;
	front->next_word = deadline_in(WORD_PAUSE);
}

void front_make_way(struct front *front)
{
	struct client *client = longest_waiting(front);

	if (front->count <= front->most || client == NULL)
		return;
	say_who_made_way(front);
	client_free(client);
}

static struct client *find(struct front *front, uint64_t id)
{
	struct client *client = *bucket_of(front, id);

	while (client != NULL && client->id != id)
		client = client->same_bucket;
	return client;
}

/* ---- the broker ---- */

static void take_features(struct front *front, const struct message_features *features);

int front_ask(struct front *front, const struct message *message, const int *fds)
{
	return front->broker == NULL ? -1 : channel_send(front->broker, message, fds);
}

static void on_broker_message(void *context, struct ipc_inbox *inbox)
{
	const struct message *message = &inbox->message;
	struct front *front = context;
	struct client *client;

	if (message->type == MESSAGE_CHALLENGE) {
		client = find(front, message->u.challenge.id);
		if (client != NULL)
			client_challenge(client, message->u.challenge.data.data, message->u.challenge.data.size);
	} else if (message->type == MESSAGE_REFUSED) {
		client = find(front, message->u.refused.id);
		if (client != NULL)
			client_refused(client, message->u.refused.status);
	} else if (message->type == MESSAGE_OPENED) {
		client = find(front, message->u.opened.id);
		if (client != NULL)
			client_opened(client, message->u.opened.text.data, message->u.opened.text.size);
	} else if (message->type == MESSAGE_FEATURES) {
		take_features(front, &message->u.features);
	}
}

/* Logins under way died with it; whoever is logged in does not notice. */
static void forget_broker(struct front *front)
{
	struct client *client, *next;

	channel_free(&front->broker);
	for (client = front->clients; client != NULL; client = next) {
		next = client->next;
		client_refused(client, POPGATE_TEMP);
	}
}

static void on_broker_closed(void *context)
{
	const struct message lost = {.type = MESSAGE_LOST, .u.lost.role = PROCESS_BROKER};
	struct front *front = context;

	(void)channel_send(front->control, &lost, NULL);
	forget_broker(front);
}

/* ---- listening ---- */

static void on_pause_over(evutil_socket_t fd, short events, void *context)
{
	struct front *front = context;

	(void)fd;
	(void)events;
	if (!front->draining && (front->count < front->most || front->oldest != NULL))
		accept_again(front, true);
}

static void pause_accepting(struct front *front, suseconds_t microseconds)
{
	struct timeval pause = {.tv_usec = microseconds};

	accept_again(front, false);
	event_base_once(front->base, -1, EV_TIMEOUT, on_pause_over, front, &pause);
}

/* Whether the next connection is ours. A full front leaves it to another that has room; only when nobody takes it, one
 * of its own that has not logged in makes way. */
static bool may_accept(struct front *front)
{
	const struct process *process = front->process;

	if (front->count < front->most)
		return true;
	if (front->oldest == NULL) {
		accept_again(front, false); /* until somebody goes */
		return false;
	}
	if (!front->pressed && tally_has_room(process->tally, process->index, front->most)) {
		front->pressed = true;
		pause_accepting(front, SHARE_PAUSE);
		return false;
	}
	return true;
}

static void take_accept_error(struct front *front, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return;
	log_say(POPGATE_LOG_WARN, NULL, "accept: %s; no new connections for half a second", strerror(error));
	pause_accepting(front, ACCEPT_PAUSE);
}

static void on_acceptable(evutil_socket_t fd, short events, void *context)
{
	struct listener *listener = context;
	struct front *front = listener->front;

	(void)events;
	for (int i = 0; i < ACCEPT_BURST && may_accept(front); i++) {
		struct sockaddr_storage address;
		socklen_t size = sizeof(address);
		int accepted = accept4(fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted < 0) {
			take_accept_error(front, errno);
			front->pressed = false;
			return;
		}
		client_new(front, accepted, (struct sockaddr *)&address, size, listener->conf);
	}
}

/* So that nobody waits for a greeting that will not come. */
static void close_listeners(struct front *front)
{
	for (size_t i = 0; i < front->process->conf->listener_count; i++) {
		if (front->listeners != NULL)
			event_free(front->listeners[i].acceptable);
		close(front->process->listeners[i]);
	}
	free(front->listeners);
	front->listeners = NULL;
}

static int listen_all(struct front *front)
{
	size_t count = front->process->conf->listener_count;

	front->listeners = calloc(count, sizeof(*front->listeners));
	if (front->listeners == NULL)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct listener *listener = &front->listeners[i];

		listener->front = front;
		listener->conf = &front->process->conf->listeners[i];
		listener->acceptable =
		    event_new(front->base, front->process->listeners[i], EV_READ | EV_PERSIST, on_acceptable, listener);
		if (listener->acceptable == NULL || event_add(listener->acceptable, NULL) != 0)
			return -1;
	}
	return 0;
}

/* ---- the supervisor ---- */

/* Clients that are not logged in, and sessions with no command to answer, end now, as if the
 * client had gone: nothing is removed. */
static void on_stop_poll(evutil_socket_t fd, short events, void *context)
{
	struct front *front = context;

	(void)fd;
	(void)events;
	for (struct client *client = front->clients; client != NULL; client = client->next)
		if (client->state != CLIENT_RELAYING || relay_is_idle(client->relay))
			client_close(client);
}

/* A client whose QUIT is being carried out must not take silence for success. Returns how many there are. */
static unsigned refuse_quits(struct front *front)
{
	static const char refusal[] = "-ERR [SYS/TEMP] stopped before all messages were known to be removed\r\n";
	unsigned count = 0;

	for (struct client *client = front->clients; client != NULL; client = client->next) {
		if (client->state != CLIENT_RELAYING || !relay_is_updating(client->relay))
			continue;
		client_write(client, refusal, sizeof(refusal) - 1);
		client_close(client);
		count++;
	}
	return count;
}

static void on_stop_deadline(evutil_socket_t fd, short events, void *context)
{
	const struct timeval last_words = {.tv_usec = LAST_WORDS};
	struct front *front = context;

	(void)fd;
	(void)events;
	if (!front->overdue)
		log_say(POPGATE_LOG_WARN, NULL, "%u connections did not end in time", front->count);
	if (front->overdue || refuse_quits(front) == 0)
		event_base_loopbreak(front->base);
	else
		event_add(front->stop_deadline, &last_words);
	front->overdue = true;
}

static void drain(struct front *front)
{
	if (!front->draining)
		close_listeners(front);
	front->draining = true;
	for (struct client *client = front->oldest; client != NULL; client = client->newer)
		client_hurry(client);
	if (front->count == 0)
		event_base_loopbreak(front->base);
}

static void stop(struct front *front, uint32_t milliseconds)
{
	struct timeval poll = {.tv_usec = STOP_POLL};
	struct timeval deadline = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

	drain(front);
	event_active(front->stop_poll, EV_TIMEOUT, 0);
	event_add(front->stop_poll, &poll);
	event_add(front->stop_deadline, &deadline);
}

static void take_broker(struct front *front, int fd)
{
	if (front->broker != NULL)
		forget_broker(front);
	front->broker = channel_new(front->base, fd, on_broker_message, on_broker_closed, front);
}

/* The first broker's word opens the doors: before it nobody could log in, and what clients may prove themselves with is
 * not known. */
static void take_features(struct front *front, const struct message_features *features)
{
	front->features = *features;
	if (front->listeners == NULL && !front->draining && listen_all(front) != 0) {
		log_say(POPGATE_LOG_WARN, NULL, "cannot listen: out of memory");
		event_base_loopbreak(front->base);
	}
}

static void on_control_message(void *context, struct ipc_inbox *inbox)
{
	const struct message *message = &inbox->message;
	struct front *front = context;

	if (message->type == MESSAGE_NEIGHBOUR) {
		take_broker(front, ipc_take(inbox, 0));
	} else if (message->type == MESSAGE_LOG) {
		log_to(ipc_take(inbox, 0));
	} else if (message->type == MESSAGE_DRAIN) {
		drain(front);
	} else if (message->type == MESSAGE_STOP) {
		stop(front, message->u.stop.milliseconds);
	}
}

/* The supervisor has gone: so do we. */
static void on_control_closed(void *context)
{
	struct front *front = context;

	event_base_loopbreak(front->base);
}

/* ---- start ---- */

static int load_tls(struct front *front)
{
	const struct conf *conf = front->process->conf;
	struct conf_report report = {0};

	if (conf->tls_count > 0)
		front->tls = tls_server_new(conf, &report);
	if (front->tls != NULL)
		tls_server_resume(front->tls, front->process->tickets);
	return process_tell_faults(&report) ? -1 : 0;
}

static int make_events(struct front *front)
{
	front->base = channel_base();
	if (front->base == NULL)
		return -1;
	front->stop_poll = event_new(front->base, -1, EV_PERSIST, on_stop_poll, front);
	front->stop_deadline = evtimer_new(front->base, on_stop_deadline, front);
	front->control =
	    channel_new(front->base, front->process->control, on_control_message, on_control_closed, front);
	return front->stop_poll == NULL || front->stop_deadline == NULL || front->control == NULL ? -1 : 0;
}

static int run(struct front *front, const struct process *process)
{
	const struct message ready = {.type = MESSAGE_READY};

	front->process = process;
	tally_reset(process->tally, process->index);
	front->most = (process->conf->limits.max_connections + process->conf->fronts - 1) / process->conf->fronts;
	if (load_tls(front) != 0)
		return PROCESS_EXIT_CONF;
	if (sandbox_leave_root(process->conf, process->identity) != 0 ||
	    process_identity_assume(process->identity) != 0 || make_events(front) != 0 ||
	    sandbox_enter(SANDBOX_FRONT, process->conf, NULL) != 0 || channel_send(front->control, &ready, NULL) != 0)
		return PROCESS_EXIT_FAILURE;
	event_base_dispatch(front->base);
	return PROCESS_EXIT_OK;
}

int front_run(const struct process *process)
{
	struct front *front = calloc(1, sizeof(*front));
	int result = front == NULL ? PROCESS_EXIT_FAILURE : run(front, process);

	free(front);
	return result;
}
