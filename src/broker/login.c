/* login - see login.h. The credential goes from the front's message into the
 * OPEN message of one session and is wiped; it is never logged, and the
 * spawner never sees it. */
#include "broker/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/route.h"
#include "common/text.h"
#include "pop3/sasl.h"

#define UPSTREAM_USER_MAX MESSAGE_NAME_MAX

enum login_state {
	LOGIN_EXCHANGE, /* SASL goes on */
	LOGIN_OPENING,	/* a session is trying the credential upstream */
	LOGIN_OPEN	/* its session is open */
};

struct login {
	struct broker *broker;
	struct broker_front *front; /* NULL: it has gone */
	struct login *same_bucket;
	uint64_t id;
	char name[LOG_SESSION_SIZE];
	enum login_state state;
	struct sasl sasl;
	int stream, page; /* the session's ends, until it is forked; -1 after */
	struct channel *report;
	uint32_t flags;
	char peer[MESSAGE_ADDRESS_MAX + 1];
	char tls[33];
	char mechanism[33];
};

static struct login **bucket_of(struct broker *broker, uint64_t id)
{
	return &broker->buckets[id % BROKER_BUCKETS];
}

static struct login *find(struct broker *broker, const struct broker_front *front, uint64_t id)
{
	struct login *login = *bucket_of(broker, id);

	while (login != NULL && login->id != id)
		login = login->same_bucket;
	return login != NULL && login->front == front ? login : NULL;
}

static void close_ends(struct login *login)
{
	if (login->stream >= 0)
		close(login->stream);
	if (login->page >= 0)
		close(login->page);
	login->stream = login->page = -1;
}

static void login_free(struct login *login)
{
	struct login **at = bucket_of(login->broker, login->id);

	while (*at != login)
		at = &(*at)->same_bucket;
	*at = login->same_bucket;
	close_ends(login);
	channel_free(&login->report);
	sasl_clear(&login->sasl);
	free(login);
}

static void tell_front(const struct login *login, const struct message *message)
{
	if (login->front != NULL)
		(void)channel_send(login->front->channel, message, NULL);
}

static const char *status_name(unsigned status)
{
	static const char *const names[] = {
	    [0] = "malformed",	     [POPGATE_AUTH] = "auth",	    [POPGATE_TEMP] = "temp",
	    [POPGATE_PERM] = "perm", [POPGATE_IN_USE] = "in_use",   [POPGATE_PROTOCOL] = "protocol",
	    [POPGATE_GONE] = "gone", [POPGATE_STOPPED] = "stopped",
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}

/* One line for each refused login: the operator must see attacks, and a provider that is down. */
static void log_refusal(const struct login *login, unsigned status, const char *why, size_t size)
{
	bool operator_acts = status == POPGATE_TEMP || status == POPGATE_PERM || status == POPGATE_PROTOCOL;
	struct log_line line;

	log_begin(&line, operator_acts ? POPGATE_LOG_WARN : POPGATE_LOG_INFO, "login_failed", login->name);
	log_text(&line, "user", login->sasl.name == NULL ? "" : login->sasl.name);
	log_text(&line, "peer", login->peer);
	log_text(&line, "tls", login->tls[0] == '\0' ? "none" : login->tls);
	log_text(&line, "mechanism", login->mechanism);
	log_text(&line, "status", status_name(status));
	log_octets(&line, "msg", why, size);
	log_end(&line);
}

/* Ends the login with a refusal. */
static void refuse(struct login *login, unsigned status, const char *why)
{
	struct message message = {.type = MESSAGE_REFUSED};

	log_refusal(login, status, why, strlen(why));
	message.u.refused.id = login->id;
	message.u.refused.status = status;
	tell_front(login, &message);
	login_free(login);
}

/* ---- the session's reports ---- */

static void take_opened(struct login *login, const struct message *report)
{
	struct message message = *report;
	struct log_line line;

	log_begin(&line, POPGATE_LOG_DEBUG, "login", login->name);
	log_text(&line, "user", login->sasl.name);
	log_text(&line, "peer", login->peer);
	log_text(&line, "mechanism", login->mechanism);
	log_end(&line);
	login->state = LOGIN_OPEN;
	message.u.opened.id = login->id;
	tell_front(login, &message);
}

static void on_report(void *context, struct ipc_inbox *inbox)
{
	const struct message *report = &inbox->message;
	struct login *login = context;
	struct message message = {.type = MESSAGE_REFUSED};

	if (login->state != LOGIN_OPENING)
		return;
	if (report->type == MESSAGE_OPENED) {
		take_opened(login, report);
	} else if (report->type == MESSAGE_REFUSED) {
		log_refusal(login, report->u.refused.status, (const char *)report->u.refused.text.data,
			    report->u.refused.text.size);
		message.u.refused.id = login->id;
		message.u.refused.status =
		    report->u.refused.status == 0 ? (uint32_t)POPGATE_TEMP : report->u.refused.status;
		tell_front(login, &message);
		login_free(login);
	}
}

static void on_report_closed(void *context)
{
	struct login *login = context;

	if (login->state == LOGIN_OPENING)
		refuse(login, POPGATE_TEMP, "the session died before it had opened");
	else
		login_free(login);
}

/* ---- opening ---- */

static int spawn(struct login *login)
{
	struct message message = {.type = MESSAGE_SPAWN};
	int ends[2], fds[3], result;

	if (login->broker->spawner == NULL || ipc_pair(ends) != 0)
		return -1;
	login->report = channel_new(login->broker->base, ends[0], on_report, on_report_closed, login);
	fds[0] = login->stream;
	fds[1] = login->page;
	fds[2] = ends[1];
	message.u.spawn.id = login->id;
	result = login->report == NULL ? -1 : channel_send(login->broker->spawner, &message, fds);
	close(ends[1]);
	close_ends(login);
	return result;
}

static int send_open(struct login *login, const struct conf_route *route, const char *upstream_user)
{
	struct message message = {.type = MESSAGE_OPEN};
	struct message_open *open = &message.u.open;

	open->id = login->id;
	open->backend = (uint32_t)route->backend;
	open->flags = login->flags & LOGIN_UTF8;
	open->peer = message_text(login->peer);
	open->tls = message_text(login->tls);
	open->user = message_text(login->sasl.name);
	open->upstream_user = message_text(upstream_user);
	open->secret = message_octets(login->sasl.password.data, login->sasl.password.size);
	return channel_send(login->report, &message, NULL);
}

static void open_session(struct login *login)
{
	const struct conf *conf = login->broker->process->conf;
	char upstream_user[UPSTREAM_USER_MAX];
	size_t route;

	if (route_find(conf, login->sasl.name, &route) != 0) {
		refuse(login, POPGATE_AUTH, "no route is for this name");
		return;
	}
	if (route_upstream_user(&conf->routes[route], login->sasl.name, upstream_user, sizeof(upstream_user)) != 0) {
		refuse(login, POPGATE_AUTH, "the route's upstream_user cannot be made from this name");
		return;
	}
	login->state = LOGIN_OPENING;
	if (spawn(login) != 0 || send_open(login, &conf->routes[route], upstream_user) != 0)
		refuse(login, POPGATE_TEMP, "no session can be started now");
	else
		secret_clear(&login->sasl.password);
}

/* ---- the exchange ---- */

static void take_sasl(struct login *login, enum sasl_result result)
{
	struct message message = {.type = MESSAGE_CHALLENGE};

	switch (result) {
	case SASL_CONTINUE:
		message.u.challenge.id = login->id;
		message.u.challenge.data = message_text(login->sasl.challenge);
		tell_front(login, &message);
		return;
	case SASL_DONE:
		open_session(login);
		return;
	case SASL_MALFORMED:
		refuse(login, 0, "malformed credential");
		return;
	case SASL_REFUSED:
		refuse(login, POPGATE_AUTH, "the authorization identity is not the user");
		return;
	}
}

static void copy_text(char *out, size_t size, const struct message_bytes *bytes)
{
	size_t n = bytes->size < size - 1 ? bytes->size : size - 1;

	if (n > 0)
		memcpy(out, bytes->data, n);
	out[n] = '\0';
}

static struct login *login_new(struct broker *broker, struct broker_front *front, const struct message_login *message)
{
	struct login *login = calloc(1, sizeof(*login));
	struct login **bucket = bucket_of(broker, message->id);

	if (login == NULL)
		return NULL;
	login->broker = broker;
	login->front = front;
	login->id = message->id;
	login->flags = message->flags;
	login->stream = login->page = -1;
	log_session_id(login->id, login->name);
	copy_text(login->peer, sizeof(login->peer), &message->peer);
	copy_text(login->tls, sizeof(login->tls), &message->tls);
	copy_text(login->mechanism, sizeof(login->mechanism), &message->mechanism);
	login->same_bucket = *bucket;
	*bucket = login;
	return login;
}

static void refuse_unborn(const struct broker_front *front, uint64_t id)
{
	struct message message = {.type = MESSAGE_REFUSED};

	message.u.refused.id = id;
	message.u.refused.status = POPGATE_TEMP;
	(void)channel_send(front->channel, &message, NULL);
}

void login_begin(struct broker *broker, struct broker_front *front, struct ipc_inbox *inbox)
{
	const struct message_login *message = &inbox->message.u.login;
	enum sasl_mechanism mechanism = SASL_USERPASS;
	struct login *login;

	for (login = *bucket_of(broker, message->id); login != NULL; login = login->same_bucket)
		if (login->id == message->id)
			break;
	if (login != NULL || (login = login_new(broker, front, message)) == NULL) {
		refuse_unborn(front, message->id);
		return;
	}
	login->stream = ipc_take(inbox, 0);
	login->page = ipc_take(inbox, 1);
	if (login->stream < 0 || login->page < 0) {
		refuse(login, POPGATE_TEMP, "no descriptor is free");
		return;
	}
	(void)sasl_find(login->mechanism, strlen(login->mechanism), &mechanism);
	sasl_init(&login->sasl, mechanism);
	if (mechanism == SASL_USERPASS)
		take_sasl(login, sasl_userpass(&login->sasl, message->user.data, message->user.size,
					       message->response.data, message->response.size));
	else
		take_sasl(login, sasl_step(&login->sasl,
					   (message->flags & LOGIN_HAS_RESPONSE) != 0 ? message->response.data : NULL,
					   message->response.size));
}

void login_respond(struct broker *broker, const struct broker_front *front, const struct message_response *response)
{
	struct login *login = find(broker, front, response->id);

	if (login == NULL)
		refuse_unborn(front, response->id); /* the broker that knew it has died */
	else if (login->state == LOGIN_EXCHANGE)
		take_sasl(login, sasl_step(&login->sasl, response->data.data, response->data.size));
}

void login_cancel(struct broker *broker, const struct broker_front *front, uint64_t id)
{
	struct login *login = find(broker, front, id);

	if (login != NULL && login->state != LOGIN_OPEN)
		login_free(login);
}

void login_front_lost(struct broker *broker, const struct broker_front *front)
{
	for (size_t i = 0; i < BROKER_BUCKETS; i++) {
		struct login *login, *next;

		for (login = broker->buckets[i]; login != NULL; login = next) {
			next = login->same_bucket;
			if (login->front != front)
				continue;
			login->front = NULL;
			if (login->state != LOGIN_OPEN)
				login_free(login);
		}
	}
}
