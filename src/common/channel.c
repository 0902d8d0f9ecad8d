/* channel - see channel.h. Never blocks; a peer that stops reading costs
 * CHANNEL_QUEUE messages at most. */
#include "common/channel.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/secret.h"

#define CHANNEL_QUEUE 16384 /* messages */
#define CHANNEL_BURST 64    /* messages handled before other events get their turn */

struct parcel {
	struct parcel *next;
	int fds[MESSAGE_FDS];
	size_t fd_count;
	size_t size;
	unsigned char data[];
};

struct channel {
	int fd;
	struct event *readable, *writable;
	channel_message_fn *on_message;
	channel_closed_fn *on_closed;
	void *context;
	struct parcel *first, **last;
	size_t queued;
	bool dead;
	bool busy;   /* its messages are being handed out */
	bool doomed; /* freed meanwhile: goes when that is over */
};

/* One receive buffer a process: its contents are wiped after each message. */
static struct ipc_inbox inbox;

static void parcel_free(struct parcel *parcel)
{
	for (size_t i = 0; i < parcel->fd_count; i++)
		close(parcel->fds[i]);
	secret_wipe(parcel->data, parcel->size);
	free(parcel);
}

static void report_closed(struct channel *channel)
{
	if (channel->dead)
		return;
	channel->dead = true;
	event_del(channel->readable);
	event_del(channel->writable);
	channel->on_closed(channel->context);
}

static void destroy(struct channel *channel)
{
	while (channel->first != NULL) {
		struct parcel *parcel = channel->first;

		channel->first = parcel->next;
		parcel_free(parcel);
	}
	if (channel->readable != NULL)
		event_free(channel->readable);
	if (channel->writable != NULL)
		event_free(channel->writable);
	close(channel->fd);
	free(channel);
}

static void on_readable(evutil_socket_t fd, short events, void *context)
{
	struct channel *channel = context;

	(void)events;
	channel->busy = true;
	for (int i = 0; i < CHANNEL_BURST && !channel->dead; i++) {
		enum ipc_result result = ipc_receive(fd, &inbox);

		if (result == IPC_AGAIN)
			break;
		if (result != IPC_OK) {
			report_closed(channel);
			break;
		}
		channel->on_message(channel->context, &inbox);
		ipc_inbox_clear(&inbox);
	}
	channel->busy = false;
	if (channel->doomed)
		destroy(channel);
}

static void on_writable(evutil_socket_t fd, short events, void *context)
{
	struct channel *channel = context;

	(void)events;
	while (channel->first != NULL) {
		struct parcel *parcel = channel->first;
		enum ipc_result result =
		    ipc_send_encoded(fd, parcel->data, parcel->size, parcel->fds, parcel->fd_count);

		if (result == IPC_AGAIN)
			return;
		if (result != IPC_OK) {
			report_closed(channel);
			return;
		}
		channel->first = parcel->next;
		if (channel->first == NULL)
			channel->last = &channel->first;
		channel->queued--;
		parcel_free(parcel);
	}
	event_del(channel->writable);
}

/* Else they go to standard error, which may take nothing. */
static void log_event(int severity, const char *text)
{
	log_say(severity == EVENT_LOG_ERR ? POPGATE_LOG_WARN : POPGATE_LOG_DEBUG, NULL, "libevent: %s", text);
}

struct event_base *channel_base(void)
{
	event_set_log_callback(log_event);
	return event_base_new();
}

struct channel *channel_new(struct event_base *base, int fd, channel_message_fn *on_message,
			    channel_closed_fn *on_closed, void *context)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (channel == NULL) {
		close(fd);
		return NULL;
	}
	channel->fd = fd;
	channel->last = &channel->first;
	channel->on_message = on_message;
	channel->on_closed = on_closed;
	channel->context = context;
	channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, channel);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || channel->readable == NULL || channel->writable == NULL ||
	    event_add(channel->readable, NULL) != 0) {
		destroy(channel);
		return NULL;
	}
	return channel;
}

void channel_give(struct channel *channel, channel_message_fn *on_message, channel_closed_fn *on_closed, void *context)
{
	channel->on_message = on_message;
	channel->on_closed = on_closed;
	channel->context = context;
}

size_t channel_queued(const struct channel *channel)
{
	return channel->queued;
}

void channel_free(struct channel **channel)
{
	struct channel *old = *channel;

	*channel = NULL;
	if (old == NULL)
		return;
	old->dead = true;
	if (old->busy) {
		old->doomed = true;
		event_del(old->readable);
		event_del(old->writable);
	} else {
		destroy(old);
	}
}

static int enqueue(struct channel *channel, const unsigned char *data, size_t size, const int *fds, size_t fd_count)
{
	struct parcel *parcel;

	if (channel->queued >= CHANNEL_QUEUE || (parcel = calloc(1, sizeof(*parcel) + size)) == NULL)
		return -1;
	memcpy(parcel->data, data, size);
	parcel->size = size;
	for (; parcel->fd_count < fd_count; parcel->fd_count++) {
		int copy = fcntl(fds[parcel->fd_count], F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			parcel_free(parcel);
			return -1;
		}
		parcel->fds[parcel->fd_count] = copy;
	}
	*channel->last = parcel;
	channel->last = &parcel->next;
	channel->queued++;
	return event_add(channel->writable, NULL);
}

int channel_send(struct channel *channel, const struct message *message, const int *fds)
{
	unsigned char buffer[MESSAGE_MAX];
	size_t size, fd_count = message_fds(message->type);
	int result = 0;

	if (channel == NULL || channel->dead)
		return -1;
	size = message_encode(message, buffer);
	if (size == 0) {
		secret_wipe(buffer, sizeof(buffer));
		return -1;
	}
	if (channel->first != NULL) {
		result = enqueue(channel, buffer, size, fds, fd_count);
	} else {
		switch (ipc_send_encoded(channel->fd, buffer, size, fds, fd_count)) {
		case IPC_OK:
			break;
		case IPC_AGAIN:
			result = enqueue(channel, buffer, size, fds, fd_count);
			break;
		case IPC_CLOSED:
		case IPC_FAILED:
			/* The owner learns it from the readable event, never inside a send. */
			result = -1;
			break;
		}
	}
	secret_wipe(buffer, size);
	/* whoever waits for what it says would wait in vain: the owner learns that as if the other end had gone */
	if (result != 0 && fd_count == 0)
		(void)shutdown(channel->fd, SHUT_RDWR);
	return result;
}
