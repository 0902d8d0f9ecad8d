/* bearer - what a client says with OAUTHBEARER (RFC 7628) and XOAUTH2: a name and an access token. Pure. Broker, and
 * `popgate session`. */
#ifndef POPGATE_POP3_BEARER_H
#define POPGATE_POP3_BEARER_H

#include <stddef.h>

#include "common/mechanism.h"

/* Octets within the response. */
struct bearer {
	const unsigned char *name, *token;
	size_t name_size, token_size;
};

/* What the server says of a token that was refused; the client answers it, and only then comes the -ERR. */
#define BEARER_REFUSAL "{\"status\":\"invalid_token\",\"schemes\":\"bearer\"}"

/* Takes a response apart; mechanism is OAUTHBEARER or XOAUTH2. 0, or -1: malformed. The name is not looked at any
 * further. */
int bearer_parse(enum mechanism mechanism, const unsigned char *data, size_t size, struct bearer *bearer_r);

#endif
