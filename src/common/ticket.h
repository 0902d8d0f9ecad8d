/* ticket - the keys that protect TLS session tickets (RFC 5077, RFC 8446 4.6.1).
 *
 * Every front derives the same keys at the same time from a chain that the
 * supervisor begins, so a client resumes its TLS session with whichever front
 * it meets, also after a reload. Each key encrypts for TICKET_PERIOD and
 * decrypts for one period more; a step of the chain cannot be undone, so a
 * key that was wiped is gone. Supervisor and front processes; all others
 * wipe the ring before they do anything else. Pure but for OpenSSL's HMAC.
 */
#ifndef POPGATE_COMMON_TICKET_H
#define POPGATE_COMMON_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#define TICKET_PERIOD INT64_C(3600000) /* milliseconds */
#define TICKET_NAME   16	       /* octets, as OpenSSL wants them */
#define TICKET_SECRET 32	       /* octets: AES-256, HMAC-SHA256, the chain */

struct ticket_key {
	unsigned char name[TICKET_NAME]; /* stands in the ticket */
	unsigned char cipher[TICKET_SECRET];
	unsigned char mac[TICKET_SECRET];
};

struct ticket_ring {
	int64_t begun; /* of the current key; monotonic milliseconds */
	unsigned char chain[TICKET_SECRET];
	struct ticket_key current, previous;
	bool ready; /* without it there are no tickets */
};

/* Begins a chain at random. 0, or -1: the ring stays not ready. */
int ticket_begin(struct ticket_ring *ring, int64_t now);
/* Brings the ring to the key of this time and wipes those whose time is over. */
void ticket_advance(struct ticket_ring *ring, int64_t now);
/* The key of that name, or NULL. *renew_r: the ticket should be replaced. */
const struct ticket_key *ticket_find(const struct ticket_ring *ring, const unsigned char *name, bool *renew_r);
void ticket_wipe(struct ticket_ring *ring);

#endif
