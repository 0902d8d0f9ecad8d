/* caps - what a server says it can do (RFC 3501, CAPABILITY). */
#ifndef IMAP_CAPS_H
#define IMAP_CAPS_H

#include "conn.h"

enum caps_bit {
	CAPS_STARTTLS = 1 << 0,
	CAPS_LOGINDISABLED = 1 << 1,
	CAPS_PLAIN = 1 << 2,
	CAPS_SASL_IR = 1 << 3,
	CAPS_ID = 1 << 4,
	CAPS_ENABLE = 1 << 5,
	CAPS_UTF8_ACCEPT = 1 << 6,
	CAPS_UIDPLUS = 1 << 7,
	CAPS_MOVE = 1 << 8,
	CAPS_LITERAL = 1 << 9, /* LITERAL+ or LITERAL- */
	CAPS_SPECIAL_USE = 1 << 10,
	CAPS_LIST_EXTENDED = 1 << 11,
	CAPS_XLIST = 1 << 12,
	/* mechanisms of AUTHENTICATE, beside CAPS_PLAIN */
	CAPS_SASL_LOGIN = 1 << 13,
	CAPS_SCRAM_1 = 1 << 14,
	CAPS_SCRAM_1_PLUS = 1 << 15,
	CAPS_SCRAM_256 = 1 << 16,
	CAPS_SCRAM_256_PLUS = 1 << 17,
	CAPS_OAUTHBEARER = 1 << 18,
	CAPS_XOAUTH2 = 1 << 19,
	CAPS_EXTERNAL = 1 << 20
};

/* Reads the capabilities that the last answers brought, if any did; false: none. */
bool caps_read(struct conn *c);
/* Forgets what answers have brought so far: only later ones count for caps_read. c->caps stays until then. */
void caps_forget(struct conn *c);

#endif
