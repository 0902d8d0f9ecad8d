/* proving - whether a login is the account's owner. Broker process. */
#ifndef POPGATE_BROKER_PROVING_H
#define POPGATE_BROKER_PROVING_H

#include "broker/login.h"

enum proving {
	PROVING_UPSTREAM, /* nothing to prove here: the upstream decides */
	PROVING_DONE,
	PROVING_ASKED,	   /* a helper has been asked: its verdict comes to login_checked */
	PROVING_WRONG,	   /* *why_r tells the operator */
	PROVING_MALFORMED, /* likewise: the answer to a challenge is none */
	PROVING_UNABLE	   /* likewise; TEMP */
};

/* Begins to prove the login, whose name and password are there. Sets login->account, and login->device. Who is not
 * there, or disabled, or comes from elsewhere, is found wrong after the work that a password costs. */
enum proving proving_begin(struct login *login, const char **why_r);
/* The hash that is checked for those who have none, so that they cost as much; NULL: any will do. */
const char *proving_usual_hash(const struct accounts *accounts);
/* The helper's word. DONE, WRONG or UNABLE. */
enum proving proving_end(const struct login *login, enum message_verdict verdict, const char **why_r);

#endif
