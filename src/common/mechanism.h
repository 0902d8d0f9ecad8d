/* mechanism - the ways in which a POP3 client can prove its user: the one table of their names, and when each is
 * offered. Pure. Any process. */
#ifndef POPGATE_COMMON_MECHANISM_H
#define POPGATE_COMMON_MECHANISM_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are announced: the best first, for clients that take the first one they know. */
enum mechanism {
	MECHANISM_SCRAM_SHA_256_PLUS, /* RFC 7677 */
	MECHANISM_SCRAM_SHA_1_PLUS,   /* RFC 5802 */
	MECHANISM_SCRAM_SHA_256,
	MECHANISM_SCRAM_SHA_1,
	MECHANISM_CRAM_MD5, /* RFC 2195 */
	MECHANISM_APOP,	    /* the command (RFC 1939) */
	MECHANISM_USER,	    /* the commands USER and PASS */
	MECHANISM_PLAIN,    /* RFC 4616 */
	MECHANISM_LOGIN,
	MECHANISM_OAUTHBEARER, /* RFC 7628 */
	MECHANISM_XOAUTH2,
	MECHANISMS
};

#define MECHANISM_BIT(mechanism) (1u << (mechanism))
#define MECHANISM_NAME_MAX	 32  /* octets of a name, with a NUL */
#define MECHANISM_LIST_MAX	 160 /* octets of all names, each with two beside it */

/* What decides. */
struct mechanism_facts {
	unsigned listed; /* bits that the listener has; 0: mechanism_default */
	bool cleartext;	 /* what a listener on the way could use may be sent: there is TLS, or it is allowed without */
	bool binding;	 /* TLS is there, and gives something to bind to */
	unsigned proofs; /* ACCOUNT_... that some account has */
};

/* As the table writes it. */
const char *mechanism_name(enum mechanism mechanism);
/* By name, in any case. */
bool mechanism_find(const char *name, size_t size, enum mechanism *mechanism_r);
/* Whether this program has what it needs. */
bool mechanism_is_built(enum mechanism mechanism);
/* ACCOUNT_...: any of these an account must have; 0: it is not proved here. */
unsigned mechanism_proofs(enum mechanism mechanism);
/* Bits of what a listener has that lists none: all but those that take tokens. */
unsigned mechanism_default(void);
/* Bits of what works now. */
unsigned mechanism_offered(const struct mechanism_facts *facts);
/* Bits of those that are begun by AUTH, or that hand a password or a token over; that are proved by a challenge, so
 * that nothing need be kept from who listens on the way; that are bound to TLS. */
unsigned mechanism_sasl(void);
unsigned mechanism_revealing(void);
unsigned mechanism_challenging(void);
unsigned mechanism_bound(void);
/* Writes the names of bits with something before and after each. NUL-terminated. */
void mechanism_list(unsigned bits, const char *before, const char *after, char text_r[MECHANISM_LIST_MAX]);

#endif
