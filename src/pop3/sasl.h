/* sasl - server side of the mechanisms that hand over a password or a token: PLAIN (RFC 4616), LOGIN, OAUTHBEARER
 * (RFC 7628), XOAUTH2; and the checks that every name and password passes before it goes anywhere. Pure. Runs in the
 * broker and in `popgate session`. */
#ifndef POPGATE_POP3_SASL_H
#define POPGATE_POP3_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mechanism.h"
#include "common/secret.h"

#define SASL_NAME_MAX 1024 /* octets of a login name */

enum sasl_result {
	SASL_CONTINUE,	/* send sasl->challenge */
	SASL_DONE,	/* sasl->name and sasl->password are there */
	SASL_MALFORMED, /* -ERR: the client broke the mechanism's syntax */
	SASL_REFUSED,	/* -ERR [AUTH]: well-formed but not acceptable */
	SASL_NO_MEMORY	/* -ERR [SYS/TEMP] */
};

struct sasl {
	enum mechanism mechanism;
	const char *challenge;	/* undecorated text */
	char *name;		/* UTF-8 without control characters; NUL-terminated */
	char *unfit;		/* a name that is none, for the log alone, which makes it harmless; NULL: none came */
	const char *fault;	/* what is wrong, for the log, where there are words for it; NULL */
	struct secret password; /* or the token */
};

/* Begins an exchange. *sasl is overwritten. */
void sasl_init(struct sasl *sasl, enum mechanism mechanism);
/* Takes a response; data NULL: the client sent none with the command. A mechanism that is proved by a challenge is
 * MALFORMED here. */
enum sasl_result sasl_step(struct sasl *sasl, const unsigned char *data, size_t size);
/* Takes a name and a password that came by USER and PASS. */
enum sasl_result sasl_userpass(struct sasl *sasl, const void *name, size_t name_size, const void *password,
			       size_t password_size);
/* Takes the name alone, which replaces the one that was there. DONE, MALFORMED or NO_MEMORY. */
enum sasl_result sasl_name(struct sasl *sasl, const void *name, size_t size);
/* Wipes and frees. */
void sasl_clear(struct sasl *sasl);

#endif
