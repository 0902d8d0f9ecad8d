/* imap_peer - the server's side of the imap target: plays the input over a socket, writes down what the plugin sends,
 * and reads for itself, apart from libetpan, what the input says. */
#ifndef TESTS_IMAP_PEER_H
#define TESTS_IMAP_PEER_H

#include <popgate/plugin.h>

#include "fuzz.h"

#define PEER_HANG_UP 0x1e /* in the input: here this connection ends, and the next begins */
#define PEER_PAUSE   0x1f /* what follows comes only once the plugin waits for it */

extern const struct popgate_host peer_host;

/* Begins with a new input, which stays the caller's. */
void peer_begin(const uint8_t *data, size_t size);
/* What the secret of this input's user is; a password if nobody says so. */
void peer_set_kind(enum popgate_secret_kind kind);
/* Closes what is open. */
void peer_end(void);

/* All that the plugin has sent so far; NUL-terminated. */
const char *peer_sent(void);
/* Forgets it. */
void peer_forget_sent(void);

/* Whether a line "TAG OK" has been served. */
bool peer_said_ok(unsigned long tag);
/* Whether a FETCH response has been served that names this UID, with a body that is exactly these octets, and after it,
 * on the same connection, another FETCH response or a tagged OK. */
bool peer_served_body(uint32_t uid, const char *octets, size_t size);

#endif
