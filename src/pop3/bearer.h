/* bearer - what a client says with OAUTHBEARER (RFC 7628) and XOAUTH2: a name and an access token. Pure. Broker, and
 * `popgate session`. */
#ifndef POPGATE_POP3_BEARER_H
#define POPGATE_POP3_BEARER_H

#include <stddef.h>

#include "common/mechanism.h"

/* Octets within the response. name NULL: OAUTHBEARER names no user, which RFC 7628 allows. */
struct bearer {
	const unsigned char *name, *token;
	size_t name_size, token_size;
};

/* What the server says of a token that was refused; the client answers it, and only then comes the -ERR. */
#define BEARER_REFUSAL "{\"status\":\"invalid_token\",\"schemes\":\"bearer\"}"

/* Takes a response apart; mechanism is OAUTHBEARER or XOAUTH2. 0, or -1: malformed. The name is not looked at any
 * further: OAUTHBEARER's is encoded. */
int bearer_parse(enum mechanism mechanism, const unsigned char *data, size_t size, struct bearer *bearer_r);

/* Decodes a name of OAUTHBEARER (RFC 5801 section 4: =2C and =3D) into name_r, which has room for name_size octets.
 * Returns how many it has, or 0: malformed. */
size_t bearer_name(const struct bearer *bearer, unsigned char *name_r);

#endif
