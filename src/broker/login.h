/* login - one login, from LOGIN to the end of the session it opens. Broker process. */
#ifndef POPGATE_BROKER_LOGIN_H
#define POPGATE_BROKER_LOGIN_H

#include <stdbool.h>

#include "broker/audit.h"
#include "broker/broker.h"
#include "broker/exchange.h"
#include "broker/policy.h"
#include "common/log.h"
#include "pop3/sasl.h"

enum login_state {
	LOGIN_EXCHANGE,	  /* SASL goes on */
	LOGIN_WAITING,	  /* the credential may not be tried yet */
	LOGIN_PROVING,	  /* a helper checks it */
	LOGIN_CONFIRMING, /* it is proved, and the client looks whether we are */
	LOGIN_FETCHING,	  /* the agent fetches the one that opens the mailbox upstream */
	LOGIN_OPENING,	  /* a session is trying the credential upstream */
	LOGIN_LEFT,	  /* likewise, but nobody waits for it any more */
	LOGIN_REFUSED,	  /* the verdict may not leave yet */
	LOGIN_TOLD,	  /* the client has been told why its token was refused, and says so much */
	LOGIN_OPEN	  /* its session is open */
};

struct login {
	struct broker *broker;
	struct broker_front *front; /* NULL: it has gone */
	struct login *same_bucket;
	uint64_t id;
	char name[LOG_SESSION_SIZE];
	enum login_state state;
	struct sasl sasl;
	struct exchange exchange;
	bool foreign;	/* the authorization identity is somebody else's: to be refused, in its turn */
	bool held;	/* it had to wait before it went upstream */
	bool reopening; /* a session with a drop that was kept has been asked */
	bool anew;	/* and could not */
	bool trial;	/* it has been asked for the proof alone: the login is to be refused */
	bool proved;	/* here; else the upstream proves it */
	bool tokenless; /* its session has asked for a newer token, and there is none to be had by itself */
	char *folder;	/* that the name asks for, as the client wrote it; NULL: none */
	/* What was found out about it. */
	const struct account *account;	     /* NULL: none */
	struct opening_place *place;	     /* where it leads; NULL: nowhere, or its session is open */
	const char *nowhere;		     /* why it leads nowhere */
	const struct account_device *device; /* the account's, whose password it was; NULL: none */
	const char *lost;		     /* why it will be refused, whatever a helper says; NULL: it will not */
	uint64_t job;			     /* that a worker has of it; 0: none */
	/* What opens the mailbox. */
	const struct conf_source *source;
	struct secret secret;
	enum popgate_secret_kind secret_kind;
	uint64_t expires; /* as in OPEN */
	uint64_t serial;  /* of a token, as in FETCHED */
	/* Where drops are kept: index in conf.backends, and what else names the mailbox. */
	size_t backend;
	char *mailbox;
	uint64_t lock; /* that its session has told */
	struct tries_one try;
	struct policy policy;
	struct event *timer; /* WAITING, REFUSED */
	int stream, page;    /* the session's ends, until it has them; -1 after */
	struct channel *report;
	uint32_t flags;
	size_t listener; /* index in conf.listeners; CONF_ANY_LISTENER: the front has told none */
	char peer[MESSAGE_ADDRESS_MAX + 1];
	char tls[33];
	char mechanism[33];
};

/* A front's LOGIN, RESPONSE and CANCEL. LOGIN's descriptors are taken out of inbox. -1: no listener of ours offers
 * that, and nothing was done. */
int login_begin(struct broker *broker, struct broker_front *front, struct ipc_inbox *inbox);
void login_respond(struct broker *broker, const struct broker_front *front, const struct message_response *response);
void login_cancel(struct broker *broker, const struct broker_front *front, uint64_t id);
/* The front has gone: logins under way end, open sessions are merely counted on. */
void login_front_lost(struct broker *broker, const struct broker_front *front);

/* For course: the login's end, with whatever it has; its words to the front; a refusal (status 0: malformed), now or
 * when the verdict may leave, which ends it. */
void login_end(struct login *login);
void login_tell_front(const struct login *login, const struct message *message);
void login_refuse(struct login *login, unsigned status, const char *why, size_t size);
void login_refuse_for(struct login *login, unsigned status, const char *why);
/* A SASL challenge to the client. */
void login_challenge(const struct login *login, const char *text);
/* Who it is: the account's own name, however the client has written it. */
const char *login_user(const struct login *login);
struct audit login_audit(const struct login *login);
/* NULL: there is none of this id. */
struct login *login_find(struct broker *broker, uint64_t id);

/* What the workers have found. */
void login_checked(struct login *login, enum message_verdict verdict);
void login_fetched(struct login *login, const struct message_fetched *fetched);
void login_not_fetched(struct login *login, const struct message_refused *refused);

/* What the channel to a login's session calls. */
void login_take_report(void *context, struct ipc_inbox *inbox);
void login_lose_session(void *context);

#endif
