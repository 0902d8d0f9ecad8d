/* ticket - see ticket.h. */
#include "common/ticket.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

/* octets_r = HMAC-SHA256(chain, label), cut to size. */
static bool derive(const unsigned char *chain, const char *label, unsigned char *octets_r, size_t size)
{
	unsigned char whole[TICKET_SECRET];
	size_t length = 0;
	bool done = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, chain, TICKET_SECRET, (const unsigned char *)label,
			      strlen(label), whole, sizeof(whole), &length) != NULL &&
		    length == sizeof(whole);

	if (done)
		memcpy(octets_r, whole, size);
	explicit_bzero(whole, sizeof(whole));
	return done;
}

/* The chain's next key; the chain goes on. */
static bool next_key(struct ticket_ring *ring, struct ticket_key *key_r)
{
	return derive(ring->chain, "name", key_r->name, sizeof(key_r->name)) &&
	       derive(ring->chain, "cipher", key_r->cipher, sizeof(key_r->cipher)) &&
	       derive(ring->chain, "mac", key_r->mac, sizeof(key_r->mac)) &&
	       derive(ring->chain, "chain", ring->chain, sizeof(ring->chain));
}

int ticket_begin(struct ticket_ring *ring, int64_t now)
{
	memset(ring, 0, sizeof(*ring));
	/* what no ticket names decrypts none */
	ring->ready = RAND_priv_bytes(ring->chain, sizeof(ring->chain)) == 1 && next_key(ring, &ring->previous) &&
		      next_key(ring, &ring->current);
	ring->begun = now;
	if (!ring->ready)
		ticket_wipe(ring);
	return ring->ready ? 0 : -1;
}

void ticket_advance(struct ticket_ring *ring, int64_t now)
{
	while (ring->ready && now - ring->begun >= TICKET_PERIOD) {
		ring->previous = ring->current;
		ring->begun += TICKET_PERIOD;
		if (!next_key(ring, &ring->current))
			ticket_wipe(ring);
	}
}

const struct ticket_key *ticket_find(const struct ticket_ring *ring, const unsigned char *name, bool *renew_r)
{
	*renew_r = false;
	if (!ring->ready)
		return NULL;
	if (memcmp(ring->current.name, name, TICKET_NAME) == 0)
		return &ring->current;
	*renew_r = true;
	return memcmp(ring->previous.name, name, TICKET_NAME) == 0 ? &ring->previous : NULL;
}

void ticket_wipe(struct ticket_ring *ring)
{
	explicit_bzero(ring, sizeof(*ring));
}
