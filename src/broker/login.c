/* login - see login.h. The credential goes from the front's message into the
 * OPEN message of one session and is wiped; it is never logged, and the
 * spawner never sees it. */
#include "broker/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/course.h"
#include "broker/naming.h"
#include "broker/opening.h"
#include "broker/proving.h"
#include "broker/tries.h"
#include "broker/workers.h"
#include "common/deadline.h"
#include "common/log.h"
#include "common/mechanism.h"
#include "pop3/bearer.h"

#define SPAWNS_MAX   16 /* messages that may wait for the spawner: each has three descriptors */
#define SPAWNS_PAUSE 20 /* milliseconds for it to take them */

static void on_timer(evutil_socket_t fd, short events, void *context);

static struct login **bucket_of(struct broker *broker, uint64_t id)
{
	return &broker->buckets[id % BROKER_BUCKETS];
}

struct login *login_find(struct broker *broker, uint64_t id)
{
	struct login *login = *bucket_of(broker, id);

	while (login != NULL && login->id != id)
		login = login->same_bucket;
	return login;
}

static struct login *find(struct broker *broker, const struct broker_front *front, uint64_t id)
{
	struct login *login = login_find(broker, id);

	return login != NULL && login->front == front ? login : NULL;
}

const char *login_user(const struct login *login)
{
	return login->account != NULL ? login->account->user : login->sasl.name;
}

struct audit login_audit(const struct login *login)
{
	const struct conf *conf = login->broker->process->conf;

	return (struct audit){.session = login->name,
			      .user = login->sasl.name != NULL ? login->sasl.name : login->sasl.unfit,
			      .folder = login->folder,
			      .peer = login->peer,
			      .tls = login->tls,
			      .mechanism = login->mechanism,
			      .listener =
				  login->listener == CONF_ANY_LISTENER ? NULL : &conf->listeners[login->listener],
			      .account = login->account != NULL,
			      .device = login->device == NULL ? NULL : login->device->name,
			      .backend = login->place == NULL ? NULL : login->place->backend->name};
}

void login_end(struct login *login)
{
	struct login **at = bucket_of(login->broker, login->id);

	while (*at != login)
		at = &(*at)->same_bucket;
	*at = login->same_bucket;
	opening_close_ends(login);
	channel_free(&login->report);
	tries_end(&login->broker->tries, &login->try);
	policy_leave(login, 0); /* a session that has died tells nothing */
	if (login->timer != NULL)
		event_free(login->timer);
	exchange_clear(&login->exchange);
	sasl_clear(&login->sasl);
	secret_clear(&login->secret);
	free(login->mailbox);
	free(login->place);
	free(login->folder);
	free(login);
}

void login_tell_front(const struct login *login, const struct message *message)
{
	if (login->front != NULL)
		(void)channel_send(login->front->channel, message, NULL);
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

/* Lets go of all but what the client is still to be told. */
static void settle(struct login *login)
{
	tries_end(&login->broker->tries, &login->try);
	opening_close_ends(login);
	channel_free(&login->report);
	exchange_clear(&login->exchange);
	sasl_clear(&login->sasl);
	secret_clear(&login->secret);
}

void login_challenge(const struct login *login, const char *text)
{
	struct message message = {.type = MESSAGE_CHALLENGE};

	message.u.challenge.id = login->id;
	message.u.challenge.data = message_text(text);
	login_tell_front(login, &message);
}

/* Who sent a token is first told what is wrong with it, and answers (RFC 7628 section 3.2.3). */
static void tell_refusal(struct login *login, unsigned status)
{
	struct message message = {.type = MESSAGE_REFUSED};

	if (status == POPGATE_AUTH && exchange_has_token(login) && login->state != LOGIN_TOLD && login->front != NULL) {
		settle(login);
		login->state = LOGIN_TOLD;
		login_challenge(login, BEARER_REFUSAL);
		return;
	}
	message.u.refused.id = login->id;
	message.u.refused.status = status;
	login_tell_front(login, &message);
	login_end(login);
}

/* A wrong credential's refusal costs time, but no process and no descriptor. */
void login_refuse(struct login *login, unsigned status, const char *why, size_t size)
{
	int64_t now = deadline_now(), verdict = now;
	struct audit audit = login_audit(login);

	if (status == POPGATE_AUTH)
		verdict = tries_refused(&login->broker->tries, &login->try, now);
	audit_refused(&audit, status, verdict - login->try.begun, why, size);
	if (verdict == now || login->front == NULL) {
		tell_refusal(login, status);
		return;
	}
	settle(login);
	login->state = LOGIN_REFUSED;
	if (set_timer(login, verdict) != 0)
		tell_refusal(login, POPGATE_TEMP);
}

void login_refuse_for(struct login *login, unsigned status, const char *why)
{
	login_refuse(login, status, why, strlen(why));
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
		course_begin(login);
		return;
	}
	if (when < 0) {
		login_refuse_for(login, POPGATE_TEMP, "too many logins of this user wait at this address");
		return;
	}
	login->held = true;
	login->state = LOGIN_WAITING;
	if (set_timer(login, when) != 0)
		login_refuse_for(login, POPGATE_TEMP, "out of memory");
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
	const struct opening_place *place;

	login->account = accounts_find(login->broker->accounts, login->sasl.name);
	if (opening_find(login) != 0) {
		login_refuse_for(login, POPGATE_TEMP, "out of memory");
		return;
	}
	place = login->place;
	tries_begin(&login->broker->tries, &login->try, login->peer, (login->flags & LOGIN_PROXIED) != 0,
		    place != NULL ? place->backend->name : "", place != NULL ? place->user : login->sasl.name,
		    deadline_now());
	try_now(login);
}

/* ---- the exchange ---- */

static void take_sasl(struct login *login, enum sasl_result result)
{
	enum sasl_result named = SASL_DONE;

	if (result == SASL_DONE || result == SASL_REFUSED)
		named = naming_settle(login);
	if (named != SASL_DONE)
		result = named;
	switch (result) {
	case SASL_CONTINUE:
		login_challenge(login, login->sasl.challenge);
		return;
	case SASL_DONE:
		begin_try(login);
		return;
	case SASL_MALFORMED:
		login_refuse_for(login, 0, login->sasl.fault != NULL ? login->sasl.fault : "malformed credential");
		return;
	case SASL_REFUSED:
		login->foreign = true;
		begin_try(login);
		return;
	case SASL_NO_MEMORY:
		login_refuse_for(login, POPGATE_TEMP, "out of memory");
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
	login->listener = message->listener;
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

/* Whether a front that is ours could have sent it. What accounts can be proved by, it may not know yet. */
static bool is_offered(const struct conf *conf, const struct message_login *message)
{
	struct mechanism_facts facts = {.binding = message->tls.size > 0, .proofs = UINT32_MAX};
	enum mechanism mechanism;

	if (message->listener >= conf->listener_count ||
	    !mechanism_find((const char *)message->mechanism.data, message->mechanism.size, &mechanism))
		return false;
	facts.listed = conf->listeners[message->listener].mechanisms;
	facts.cleartext = message->tls.size > 0 || conf->listeners[message->listener].cleartext_login;
	return (mechanism_offered(&facts) & MECHANISM_BIT(mechanism)) != 0;
}

int login_begin(struct broker *broker, struct broker_front *front, struct ipc_inbox *inbox)
{
	const struct message_login *message = &inbox->message.u.login;
	struct login *login = NULL;

	if (!is_offered(broker->process->conf, message))
		return -1;
	if (login_find(broker, message->id) == NULL)
		login = login_new(broker, front, message);
	if (login == NULL) {
		refuse_unborn(front, message->id);
		return 0;
	}
	login->stream = ipc_take(inbox, 0);
	login->page = ipc_take(inbox, 1);
	if (login->stream < 0 || login->page < 0) {
		login_refuse_for(login, POPGATE_TEMP, "no descriptor is free");
		return 0;
	}
	take_sasl(login, exchange_begin(login, message));
	return 0;
}

void login_respond(struct broker *broker, const struct broker_front *front, const struct message_response *response)
{
	struct login *login = find(broker, front, response->id);

	if (login == NULL)
		refuse_unborn(front, response->id); /* the broker that knew it has died */
	else if (login->state == LOGIN_EXCHANGE)
		take_sasl(login, exchange_step(login, response->data.data, response->data.size));
	else if (login->state == LOGIN_CONFIRMING && response->data.size == 0)
		course_confirmed(login);
	else if (login->state == LOGIN_CONFIRMING)
		login_refuse_for(login, 0, "an answer to the server's proof, where none is due");
	else if (login->state == LOGIN_TOLD)
		tell_refusal(login, POPGATE_AUTH);
}

/* Nobody waits for it any more. A try that is under way goes on being counted until its session has ended, which is
 * soon: it notices that its client has gone. */
static void leave(struct login *login)
{
	if (login->state == LOGIN_OPENING) {
		login->front = NULL;
		login->state = LOGIN_LEFT;
	} else if (login->state != LOGIN_OPEN && login->state != LOGIN_LEFT) {
		login_end(login);
	}
}

void login_cancel(struct broker *broker, const struct broker_front *front, uint64_t id)
{
	struct login *login = find(broker, front, id);

	if (login == NULL)
		return;
	if (login->state == LOGIN_OPENING || login->state == LOGIN_PROVING)
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
