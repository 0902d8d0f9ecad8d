/* usage - what a user has had lately: when he logged in, how many octets today, how many sessions are open. Pure but
 * for the making: clocks are passed in.
 *
 * The table is memory that the supervisor makes and every broker uses in turn, so that neither a reload nor a broker's
 * death forgets it. It holds no name, only seeded digests. It is bounded: who needs room takes that of the one of the
 * longest ago, rather of one without a session. No locks: where two brokers run (a reload), a count may be lost.
 *
 * Sessions are counted by the broker that opened them, and count while it lives: what a dead broker's sessions still
 * do nobody sees. */
#ifndef POPGATE_COMMON_USAGE_H
#define POPGATE_COMMON_USAGE_H

#include <stdint.h>

struct usage; /* the shared mapping */

struct usage_record {
	int64_t last;	 /* the last login, monotonic milliseconds; 0: none is known */
	uint64_t octets; /* of that day */
	unsigned sessions;
};

/* NULL: no memory. */
struct usage *usage_new(void);
void usage_free(struct usage **usage);

/* A number for a broker that is about to start; never 0. Supervisor. */
uint32_t usage_broker_new(struct usage *usage);
/* It has died: its sessions no longer count. Supervisor. */
void usage_broker_gone(struct usage *usage, uint32_t broker);

/* Whom to count: a place and a name there. The case of ASCII letters doesn't count. Never 0. */
uint64_t usage_key(const struct usage *usage, const char *place, const char *user);
/* day: any number that is another tomorrow. */
struct usage_record usage_look(struct usage *usage, uint64_t key, uint32_t day);
/* A login at `now` opened a session of that broker's. */
void usage_enter(struct usage *usage, uint64_t key, uint32_t broker, int64_t now);
/* Such a session has ended. */
void usage_leave(struct usage *usage, uint64_t key, uint32_t broker);
/* Octets were sent. */
void usage_add(struct usage *usage, uint64_t key, uint64_t octets, uint32_t day);

#endif
