/* client - see client.h. Holds a password only from its line to the LOGIN
 * message; never opens a file, never connects anywhere. Frees a client only at
 * the outermost level of an event: client_close just marks it. */
#include "front/client.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/message.h"
#include "common/text.h"
#include "front/front.h"
#include "front/peer.h"
#include "front/relay.h"
#include "front/tls.h"

#define LOST_TIME   60000 /* milliseconds that a client whose session died may go on asking */
#define REPLIES_LOW 32768 /* below it the session is read again */
#define INPUT_MAX   32768 /* octets that may wait for the broker's answer */

static void on_readable(struct bufferevent *connection, void *context);
static void on_writable(struct bufferevent *connection, void *context);
static void on_event(struct bufferevent *connection, short events, void *context);

static struct timeval time_of(int64_t milliseconds)
{
	struct timeval time = {.tv_sec = (time_t)(milliseconds / 1000),
			       .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};

	return time;
}

static void set_timer(struct client *client, int64_t milliseconds)
{
	struct timeval time = time_of(milliseconds);

	evtimer_add(client->timer, &time);
}

static const struct conf_limits *limits_of(const struct client *client)
{
	return &client->front->process->conf->limits;
}

/* However long TLS took: the login's deadline stands since the connection began. */
static void set_login_timer(struct client *client, int64_t milliseconds)
{
	int64_t left = deadline_left(client->login_deadline);

	set_timer(client, milliseconds < left ? milliseconds : left);
}

/* ---- the end ---- */

void client_free(struct client *client)
{
	front_remove(client->front, client);
	tally_leave(client->front->process->tally, client->front->process->index, client->tally_key);
	relay_free(&client->relay);
	if (client->timer != NULL)
		event_free(client->timer);
	if (client->connection != NULL)
		bufferevent_free(client->connection);
	line_clear(&client->reader);
	authorization_reset(&client->authorization);
	free(client);
}

void client_close(struct client *client)
{
	if (client->state == CLIENT_CLOSING)
		return;
	client->state = CLIENT_CLOSING;
	bufferevent_disable(client->connection, EV_READ);
	event_active(client->timer, EV_TIMEOUT, 0);
}

static void finish_closing(struct client *client)
{
	tls_say_goodbye(client->connection);
	client_free(client);
}

/* First pass: let the session go and see whether anything is left to send. Second: out of patience. */
static void go_on_closing(struct client *client, bool first)
{
	relay_free(&client->relay);
	if (evbuffer_get_length(bufferevent_get_output(client->connection)) == 0) {
		finish_closing(client);
	} else if (first) {
		struct timeval stall = time_of(limits_of(client)->stall_timeout);

		bufferevent_setwatermark(client->connection, EV_WRITE, 0, 0);
		bufferevent_set_timeouts(client->connection, NULL, &stall);
	} else {
		client_free(client);
	}
}

/* The deadline of the current state, or the second half of client_close. */
static void on_timer(evutil_socket_t fd, short events, void *context)
{
	struct client *client = context;

	(void)fd;
	(void)events;
	if (client->state == CLIENT_CLOSING)
		go_on_closing(client, true);
	else
		client_free(client); /* a deadline: nothing is said (RFC 1939 section 3) */
}

/* ---- AUTHORIZATION ---- */

static void write_octets(struct client *client, const void *data, size_t size)
{
	bufferevent_write(client->connection, data, size);
}

static void greet(struct client *client)
{
	static const char greeting[] = "+OK popgate ready\r\n";

	client->state = CLIENT_SPEAKING;
	if (!client->greeted)
		write_octets(client, greeting, sizeof(greeting) - 1);
	client->greeted = true;
}

static void refuse(struct client *client, unsigned status)
{
	struct authorization_step *step = &client->front->step;

	relay_free(&client->relay);
	client->state = CLIENT_SPEAKING;
	authorization_refused(&client->authorization, status, step);
	write_octets(client, step->reply, step->reply_size);
	if (step->action == AUTHORIZATION_CLOSE)
		client_close(client);
}

static void ask_login(struct client *client, const struct authorization_step *step)
{
	struct message message = {.type = MESSAGE_LOGIN};
	struct message_login *login = &message.u.login;
	int fds[2], result;

	client->relay = relay_new(client, client->front->base, fds);
	if (client->relay == NULL) {
		log_say(POPGATE_LOG_WARN, client->name, "cannot make a stream for a session: %s", strerror(errno));
		refuse(client, POPGATE_TEMP);
		return;
	}
	login->id = client->id;
	login->peer = message_text(client->peer);
	login->tls = message_text(tls_version(client->connection));
	login->mechanism = message_text(step->mechanism);
	login->user = message_octets(step->user, step->user_size);
	login->response = message_octets(step->response, step->response_size);
	login->flags =
	    (step->response != NULL ? LOGIN_HAS_RESPONSE : 0) | (client->authorization.utf8 ? LOGIN_UTF8 : 0);
	result = front_ask(client->front, &message, fds);
	close(fds[0]);
	close(fds[1]);
	if (result == 0)
		client->state = CLIENT_ASKING;
	else
		refuse(client, POPGATE_TEMP);
}

static void ask_response(struct client *client, const struct authorization_step *step)
{
	struct message message = {.type = MESSAGE_RESPONSE};

	message.u.response.id = client->id;
	message.u.response.data = message_octets(step->response, step->response_size);
	if (front_ask(client->front, &message, NULL) == 0)
		client->state = CLIENT_ASKING;
	else
		refuse(client, POPGATE_TEMP);
}

static void cancel(struct client *client)
{
	struct message message = {.type = MESSAGE_CANCEL};

	message.u.cancel.id = client->id;
	(void)front_ask(client->front, &message, NULL);
	relay_free(&client->relay);
}

static void take_step(struct client *client, const struct authorization_step *step)
{
	if (step->reply_size > 0)
		write_octets(client, step->reply, step->reply_size);
	switch (step->action) {
	case AUTHORIZATION_REPLY:
		return;
	case AUTHORIZATION_LOGIN:
		ask_login(client, step);
		return;
	case AUTHORIZATION_RESPONSE:
		ask_response(client, step);
		return;
	case AUTHORIZATION_CANCEL:
		cancel(client);
		return;
	case AUTHORIZATION_STLS:
		client->state = CLIENT_STLS;
		return;
	case AUTHORIZATION_CLOSE:
		client_close(client);
		return;
	}
}

/* A session that died cannot answer; the client learns it from each command, and QUIT is no success. */
static void take_lost_line(struct client *client, enum line_event event)
{
	static const char refusal[] =
	    "-ERR [SYS/TEMP] the session was lost, nothing more was removed: log in again\r\n";

	write_octets(client, refusal, sizeof(refusal) - 1);
	if (event != LINE_COMPLETE || text_same_case(client->reader.data, client->reader.size, "QUIT"))
		client_close(client);
}

/* Cuts lines out of input and acts on them as long as the state allows it. */
static void take_lines(struct client *client, struct evbuffer *input)
{
	while (client->state == CLIENT_SPEAKING || client->state == CLIENT_LOST) {
		struct evbuffer_iovec piece;
		enum line_event event;
		size_t used;

		if (evbuffer_peek(input, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0)
			return;
		client->reader.response = client->authorization.in_sasl;
		event = line_feed(&client->reader, piece.iov_base, piece.iov_len, &used);
		evbuffer_drain(input, used);
		if (event == LINE_MORE)
			continue;
		if (client->state == CLIENT_LOST) {
			take_lost_line(client, event);
			continue;
		}
		authorization_line(&client->authorization, event, client->reader.data, client->reader.size,
				   &client->front->step);
		take_step(client, &client->front->step);
	}
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
	secured = tls_accept(client->front->tls, client->front->base, fd);
	if (secured == NULL) {
		client_free(client);
		return;
	}
	bufferevent_setfd(client->connection, -1);
	bufferevent_free(client->connection);
	client->connection = secured;
	client->state = CLIENT_HANDSHAKE;
	set_login_timer(client, limits_of(client)->handshake_timeout);
	line_clear(&client->reader);
	bufferevent_setcb(secured, on_readable, on_writable, on_event, client);
	bufferevent_enable(secured, EV_READ | EV_WRITE);
}

/* ---- the broker's answers ---- */

void client_challenge(struct client *client, const unsigned char *data, size_t size)
{
	struct authorization_step *step = &client->front->step;

	if (client->state != CLIENT_ASKING)
		return;
	client->state = CLIENT_SPEAKING;
	authorization_challenge(&client->authorization, data, size, step);
	write_octets(client, step->reply, step->reply_size);
	on_readable(client->connection, client);
}

void client_refused(struct client *client, unsigned status)
{
	if (client->state != CLIENT_ASKING)
		return;
	refuse(client, status);
	on_readable(client->connection, client);
}

void client_opened(struct client *client, const unsigned char *text, size_t size)
{
	struct timeval stall = time_of(limits_of(client)->stall_timeout);

	if (client->state != CLIENT_ASKING)
		return;
	client->state = CLIENT_RELAYING;
	evtimer_del(client->timer);
	line_clear(&client->reader);
	authorization_reset(&client->authorization);
	write_octets(client, "+OK ", 4);
	write_octets(client, text, size);
	write_octets(client, "\r\n", 2);
	bufferevent_setwatermark(client->connection, EV_READ, 0, 0);
	bufferevent_setwatermark(client->connection, EV_WRITE, REPLIES_LOW, 0);
	bufferevent_set_timeouts(client->connection, NULL, &stall);
	if (relay_start(client->relay) != 0) {
		client_close(client);
		return;
	}
	if (client->finished)
		relay_client_finished(client->relay);
}

void client_lost(struct client *client, struct evbuffer *unanswered)
{
	log_say(POPGATE_LOG_WARN, client->name, "the session died; its client is told so");
	client->state = CLIENT_LOST;
	bufferevent_setwatermark(client->connection, EV_WRITE, 0, 0);
	bufferevent_enable(client->connection, client->finished ? EV_WRITE : EV_READ | EV_WRITE);
	set_timer(client, LOST_TIME);
	take_lines(client, unanswered);
	on_readable(client->connection, client);
}

/* ---- libevent's callbacks ---- */

static void on_readable(struct bufferevent *connection, void *context)
{
	struct client *client = context;

	switch (client->state) {
	case CLIENT_SPEAKING:
	case CLIENT_LOST:
		take_lines(client, bufferevent_get_input(connection));
		if (client->finished && (client->state == CLIENT_SPEAKING || client->state == CLIENT_LOST))
			client_close(client);
		return;
	case CLIENT_RELAYING:
		relay_client_readable(client->relay);
		return;
	case CLIENT_HANDSHAKE:
	case CLIENT_STLS:
	case CLIENT_ASKING:
	case CLIENT_CLOSING:
		return; /* what waits is bounded by the read watermark */
	}
}

static void on_writable(struct bufferevent *connection, void *context)
{
	struct client *client = context;

	if (client->state == CLIENT_STLS)
		begin_stls(client);
	else if (client->state == CLIENT_RELAYING)
		relay_client_writable(client->relay);
	else if (client->state == CLIENT_CLOSING && evbuffer_get_length(bufferevent_get_output(connection)) == 0)
		go_on_closing(client, false);
}

static void report_failure(struct client *client, short events)
{
	char text[256];

	if ((events & BEV_EVENT_ERROR) == 0 || client->state != CLIENT_HANDSHAKE)
		return;
	tls_error_text(client->connection, text, sizeof(text));
	log_say(POPGATE_LOG_INFO, client->name, "TLS handshake with %s failed: %s", client->peer, text);
}

/* The client has sent its last octet; what it is owed may still be sent. */
static void take_eof(struct client *client)
{
	client->finished = true;
	switch (client->state) {
	case CLIENT_RELAYING:
		relay_client_finished(client->relay);
		return;
	case CLIENT_SPEAKING:
	case CLIENT_LOST:
		on_readable(client->connection, client);
		return;
	case CLIENT_ASKING:
	case CLIENT_CLOSING:
		return;
	case CLIENT_HANDSHAKE:
	case CLIENT_STLS:
		client_free(client);
		return;
	}
}

static void on_event(struct bufferevent *connection, short events, void *context)
{
	struct client *client = context;

	if ((events & BEV_EVENT_CONNECTED) != 0) {
		client->authorization.tls = true;
		bufferevent_setwatermark(connection, EV_READ, 0, INPUT_MAX);
		set_login_timer(client, limits_of(client)->login_timeout);
		greet(client);
		on_readable(connection, client);
	} else if ((events & BEV_EVENT_EOF) != 0) {
		take_eof(client);
	} else {
		report_failure(client, events);
		client_free(client);
	}
}

/* ---- the beginning ---- */

static int begin(struct client *client, evutil_socket_t fd)
{
	bool implicit = client->listener->tls == CONF_TLS_IMPLICIT;

	client->timer = evtimer_new(client->front->base, on_timer, client);
	if (client->timer == NULL)
		return -1;
	client->connection = implicit ? tls_accept(client->front->tls, client->front->base, fd)
				      : bufferevent_socket_new(client->front->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client->connection == NULL)
		return -1;
	bufferevent_setcb(client->connection, on_readable, on_writable, on_event, client);
	bufferevent_setwatermark(client->connection, EV_READ, 0, INPUT_MAX);
	client->login_deadline = deadline_in(limits_of(client)->login_timeout);
	set_login_timer(client, implicit ? limits_of(client)->handshake_timeout : limits_of(client)->login_timeout);
	if (!implicit)
		greet(client);
	return bufferevent_enable(client->connection, EV_READ | EV_WRITE);
}

/* Whether one more connection of this address is one too many. */
static bool is_too_many(struct client *client, const struct sockaddr *address)
{
	const struct process *process = client->front->process;
	unsigned most = process->conf->limits.max_connections_per_address;

	client->tally_key = tally_key(process->tally, address);
	if (tally_enter(process->tally, process->index, client->tally_key) <= most || most == 0)
		return false;
	log_say(POPGATE_LOG_INFO, client->name, "%s has limits.max_connections_per_address connections: one closed",
		client->peer);
	return true;
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
	log_session_id(client->id, client->name);
	peer_name(address, address_size, client->peer, sizeof(client->peer));
	peer_set_options(fd);
	front_add(front, client);
	if (is_too_many(client, address) || begin(client, fd) != 0) {
		if (client->connection == NULL)
			close(fd);
		client_free(client);
	}
}
