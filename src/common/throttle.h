/* throttle - how long a login has to wait after refused ones, by the client's
 * address, by the user, and by the pair of both once it has logged in. Pure but
 * for the making: the clock is passed in, milliseconds all.
 *
 * The table is memory that the supervisor makes and every broker uses in turn, so
 * that neither a reload nor a broker's death forgets what was counted. It holds
 * no name and no address, only seeded digests of them. It is bounded: who needs
 * room takes that of the entry with the fewest refusals and inherits their
 * number, so that nobody is forgotten by crowding it, and none counts less than
 * it was refused. No locks: where two brokers run (a reload), a count may be lost.
 *
 * A pair that has logged in lately waits for its own refusals alone, not for
 * what others did from the same address or to the same user.
 */
#ifndef POPGATE_COMMON_THROTTLE_H
#define POPGATE_COMMON_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct throttle; /* the shared mapping */

/* Who tries. Address: an IPv4 address, or an IPv6 network of 48 bits; 0 for 127.0.0.1 and ::1, which wait for
 * nobody's sake but the user's. */
struct throttle_keys {
	uint64_t address, user, pair;
};

/* What is known of who tries. */
struct throttle_record {
	int64_t due;	  /* no try before this time */
	bool address_bad; /* there were refusals lately */
	bool user_bad;
	bool proven; /* the pair has logged in lately: the others don't count */
};

/* How long the answer to the refusal number `refusals` (from 1) takes, `most` at most: 2, 4, 8 s and so on. */
int64_t throttle_penalty(unsigned refusals, int64_t most);

/* NULL: no memory. */
struct throttle *throttle_new(void);
void throttle_free(struct throttle **throttle);

/* peer: an address as text; place: where the user's mail is, so that one mailbox is one user whatever name led to it.
 * The case of ASCII letters doesn't count. */
struct throttle_keys throttle_identify(const struct throttle *throttle, const char *peer, const char *place,
				       const char *user);
/* Likewise, of an address that a proxy has told: 127.0.0.1 and ::1 are addresses like any other there. */
struct throttle_keys throttle_identify_told(const struct throttle *throttle, const char *peer, const char *place,
					    const char *user);
struct throttle_record throttle_look(struct throttle *throttle, const struct throttle_keys *keys, int64_t now);

/* A credential that came at `begun` was refused; `sent`: when it was tried, 0 if it never was; upstream: there. Returns
 * when the verdict may leave: one that the upstream was not asked for takes as long as its own did lately. */
int64_t throttle_refused(struct throttle *throttle, const struct throttle_keys *keys, int64_t begun, int64_t sent,
			 bool upstream, int64_t now, int64_t most);
/* It was accepted. */
void throttle_accepted(struct throttle *throttle, const struct throttle_keys *keys, int64_t now);
/* The client left before the verdict: no refusal, but the next try waits as after a first one. */
void throttle_left(struct throttle *throttle, const struct throttle_keys *keys, int64_t begun, int64_t most);

#endif
