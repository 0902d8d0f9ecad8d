/* authorize - see authorize.h. Holds a password only from its line to the LOGIN
 * message, and wipes the line, what was decoded of it, and libevent's buffer. */
#include "front/authorize.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/mechanism.h"
#include "common/message.h"
#include "common/secret.h"
#include "common/text.h"
#include "front/front.h"
#include "front/relay.h"
#include "front/tls.h"

#define LOST_TIME  60000 /* milliseconds that a client whose session died may go on asking */
#define OUTPUT_MAX 32768 /* octets of replies that may wait for the client before its next line is taken */

/* RFC 1939, section 7: like a message id, and never the same twice. */
static void make_timestamp(struct authorization *authorization)
{
	uint64_t chance[2];

	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return;
	snprintf(authorization->timestamp, sizeof(authorization->timestamp), "<%016llx.%016llx@popgate>",
		 (unsigned long long)chance[0], (unsigned long long)chance[1]);
	if ((authorization_offers(authorization) & MECHANISM_BIT(MECHANISM_APOP)) == 0)
		authorization->timestamp[0] = '\0';
}

void authorize_greet(struct client *client)
{
	struct authorization *authorization = &client->authorization;
	char greeting[128];
	int size;

	authorization->proofs = client->front->features.proofs;
	make_timestamp(authorization);
	size = snprintf(greeting, sizeof(greeting), "+OK popgate ready%s%s\r\n",
			authorization->timestamp[0] != '\0' ? " " : "", authorization->timestamp);
	client_write(client, greeting, (size_t)size);
}

void authorize_take_tls(struct client *client)
{
	unsigned char binding[TLS_BINDING_MAX];
	bool exporter;

	client->authorization.tls = true;
	client->authorization.binding = tls_binding(client->connection, binding, &exporter) > 0;
	secret_wipe(binding, sizeof(binding));
}

void authorize_forget(struct client *client)
{
	struct message message = {.type = MESSAGE_CANCEL};

	message.u.cancel.id = client->id;
	if (client->pending)
		(void)front_ask(client->front, &message, NULL);
	client->pending = false;
	relay_free(&client->relay);
}

/* The broker's verdict, or its absence: back to AUTHORIZATION. */
static void refuse(struct client *client, unsigned status)
{
	struct authorization_step *step = &client->front->step;

	client->pending = false;
	relay_free(&client->relay);
	client->state = CLIENT_SPEAKING;
	authorization_refused(&client->authorization, status, step);
	client_write(client, step->reply, step->reply_size);
	if (step->action == AUTHORIZATION_CLOSE)
		client_close(client);
}

/* Says what may be bound to, so that the broker refuses clients who were kept from knowing it. */
static void bind_login(const struct client *client, struct message_login *login, unsigned char binding[TLS_BINDING_MAX])
{
	bool exporter = false;

	if ((authorization_offers(&client->authorization) & mechanism_bound()) == 0)
		return;
	login->binding = message_octets(binding, tls_binding(client->connection, binding, &exporter));
	login->flags |= exporter ? LOGIN_EXPORTER : 0;
}

static void ask_login(struct client *client, const struct authorization_step *step)
{
	struct message message = {.type = MESSAGE_LOGIN};
	struct message_login *login = &message.u.login;
	unsigned char binding[TLS_BINDING_MAX];
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
	login->flags = (step->response != NULL ? LOGIN_HAS_RESPONSE : 0) |
		       (client->authorization.utf8 ? LOGIN_UTF8 : 0) | (client->proxied ? LOGIN_PROXIED : 0);
	login->listener = (uint32_t)(client->listener - client->front->process->conf->listeners);
	login->timestamp = message_text(client->authorization.timestamp);
	bind_login(client, login, binding);
	result = front_ask(client->front, &message, fds);
	secret_wipe(binding, sizeof(binding));
	close(fds[0]);
	close(fds[1]);
	client->pending = result == 0;
	if (client->pending)
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
		refuse(client, POPGATE_TEMP); /* the channel ends, and with it what the broker knows of the login */
}

static void take_step(struct client *client, const struct authorization_step *step)
{
	if (step->reply_size > 0)
		client_write(client, step->reply, step->reply_size);
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
		authorize_forget(client);
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

	client_write(client, refusal, sizeof(refusal) - 1);
	if (event != LINE_COMPLETE || text_same_case(client->reader.data, client->reader.size, "QUIT"))
		client_close(client);
}

static void take_line(struct client *client, enum line_event event)
{
	struct authorization_step *step = &client->front->step;

	if (client->state == CLIENT_LOST) {
		take_lost_line(client, event);
		line_forget(&client->reader);
		return;
	}
	client->authorization.proofs = client->front->features.proofs; /* of the broker that is there now */
	authorization_line(&client->authorization, event, client->reader.data, client->reader.size, step);
	take_step(client, step);
	/* what the step points to was sent, or is of no use */
	authorization_forget_response(&client->authorization);
	line_forget(&client->reader);
}

/* Cuts one line's octets out of input, wiping them: they may be a password. */
static enum line_event cut_line(struct client *client, struct evbuffer *input, const struct evbuffer_iovec *piece)
{
	enum line_event event;
	size_t used;

	client->reader.response = client->authorization.in_sasl;
	event = line_feed(&client->reader, piece->iov_base, piece->iov_len, &used);
	secret_wipe(piece->iov_base, used);
	evbuffer_drain(input, used);
	return event;
}

void authorize_take_lines(struct client *client, struct evbuffer *input)
{
	struct evbuffer *output = bufferevent_get_output(client->connection);

	while (client->state == CLIENT_SPEAKING || client->state == CLIENT_LOST) {
		struct evbuffer_iovec piece;
		enum line_event event;

		if (evbuffer_peek(input, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0)
			return;
		if (evbuffer_get_length(output) >= OUTPUT_MAX) {
			client->paused = true;
			bufferevent_disable(client->connection, EV_READ);
			return;
		}
		event = cut_line(client, input, &piece);
		if (event != LINE_MORE)
			take_line(client, event);
	}
}

static void read_again(struct client *client)
{
	if (!client->finished)
		bufferevent_enable(client->connection, EV_READ);
	client_take_input(client);
}

void authorize_resume(struct client *client)
{
	client->paused = false;
	read_again(client);
}

/* ---- the broker's answers ---- */

void client_challenge(struct client *client, const unsigned char *data, size_t size)
{
	struct authorization_step *step = &client->front->step;

	if (client->state != CLIENT_ASKING)
		return;
	client->state = CLIENT_SPEAKING;
	authorization_challenge(&client->authorization, data, size, step);
	client_write(client, step->reply, step->reply_size);
	read_again(client);
}

void client_refused(struct client *client, unsigned status)
{
	if (client->state != CLIENT_ASKING)
		return;
	refuse(client, status);
	if (client->front->draining)
		client_hurry(client);
	read_again(client);
}

void client_opened(struct client *client, const unsigned char *text, size_t size)
{
	if (client->state != CLIENT_ASKING)
		return;
	client->state = CLIENT_RELAYING;
	front_settle(client->front, client);
	client->pending = false;
	evtimer_del(client->timer);
	line_clear(&client->reader);
	authorization_reset(&client->authorization);
	client_write(client, "+OK ", 4);
	client_write(client, text, size);
	client_write(client, "\r\n", 2);
	bufferevent_setwatermark(client->connection, EV_WRITE, RELAY_REPLIES_LOW, 0);
	client_watch_stall(client);
	if (relay_start(client->relay) != 0)
		client_close(client);
}

/* What the session had not answered comes before what is still to be read. */
void client_lost(struct client *client, struct evbuffer *unanswered)
{
	log_say(POPGATE_LOG_WARN, client->name, "the session died; its client is told so");
	client->state = CLIENT_LOST;
	bufferevent_setwatermark(client->connection, EV_WRITE, 0, 0);
	client_set_timer(client, LOST_TIME);
	if (evbuffer_prepend_buffer(bufferevent_get_input(client->connection), unanswered) != 0)
		client_close(client);
	else
		read_again(client);
}
