/* rehearsal - a TLS handshake with ourselves. Spawner process. */
#ifndef IMAP_REHEARSAL_H
#define IMAP_REHEARSAL_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* OpenSSL looks algorithms up, and keeps what it found, at their first use. Here that is done once with a client's
 * context, which stays as it is, rather than in every session after the fork. Returns whether it was a success;
 * else sessions only need more memory. */
bool rehearsal_run(SSL_CTX *context);

#endif
