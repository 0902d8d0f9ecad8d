/* relay - see relay.h. Looks at no octet of a reply, and at commands only to
 * keep a bounded copy of those that the session has not answered yet.
 *
 * Where no TLS lies between, the client's socket is handed over with the first
 * command that comes while nothing is owed. From then on the session reads and
 * writes it itself, and the stream only tells when one of the two has gone; the
 * kernel's count of what was written stands for the octets that passed here
 * before, and the phase page keeps the commands. */
#include "front/relay.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/ipc.h"
#include "front/client.h"
#include "front/tls.h"
#include "front/written.h"

#define COMMANDS_MAX 16384  /* octets of commands forwarded and not answered */
#define REPLIES_MAX  131072 /* octets of replies that wait for the client */
#define READ_SIZE    65536

struct relay {
	struct client *client;
	int fd;
	struct phase_page *page;
	struct event *readable, *writable;
	struct evbuffer *outgoing;   /* commands on their way to the session */
	struct evbuffer *unanswered; /* copy of the commands from octet `answered` on */
	uint64_t answered, received;
	bool direct;   /* the session has the client's socket */
	uint64_t base; /* what had been written to the client's socket before */
};

static void on_stream_readable(evutil_socket_t fd, short events, void *context);
static void on_stream_writable(evutil_socket_t fd, short events, void *context);

struct relay *relay_new(struct client *client, struct event_base *base, int fds_r[2])
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int ends[2] = {-1, -1}, page = -1;

	if (relay == NULL)
		return NULL;
	relay->client = client;
	relay->fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		goto fail;
	relay->fd = ends[0];
	relay->page = phase_create(&page);
	relay->outgoing = evbuffer_new();
	relay->unanswered = evbuffer_new();
	relay->readable = event_new(base, relay->fd, EV_READ | EV_PERSIST, on_stream_readable, relay);
	relay->writable = event_new(base, relay->fd, EV_WRITE | EV_PERSIST, on_stream_writable, relay);
	if (relay->page == NULL || relay->outgoing == NULL || relay->unanswered == NULL || relay->readable == NULL ||
	    relay->writable == NULL || evutil_make_socket_nonblocking(relay->fd) != 0)
		goto fail;
	fds_r[0] = ends[1];
	fds_r[1] = page;
	return relay;
fail:
	if (ends[1] >= 0)
		close(ends[1]);
	if (page >= 0)
		close(page);
	relay_free(&relay);
	return NULL;
}

void relay_free(struct relay **relay)
{
	struct relay *old = *relay;

	*relay = NULL;
	if (old == NULL)
		return;
	if (old->readable != NULL)
		event_free(old->readable);
	if (old->writable != NULL)
		event_free(old->writable);
	if (old->outgoing != NULL)
		evbuffer_free(old->outgoing);
	if (old->unanswered != NULL)
		evbuffer_free(old->unanswered);
	phase_unmap(&old->page);
	if (old->fd >= 0)
		close(old->fd);
	free(old);
}

int relay_start(struct relay *relay)
{
	if (event_add(relay->readable, NULL) != 0)
		return -1;
	relay_client_readable(relay);
	return 0;
}

static int client_socket(const struct relay *relay)
{
	return bufferevent_getfd(relay->client->connection);
}

/* What the session's replies are to the client by now. */
static struct phase_debt debt_of(const struct relay *relay)
{
	uint64_t written = relay->base;

	if (relay->direct && written_octets(client_socket(relay), &written) != 0)
		return (struct phase_debt){.cut = true};
	return phase_debt(relay->page, relay->received + (written - relay->base));
}

/* Forgets the copies of commands that are answered by now. */
static void settle(struct relay *relay)
{
	struct phase_debt debt = phase_debt(relay->page, relay->received);
	size_t held = evbuffer_get_length(relay->unanswered);

	if (debt.settled <= relay->answered || debt.settled - relay->answered > held)
		return; /* nothing new, or a session that lies */
	evbuffer_drain(relay->unanswered, (size_t)(debt.settled - relay->answered));
	relay->answered = debt.settled;
}

/* Whether the session can go on alone: nothing is on its way to either side but the `size` octets at hand. */
static bool can_hand_over(const struct relay *relay, size_t size)
{
	struct bufferevent *connection = relay->client->connection;

	return size > 0 && size <= PHASE_INPUT && !relay->client->finished &&
	       evbuffer_get_length(relay->unanswered) == 0 && evbuffer_get_length(relay->outgoing) == 0 &&
	       evbuffer_get_length(bufferevent_get_output(connection)) == 0 && !tls_is_on(connection);
}

/* Sends the outgoing octets with the client's socket. Where that fails everything stays as it was. */
static void hand_over(struct relay *relay)
{
	struct client *client = relay->client;
	int fd = client_socket(relay);
	size_t size = evbuffer_get_length(relay->outgoing);
	const unsigned char *octets = evbuffer_pullup(relay->outgoing, -1);

	/* the greeting was written: a kernel that counts nothing does not count */
	if (octets == NULL || written_octets(fd, &relay->base) != 0 || relay->base == 0 ||
	    ipc_send_encoded(relay->fd, octets, size, &fd, 1) != IPC_OK)
		return;
	evbuffer_drain(relay->outgoing, size);
	relay->direct = client->shared = true;
	bufferevent_disable(client->connection, EV_READ);
}

static void send_outgoing(struct relay *relay)
{
	while (evbuffer_get_length(relay->outgoing) > 0) {
		if (evbuffer_write(relay->outgoing, relay->fd) >= 0)
			continue;
		if (errno == EAGAIN || errno == EINTR) {
			event_add(relay->writable, NULL);
			return;
		}
		/* The session has gone: the read side will tell what is owed. */
		evbuffer_drain(relay->outgoing, evbuffer_get_length(relay->outgoing));
	}
	event_del(relay->writable);
	if (relay->client->finished && evbuffer_get_length(bufferevent_get_input(relay->client->connection)) == 0)
		shutdown(relay->fd, SHUT_WR);
}

/* Octets of commands that wait for the session: to be read by it, or to be answered. */
static size_t commands_held(const struct relay *relay)
{
	size_t unanswered = evbuffer_get_length(relay->unanswered), outgoing = evbuffer_get_length(relay->outgoing);

	return unanswered > outgoing ? unanswered : outgoing;
}

/* An unanswered command longer than everything that may be held has no end that could come. */
static bool is_endless(struct relay *relay)
{
	return evbuffer_get_length(relay->unanswered) >= COMMANDS_MAX &&
	       evbuffer_search_eol(relay->unanswered, NULL, NULL, EVBUFFER_EOL_LF).pos < 0;
}

/* Hands commands on, keeping a copy. 0 or -1: no memory. */
static int forward(struct relay *relay, struct evbuffer *input, size_t size)
{
	while (size > 0) {
		struct evbuffer_iovec piece;

		if (evbuffer_peek(input, (ssize_t)size, NULL, &piece, 1) < 1)
			return -1;
		if (piece.iov_len > size)
			piece.iov_len = size;
		if (evbuffer_add(relay->unanswered, piece.iov_base, piece.iov_len) != 0 ||
		    evbuffer_add(relay->outgoing, piece.iov_base, piece.iov_len) != 0)
			return -1;
		evbuffer_drain(input, piece.iov_len);
		size -= piece.iov_len;
	}
	return 0;
}

void relay_client_readable(struct relay *relay)
{
	struct bufferevent *connection = relay->client->connection;
	struct evbuffer *input = bufferevent_get_input(connection);
	size_t size, room;
	bool handing;

	if (relay->client->state != CLIENT_RELAYING || relay->direct)
		return;
	settle(relay);
	size = evbuffer_get_length(input);
	handing = can_hand_over(relay, size);
	room = commands_held(relay) < COMMANDS_MAX ? COMMANDS_MAX - commands_held(relay) : 0;
	if (size > room) {
		size = room;
		bufferevent_disable(connection, EV_READ);
	} else if (!relay->client->finished) {
		bufferevent_enable(connection, EV_READ);
	}
	if (forward(relay, input, size) != 0 || is_endless(relay)) {
		client_close(relay->client);
		return;
	}
	if (handing)
		hand_over(relay);
	send_outgoing(relay);
}

void relay_client_writable(struct relay *relay)
{
	event_add(relay->readable, NULL);
}

/* Of commands that never passed here the page has a copy; those that the socket came with are here until they were
 * taken. 0, or -1: no memory. */
static int recall(struct relay *relay, uint64_t settled)
{
	char commands[PHASE_UNANSWERED];
	size_t size = phase_unanswered(relay->page, settled, commands);

	/* whatever the session has made of the socket */
	if (evutil_make_socket_nonblocking(client_socket(relay)) != 0)
		return -1;
	if (size == 0 && settled == relay->answered)
		return 0;
	evbuffer_drain(relay->unanswered, evbuffer_get_length(relay->unanswered));
	return evbuffer_add(relay->unanswered, commands, size);
}

/* The session's end: everything it wrote has been read. */
static void take_end(struct relay *relay)
{
	struct client *client = relay->client;
	struct phase_debt debt = debt_of(relay);

	event_del(relay->readable);
	event_del(relay->writable);
	if (debt.ended || debt.cut || (relay->direct && recall(relay, debt.settled) != 0)) {
		client_close(client);
		return;
	}
	if (!relay->direct)
		settle(relay);
	client_lost(client, relay->unanswered);
}

/* To the client: at once as far as its socket takes it, when nothing waits before it and no TLS lies between. 0, or -1:
 * no memory. */
static int hand_out(struct relay *relay, const char *replies, size_t size)
{
	struct bufferevent *connection = relay->client->connection;
	ssize_t sent = 0;

	if (evbuffer_get_length(bufferevent_get_output(connection)) == 0 && !tls_is_on(connection))
		sent = send(bufferevent_getfd(connection), replies, size, MSG_NOSIGNAL);
	/* what is wrong with the socket shows again where it is watched */
	if (sent < 0)
		sent = 0;
	return (size_t)sent == size ? 0 : bufferevent_write(connection, replies + sent, size - (size_t)sent);
}

static void on_stream_readable(evutil_socket_t fd, short events, void *context)
{
	struct relay *relay = context;
	struct evbuffer *output = bufferevent_get_output(relay->client->connection);
	static char replies[READ_SIZE];
	ssize_t got;

	(void)events;
	if (relay->client->state != CLIENT_RELAYING || evbuffer_get_length(output) >= REPLIES_MAX) {
		event_del(relay->readable);
		return;
	}
	got = recv(fd, replies, sizeof(replies), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		take_end(relay);
		return;
	}
	if (relay->direct) {
		client_close(relay->client); /* a session that has the socket has nothing to say here */
		return;
	}
	relay->received += (uint64_t)got;
	if (hand_out(relay, replies, (size_t)got) != 0)
		client_close(relay->client);
	else if (evbuffer_get_length(bufferevent_get_input(relay->client->connection)) > 0)
		relay_client_readable(relay);
	else
		settle(relay);
}

static void on_stream_writable(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	send_outgoing(context);
}

bool relay_is_idle(struct relay *relay)
{
	int handed = 0, waiting = 0;

	/* the page last: the session says that it works before it takes what it finds */
	if (relay->direct)
		return ioctl(relay->fd, TIOCOUTQ, &handed) == 0 && handed == 0 &&
		       ioctl(client_socket(relay), FIONREAD, &waiting) == 0 && waiting == 0 &&
		       phase_get(relay->page) == PHASE_WAITING;
	settle(relay);
	return evbuffer_get_length(relay->unanswered) == 0;
}

bool relay_is_updating(struct relay *relay)
{
	struct phase_debt debt = debt_of(relay);

	/* a session may have made the socket blocking, and the front is about to write */
	return phase_get(relay->page) == PHASE_UPDATING && !debt.ended && !debt.cut &&
	       evutil_make_socket_nonblocking(client_socket(relay)) == 0;
}
