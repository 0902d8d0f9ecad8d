/* authorization - the AUTHORIZATION state of RFC 1939 as a pure state machine:
 * lines and verdicts in, replies and wishes out. It does no I/O and knows no
 * password beyond the line it is given. Driven by the front, and by
 * `popgate session`.
 *
 * The driver hands in one line at a time, does what the step says, and after
 * LOGIN, RESPONSE or CANCEL hands in no line before it has called
 * authorization_challenge or authorization_refused, or the login succeeded.
 */
#ifndef POPGATE_POP3_AUTHORIZATION_H
#define POPGATE_POP3_AUTHORIZATION_H

#include <stdbool.h>
#include <stddef.h>

#include <popgate/plugin.h>

#include "pop3/line.h"

#define AUTHORIZATION_REPLY_MAX	    2048
#define AUTHORIZATION_CHALLENGE_MAX 1024 /* octets of a SASL challenge, decoded */
#define AUTHORIZATION_TIMESTAMP_MAX 64	 /* of a greeting, with a NUL */
#define AUTHORIZATION_DIGEST	    32	 /* characters of what APOP sends */

enum authorization_action {
	AUTHORIZATION_REPLY,	/* send the reply */
	AUTHORIZATION_LOGIN,	/* a credential or the start of a SASL exchange: ask the broker */
	AUTHORIZATION_RESPONSE, /* the next SASL response: ask the broker */
	AUTHORIZATION_CANCEL,	/* send the reply; tell the broker that the exchange is off */
	AUTHORIZATION_STLS,	/* send the reply, then negotiate TLS */
	AUTHORIZATION_CLOSE	/* send the reply, if any, then close */
};

/* What the driver has to do. The pointers live until the next call. */
struct authorization_step {
	enum authorization_action action;
	size_t reply_size; /* 0: none */
	char reply[AUTHORIZATION_REPLY_MAX];
	const char *mechanism; /* LOGIN: SASL name in capitals, "APOP" or "USER" */
	const char *user;      /* LOGIN by USER or APOP */
	size_t user_size;
	const unsigned char *response; /* LOGIN, RESPONSE: decoded; NULL: none came. APOP: the digest as it came */
	size_t response_size;
	bool malformed; /* counts as a bad command for the log */
};

struct authorization {
	/* Facts, the driver's to set. */
	bool tls;				     /* the connection is encrypted (or as good as: a pipe) */
	bool stls;				     /* STLS can be had */
	bool cleartext_login;			     /* credentials are taken without TLS */
	unsigned login_delay;			     /* seconds, the longest of any user; 0: nobody has one */
	bool delay_varies;			     /* not all have that one */
	bool binding;				     /* TLS gives something to bind to */
	unsigned mechanisms;			     /* bits of those that the listener has; 0: mechanism_default */
	unsigned proofs;			     /* ACCOUNT_... that some account has */
	char timestamp[AUTHORIZATION_TIMESTAMP_MAX]; /* of the greeting, for APOP; empty: none was sent */
	/* State. */
	bool utf8;	  /* UTF8 was issued */
	bool in_sasl;	  /* a SASL response is expected */
	bool spoken;	  /* the first line has come */
	unsigned unknown; /* unknown keywords */
	unsigned refused; /* refused credentials */
	char *user;	  /* from USER */
	unsigned char *response;
	size_t response_room;
};

/* Bits of the mechanisms that are offered now. */
unsigned authorization_offers(const struct authorization *authorization);
/* Zero-initialised but for the facts. Takes one line's event. */
void authorization_line(struct authorization *authorization, enum line_event event, const char *line, size_t size,
			struct authorization_step *step);
/* The broker goes on with a SASL exchange: step is a REPLY, "+ base64". */
void authorization_challenge(struct authorization *authorization, const unsigned char *data, size_t size,
			     struct authorization_step *step);
/* The login failed; status 0: the credential was malformed. Step is REPLY or CLOSE. */
void authorization_refused(struct authorization *authorization, unsigned status, struct authorization_step *step);
/* The response that the last step pointed to was handed on: wipes it. */
void authorization_forget_response(struct authorization *authorization);
/* Forgets everything but the facts (after STLS: RFC 2595 section 4), wiping it. */
void authorization_reset(struct authorization *authorization);

/* The text of a -ERR, without "-ERR " and CRLF, for a status of the plugin contract (enum popgate_status) or of the
 * broker's own (enum message_refusal); total over both. */
const char *authorization_refusal(unsigned status);

#endif
