/* login - see login.h. The credential goes from the front's message into the
 * OPEN message of one session and is wiped; it is never logged, and the
 * spawner never sees it. */
#include "broker/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/tries.h"
#include "common/deadline.h"
#include "common/log.h"
#include "common/route.h"
#include "common/text.h"
#include "pop3/sasl.h"

#define UPSTREAM_USER_MAX MESSAGE_NAME_MAX
#define SPAWNS_MAX	  16 /* messages that may wait for the spawner: each has three descriptors */
#define SPAWNS_PAUSE	  20 /* milliseconds for it to take them */

enum login_state {
	LOGIN_EXCHANGE, /* SASL goes on */
	LOGIN_WAITING,	/* the credential may not go upstream yet */
	LOGIN_OPENING,	/* a session is trying the credential upstream */
	LOGIN_LEFT,	/* likewise, but nobody waits for it any more */
	LOGIN_REFUSED,	/* the verdict may not leave yet */
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
	bool foreign; /* the authorization identity is somebody else's: to be refused, in its turn */
	bool held;    /* it had to wait before it went upstream */
	struct tries_one try;
	struct event *timer; /* WAITING, REFUSED */
	int stream, page;    /* the session's ends, until it is forked; -1 after */
	struct channel *report;
	uint32_t flags;
	size_t listener; /* index in conf.listeners; CONF_ANY_LISTENER: the front has told none */
	char peer[MESSAGE_ADDRESS_MAX + 1];
	char tls[33];
	char mechanism[33];
};

static void on_timer(evutil_socket_t fd, short events, void *context);

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
	tries_end(&login->broker->tries, &login->try);
	if (login->timer != NULL)
		event_free(login->timer);
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
static void log_refusal(const struct login *login, unsigned status, int64_t delay, const char *why, size_t size)
{
	bool operator_acts = status == POPGATE_TEMP || status == POPGATE_PERM || status == POPGATE_PROTOCOL;
	const char *name = login->sasl.name != NULL ? login->sasl.name : login->sasl.unfit;
	struct log_line line;

	log_begin(&line, operator_acts ? POPGATE_LOG_WARN : POPGATE_LOG_INFO, "login_failed", login->name);
	log_text(&line, "user", name == NULL ? "" : name);
	log_text(&line, "peer", login->peer);
	log_text(&line, "tls", login->tls[0] == '\0' ? "none" : login->tls);
	log_text(&line, "mechanism", login->mechanism);
	log_text(&line, "status", status_name(status));
	if (status == POPGATE_AUTH)
		log_number(&line, "delay", (uint64_t)(delay + 500) / 1000);
	log_octets(&line, "msg", why, size);
	log_end(&line);
}

/* Calls on_timer at a monotonic time. 0, or -1: no memory. */
static int set_timer(struct login *login, int64_t when)
{
	int left = deadline_left(when);
	struct timeval time = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

	if (login->timer == NULL)
		login->timer = evtimer_new(login->broker->base, on_timer, login);
	return login->timer == NULL ? -1 : evtimer_add(login->timer, &time);
}

static void tell_refusal(struct login *login, unsigned status)
{
	struct message message = {.type = MESSAGE_REFUSED};

	message.u.refused.id = login->id;
	message.u.refused.status = status;
	tell_front(login, &message);
	login_free(login);
}

/* Ends the login with a refusal. A wrong credential's costs time, but no process and no descriptor. */
static void refuse(struct login *login, unsigned status, const char *why, size_t size)
{
	int64_t now = deadline_now(), verdict = now;

	if (status == POPGATE_AUTH)
		verdict = tries_refused(&login->broker->tries, &login->try, now);
	log_refusal(login, status, verdict - login->try.begun, why, size);
	if (verdict == now || login->front == NULL) {
		tell_refusal(login, status);
		return;
	}
	tries_end(&login->broker->tries, &login->try);
	close_ends(login);
	channel_free(&login->report);
	sasl_clear(&login->sasl);
	login->state = LOGIN_REFUSED;
	if (set_timer(login, verdict) != 0)
		tell_refusal(login, POPGATE_TEMP);
}

static void refuse_for(struct login *login, unsigned status, const char *why)
{
	refuse(login, status, why, strlen(why));
}

/* ---- the session's reports ---- */

/* One that had to wait is worth a line: somebody tries others' passwords at its address or with its name. */
static void take_opened(struct login *login, const struct message *report)
{
	int64_t waited = login->held ? login->try.sent - login->try.begun : 0;
	struct message message = *report;
	struct log_line line;

	tries_accepted(&login->broker->tries, &login->try, deadline_now());
	log_begin(&line, waited > 0 ? POPGATE_LOG_INFO : POPGATE_LOG_DEBUG, "login", login->name);
	log_text(&line, "user", login->sasl.name);
	log_text(&line, "peer", login->peer);
	log_text(&line, "mechanism", login->mechanism);
	if (waited > 0)
		log_number(&line, "delay", (uint64_t)(waited + 500) / 1000);
	log_end(&line);
	login->state = LOGIN_OPEN;
	message.u.opened.id = login->id;
	tell_front(login, &message);
}

static void on_report(void *context, struct ipc_inbox *inbox)
{
	const struct message *report = &inbox->message;
	const struct message_bytes *why = &report->u.refused.text;
	struct login *login = context;

	if (login->state != LOGIN_OPENING && login->state != LOGIN_LEFT)
		return;
	if (report->type == MESSAGE_OPENED)
		take_opened(login, report);
	else if (report->type == MESSAGE_REFUSED)
		refuse(login, report->u.refused.status == 0 ? (uint32_t)POPGATE_TEMP : report->u.refused.status,
		       (const char *)why->data, why->size);
}

static void on_report_closed(void *context)
{
	struct login *login = context;

	if (login->state == LOGIN_OPENING)
		refuse_for(login, POPGATE_TEMP, "the session died before it had opened");
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

/* Where the name leads. NULL, or why it leads nowhere. */
static const char *find_route(const struct login *login, const struct conf_route **route_r, char *upstream_user)
{
	const struct conf *conf = login->broker->process->conf;
	size_t route;

	if (route_find(conf, login->listener, login->sasl.name, &route) != 0)
		return "no route is for this name";
	*route_r = &conf->routes[route];
	if (route_upstream_user(*route_r, login->sasl.name, upstream_user, UPSTREAM_USER_MAX) != 0)
		return "the route's upstream_user cannot be made from this name";
	return NULL;
}

static void open_session(struct login *login)
{
	char upstream_user[UPSTREAM_USER_MAX];
	const struct conf_route *route;
	const char *why =
	    login->foreign ? "the authorization identity is not the user" : find_route(login, &route, upstream_user);

	if (why != NULL) {
		refuse_for(login, POPGATE_AUTH, why);
		return;
	}
	login->state = LOGIN_OPENING;
	login->try.sent = deadline_now();
	if (spawn(login) != 0 || send_open(login, route, upstream_user) != 0)
		refuse_for(login, POPGATE_TEMP, "no session can be started now");
	else
		secret_clear(&login->sasl.password);
}

/* Now or, after refusals, later. A name without route waits like any other. */
static void try_now(struct login *login)
{
	const struct channel *spawner = login->broker->spawner;
	int64_t when;

	if (spawner != NULL && channel_queued(spawner) >= SPAWNS_MAX)
		when = deadline_in(SPAWNS_PAUSE);
	else
		when = tries_ask(&login->broker->tries, &login->try, deadline_now());
	if (when == 0) {
		open_session(login);
		return;
	}
	if (when < 0) {
		refuse_for(login, POPGATE_TEMP, "too many logins of this user wait at this address");
		return;
	}
	login->held = true;
	login->state = LOGIN_WAITING;
	if (set_timer(login, when) != 0)
		refuse_for(login, POPGATE_TEMP, "out of memory");
}

static void on_timer(evutil_socket_t fd, short events, void *context)
{
	struct login *login = context;

	(void)fd;
	(void)events;
	if (login->state == LOGIN_REFUSED)
		tell_refusal(login, POPGATE_AUTH);
	else
		try_now(login);
}

/* The credential is there. */
static void begin_try(struct login *login)
{
	char upstream_user[UPSTREAM_USER_MAX];
	const struct conf_route *route;
	bool known = find_route(login, &route, upstream_user) == NULL;
	const char *place = known ? login->broker->process->conf->backends[route->backend].name : "";

	tries_begin(&login->broker->tries, &login->try, login->peer, place, known ? upstream_user : login->sasl.name,
		    deadline_now());
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
		begin_try(login);
		try_now(login);
		return;
	case SASL_MALFORMED:
		refuse_for(login, 0, "malformed credential");
		return;
	case SASL_REFUSED:
		login->foreign = true;
		begin_try(login);
		try_now(login);
		return;
	case SASL_NO_MEMORY:
		refuse_for(login, POPGATE_TEMP, "out of memory");
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
	login->listener =
	    message->listener < broker->process->conf->listener_count ? message->listener : CONF_ANY_LISTENER;
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
		refuse_for(login, POPGATE_TEMP, "no descriptor is free");
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

/* Nobody waits for it any more. A try that is under way goes on being counted until its session has ended, which is
 * soon: it notices that its client has gone. */
static void leave(struct login *login)
{
	if (login->state == LOGIN_OPENING) {
		login->front = NULL;
		login->state = LOGIN_LEFT;
	} else if (login->state != LOGIN_OPEN && login->state != LOGIN_LEFT) {
		login_free(login);
	}
}

void login_cancel(struct broker *broker, const struct broker_front *front, uint64_t id)
{
	struct login *login = find(broker, front, id);

	if (login == NULL)
		return;
	if (login->state == LOGIN_OPENING)
		tries_left(&broker->tries, &login->try);
	leave(login);
}

void login_front_lost(struct broker *broker, const struct broker_front *front)
{
	for (size_t i = 0; i < BROKER_BUCKETS; i++) {
		struct login *login, *next;

		for (login = broker->buckets[i]; login != NULL; login = next) {
			next = login->same_bucket;
			if (login->front != front)
				continue;
			if (login->state == LOGIN_OPEN)
				login->front = NULL;
			leave(login);
		}
	}
}
