/* mechanism - how each mechanism proves a user to a server, and what a refusal of the proof is. */
#ifndef IMAP_MECHANISM_H
#define IMAP_MECHANISM_H

#include "drop.h"

/* One try, over a connection that has nothing under way. */
struct attempt {
	struct drop *drop;
	struct conn *conn;
	const struct popgate_credential *credential;
	struct popgate_error *error;
};

/* 0, or -1 with *error: every one but GONE and IN_USE. */
typedef int mechanism_fn(const struct attempt *a);

/* LOGIN (RFC 3501), and AUTHENTICATE with PLAIN (RFC 4616), LOGIN, SCRAM (RFC 5802, RFC 7677; with channel binding
 * where the server has it under TLS), OAUTHBEARER (RFC 7628), XOAUTH2 and EXTERNAL (RFC 4422). */
mechanism_fn mechanism_login, mechanism_plain, mechanism_sasl_login, mechanism_scram_256, mechanism_scram_1,
    mechanism_bearer, mechanism_xoauth2, mechanism_external;

/* Whether a master user acts for the drop's. */
bool mechanism_acts_for(const struct drop *drop, const struct popgate_credential *credential);
/* Sends a LOGIN in one line, and leaves its answer to conn_receive. */
enum conn_end mechanism_send_login(struct drop *drop, const struct popgate_credential *credential);
/* Why the credential was not accepted, without repeating it; returns -1. */
int mechanism_refused(const struct drop *drop, const struct popgate_credential *credential,
		      struct popgate_error *error);

#endif
