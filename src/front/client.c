/* client - see client.h. Never opens a file, never connects anywhere. Frees a
 * client only at the outermost level of an event: client_close just marks it. */
#include "front/client.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/secret.h"
#include "front/arrival.h"
#include "front/authorize.h"
#include "front/front.h"
#include "front/peer.h"
#include "front/relay.h"
#include "front/tls.h"
#include "front/written.h"

#define INPUT_MAX   32768 /* octets that may wait for the broker's answer */
#define STALL_LOOKS 4	  /* in a stall_timeout */
#define LAST_LOGINS 5000  /* milliseconds for who has not logged in when another generation takes over */

struct timeval client_time(int64_t milliseconds)
{
	struct timeval time = {.tv_sec = (time_t)(milliseconds / 1000),
			       .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};

	return time;
}

void client_write(struct client *client, const void *data, size_t size)
{
	/* of a reply that lacks a part nothing may leave; the end of the connection shows as any other does */
	if (bufferevent_write(client->connection, data, size) != 0)
		shutdown(bufferevent_getfd(client->connection), SHUT_RDWR);
}

void client_set_timer(struct client *client, int64_t milliseconds)
{
	struct timeval time = client_time(milliseconds);

	evtimer_add(client->timer, &time);
}

const struct conf_limits *client_limits(const struct client *client)
{
	return &client->front->process->conf->limits;
}

/* However long TLS took: the login's deadline stands since the connection began. */
static void set_login_timer(struct client *client, int64_t milliseconds)
{
	int64_t left = deadline_left(client->login_deadline);

	client_set_timer(client, milliseconds < left ? milliseconds : left);
}

void client_hurry(struct client *client)
{
	const int64_t soon = deadline_in(LAST_LOGINS);

	if (soon < client->login_deadline)
		client->login_deadline = soon;
	if (client->state != CLIENT_ASKING && client->state != CLIENT_CLOSING)
		set_login_timer(client, LAST_LOGINS);
}

/* ---- stalling ---- */

void client_watch_stall(struct client *client)
{
	struct timeval look = client_time(client_limits(client)->stall_timeout / STALL_LOOKS);

	bufferevent_set_timeouts(client->connection, NULL, &look);
}

/* Whether a client whose socket takes no more may go on. The kernel says that there is room only when a third of the
 * buffer is free, which may be a megabyte: one that is slow takes octets all the time. */
static bool is_taking(struct client *client)
{
	uint64_t taken = 0;

	(void)written_acknowledged(bufferevent_getfd(client->connection), &taken);
	taken -= evbuffer_get_length(bufferevent_get_output(client->connection));
	client->still = taken == client->taken ? client->still + 1 : 0;
	client->taken = taken;
	return client->still < STALL_LOOKS;
}

/* ---- the end ---- */

/* The connection ends, whoever else holds the socket, and whatever was made of it: nothing here may wait for the peer.
 */
static void take_back(evutil_socket_t fd)
{
	const struct linger never = {0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &never, sizeof(never));
	(void)shutdown(fd, SHUT_RDWR);
}

/* What was never taken may hold a password; libevent would free it as it is. */
static void wipe_input(struct evbuffer *input)
{
	struct evbuffer_iovec piece;

	while (evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		secret_wipe(piece.iov_base, piece.iov_len);
		evbuffer_drain(input, piece.iov_len);
	}
}

void client_free(struct client *client)
{
	front_remove(client->front, client);
	tally_leave(client->front->process->tally, client->front->process->index, client->tally_key);
	authorize_forget(client);
	if (client->timer != NULL)
		event_free(client->timer);
	arrival_free(&client->arrival);
	if (client->shared)
		take_back(bufferevent_getfd(client->connection));
	if (client->connection != NULL) {
		wipe_input(bufferevent_get_input(client->connection));
		bufferevent_free(client->connection);
	}
	line_clear(&client->reader);
	authorization_reset(&client->authorization);
	free(client);
}

void client_close(struct client *client)
{
	if (client->state == CLIENT_CLOSING)
		return;
	client->state = CLIENT_CLOSING;
	if (client->connection != NULL)
		bufferevent_disable(client->connection, EV_READ);
	event_active(client->timer, EV_TIMEOUT, 0);
}

/* The session is let go at once; the client gets what is buffered, as long as it takes it, and not for ever. */
static void go_on_closing(struct client *client)
{
	const struct conf_limits *limits = client_limits(client);

	authorize_forget(client);
	if (client->connection == NULL) {
		client_free(client);
	} else if (evbuffer_get_length(bufferevent_get_output(client->connection)) == 0) {
		tls_say_goodbye(client->connection);
		client_free(client);
	} else if (!client->leaving) {
		client->leaving = true;
		bufferevent_setwatermark(client->connection, EV_WRITE, 0, 0);
		client_watch_stall(client);
		if (client->waiting)
			set_login_timer(client, limits->login_timeout);
		else
			client_set_timer(client, limits->idle_timeout);
	}
}

/* The deadline of the current state, or the second half of client_close. */
static void on_timer(evutil_socket_t fd, short events, void *context)
{
	struct client *client = context;

	(void)fd;
	(void)events;
	if (client->state == CLIENT_CLOSING && !client->leaving)
		go_on_closing(client);
	else
		client_free(client); /* a deadline: nothing is said (RFC 1939 section 3) */
}

/* ---- libevent's callbacks ---- */

static void set_callbacks(struct client *client);

static void greet(struct client *client)
{
	client->state = CLIENT_SPEAKING;
	if (!client->greeted)
		authorize_greet(client);
	client->greeted = true;
}

/* Octets that came with STLS were sent in clear by somebody who may not be the client: RFC 2595 section 4. */
static void begin_stls(struct client *client)
{
	evutil_socket_t fd = bufferevent_getfd(client->connection);
	struct bufferevent *secured;

	if (evbuffer_get_length(bufferevent_get_input(client->connection)) > 0) {
		log_say(POPGATE_LOG_WARN, client->name, "octets after STLS before the handshake: connection closed");
		client_free(client);
		return;
	}
	bufferevent_disable(client->connection, EV_READ | EV_WRITE);
	secured = tls_accept(client->front->tls, client->listener->profile, client->front->base, fd);
	if (secured == NULL) {
		client_free(client);
		return;
	}
	bufferevent_setfd(client->connection, -1);
	bufferevent_free(client->connection);
	client->connection = secured;
	client->state = CLIENT_HANDSHAKE;
	set_login_timer(client, client_limits(client)->handshake_timeout);
	line_clear(&client->reader);
	set_callbacks(client);
	bufferevent_enable(secured, EV_READ | EV_WRITE);
}

void client_take_input(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->connection);

	switch (client->state) {
	case CLIENT_SPEAKING:
	case CLIENT_LOST:
		authorize_take_lines(client, input);
		if (client->finished && !client->paused && client->state != CLIENT_ASKING &&
		    client->state != CLIENT_STLS)
			client_close(client);
		return;
	case CLIENT_RELAYING:
		relay_client_readable(client->relay);
		return;
	case CLIENT_ARRIVING:
	case CLIENT_HANDSHAKE:
	case CLIENT_STLS:
	case CLIENT_ASKING:
	case CLIENT_CLOSING:
		/* No read watermark instead: above one libevent leaves octets inside OpenSSL, where nothing wakes it.
		 */
		if (evbuffer_get_length(input) > INPUT_MAX)
			bufferevent_disable(client->connection, EV_READ);
		return;
	}
}

static void on_readable(struct bufferevent *connection, void *context)
{
	(void)connection;
	client_take_input(context);
}

/* Everything that was buffered has left (RELAYING: nearly everything). */
static void on_writable(struct bufferevent *connection, void *context)
{
	struct client *client = context;

	switch (client->state) {
	case CLIENT_STLS:
		begin_stls(client);
		return;
	case CLIENT_RELAYING:
		relay_client_writable(client->relay);
		return;
	case CLIENT_CLOSING:
		if (evbuffer_get_length(bufferevent_get_output(connection)) == 0)
			go_on_closing(client);
		return;
	case CLIENT_SPEAKING:
	case CLIENT_LOST:
		if (client->paused)
			authorize_resume(client);
		return;
	case CLIENT_ARRIVING:
	case CLIENT_HANDSHAKE:
	case CLIENT_ASKING:
		return;
	}
}

static void report_failure(struct client *client, short events)
{
	char text[256];

	if (tls_is_flooded(client->connection))
		log_say(POPGATE_LOG_INFO, client->name,
			"%s: key updates or renegotiations without end: connection closed", client->peer);
	if ((events & BEV_EVENT_ERROR) == 0 || client->state != CLIENT_HANDSHAKE)
		return;
	tls_error_text(client->connection, text, sizeof(text));
	log_say(POPGATE_LOG_INFO, client->name, "TLS handshake with %s failed: %s", client->peer, text);
}

/* The client has sent its last octet; what it is owed may still be sent. libevent
 * stops writing at the end of a TLS stream, and would not even time out. */
static void take_eof(struct client *client)
{
	client->finished = true;
	bufferevent_enable(client->connection, EV_WRITE);
	switch (client->state) {
	case CLIENT_RELAYING:
	case CLIENT_SPEAKING:
	case CLIENT_LOST:
		client_take_input(client);
		return;
	case CLIENT_ASKING:
	case CLIENT_CLOSING:
		return;
	case CLIENT_ARRIVING:
	case CLIENT_HANDSHAKE:
	case CLIENT_STLS:
		client_free(client);
		return;
	}
}

static void on_event(struct bufferevent *connection, short events, void *context)
{
	struct client *client = context;

	if ((events & BEV_EVENT_TIMEOUT) != 0 && is_taking(client)) {
		bufferevent_enable(connection, EV_WRITE); /* the timeout has ended it */
	} else if ((events & BEV_EVENT_CONNECTED) != 0) {
		if (client->state != CLIENT_HANDSHAKE)
			return;
		authorize_take_tls(client);
		set_login_timer(client, client_limits(client)->login_timeout);
		greet(client);
		client_take_input(client);
	} else if ((events & BEV_EVENT_EOF) != 0 && (events & BEV_EVENT_READING) != 0 && !client->finished &&
		   !tls_is_flooded(connection)) {
		take_eof(client); /* after it a failed write is told as another EOF */
	} else {
		report_failure(client, events);
		client_free(client);
	}
}

static void set_callbacks(struct client *client)
{
	bufferevent_setcb(client->connection, on_readable, on_writable, on_event, client);
}

/* ---- the beginning ---- */

/* Speaks with a client whose address is known. Takes the socket on success. */
static int begin(struct client *client, evutil_socket_t fd)
{
	bool implicit = client->listener->tls == CONF_TLS_IMPLICIT;

	client->connection = implicit
				 ? tls_accept(client->front->tls, client->listener->profile, client->front->base, fd)
				 : bufferevent_socket_new(client->front->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client->connection == NULL)
		return -1;
	client->state = CLIENT_HANDSHAKE;
	set_callbacks(client);
	set_login_timer(client,
			implicit ? client_limits(client)->handshake_timeout : client_limits(client)->login_timeout);
	if (!implicit)
		greet(client);
	return bufferevent_enable(client->connection, EV_READ | EV_WRITE);
}

/* Whether one more connection of this address is one too many. */
static bool is_too_many(struct client *client, const struct sockaddr *address)
{
	const struct process *process = client->front->process;
	unsigned most = process->conf->limits.max_connections_per_address;

	client->tally_key =
	    client->proxied ? tally_key_told(process->tally, address) : tally_key(process->tally, address);
	if (tally_enter(process->tally, process->index, client->tally_key) <= most || most == 0)
		return false;
	log_say(POPGATE_LOG_INFO, client->name, "%s has limits.max_connections_per_address connections: one closed",
		client->peer);
	return true;
}

/* The proxy's header comes before everything else. As begin. */
static int await_proxy(struct client *client, evutil_socket_t fd)
{
	if (!arrival_is_from_proxy(client) || (client->arrival = arrival_new(client, fd)) == NULL)
		return -1;
	client->state = CLIENT_ARRIVING;
	set_login_timer(client, client_limits(client)->handshake_timeout);
	return 0;
}

void client_arrived(struct client *client, const struct sockaddr *address)
{
	evutil_socket_t fd = arrival_end(&client->arrival);
	bool counted = address != NULL; /* a proxy may have as many connections of its own as it likes */

	if (address != NULL) {
		client->proxied = true;
		peer_name(address, peer_size(address), client->peer, sizeof(client->peer));
	}
	if ((counted && is_too_many(client, address)) || begin(client, fd) != 0) {
		if (client->connection == NULL)
			close(fd);
		client_free(client);
	}
}

/* 0, or -1: the socket is still the caller's unless the client has a connection. */
static int meet(struct client *client, evutil_socket_t fd, const struct sockaddr *address)
{
	client->timer = evtimer_new(client->front->base, on_timer, client);
	if (client->timer == NULL)
		return -1;
	client->login_deadline = deadline_in(client_limits(client)->login_timeout);
	if (client->listener->proxy_count > 0)
		return await_proxy(client, fd);
	return is_too_many(client, address) ? -1 : begin(client, fd);
}

void client_new(struct front *front, evutil_socket_t fd, const struct sockaddr *address, socklen_t address_size,
		const struct conf_listener *listener)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL || getrandom(&client->id, sizeof(client->id), 0) != (ssize_t)sizeof(client->id)) {
		free(client);
		close(fd);
		return;
	}
	client->front = front;
	client->listener = listener;
	client->authorization.stls = listener->tls == CONF_TLS_STARTTLS;
	client->authorization.cleartext_login = listener->cleartext_login;
	client->authorization.login_delay = front->features.login_delay;
	client->authorization.delay_varies = front->features.login_delay_varies != 0;
	client->authorization.mechanisms = listener->mechanisms;
	log_session_id(client->id, client->name);
	peer_name(address, address_size, client->peer, sizeof(client->peer));
	peer_set_options(fd);
	front_add(front, client);
	front_wait(front, client);
	if (meet(client, fd, address) != 0) {
		if (client->connection == NULL)
			close(fd);
		client_free(client);
		return;
	}
	front_make_way(front);
}
