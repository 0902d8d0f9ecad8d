/* capability - what CAPA says (RFC 2449 section 5). Pure. */
#ifndef POPGATE_POP3_CAPABILITY_H
#define POPGATE_POP3_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>

#define CAPABILITY_REPLY_MAX 512

struct capability_facts {
	bool transaction;     /* the client is logged in */
	bool stls;	      /* STLS would work now */
	bool delays;	      /* LOGIN-DELAY is announced */
	bool delay_varies;    /* in AUTHORIZATION: users have others as well */
	unsigned login_delay; /* seconds; in AUTHORIZATION the longest of any user */
	unsigned mechanisms;  /* bits of those that would work now */
};

/* Writes the whole reply, final dot included. Returns its octets. */
size_t capability_reply(const struct capability_facts *facts, char reply[CAPABILITY_REPLY_MAX]);

#endif
