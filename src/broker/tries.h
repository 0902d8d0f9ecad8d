/* tries - whether a credential may go upstream now: not before what earlier
 * refusals cost has passed (common/throttle), and not beside too many others of
 * the same address or user. Pure but for the shared table; broker process. */
#ifndef POPGATE_BROKER_TRIES_H
#define POPGATE_BROKER_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/throttle.h"

#define TRIES_PLACES 4096 /* counters of each kind; keys that share one share its room */

struct tries {
	struct throttle *throttle;
	int64_t most; /* milliseconds that a verdict may be held back; 0: nothing is, and nothing is counted */
	uint16_t addresses[TRIES_PLACES], users[TRIES_PLACES], pairs[TRIES_PLACES], waiting[TRIES_PLACES];
};

/* One login's try, as far as it is counted. */
struct tries_one {
	struct throttle_keys keys;
	int64_t begun; /* when the credential was there; monotonic milliseconds */
	int64_t sent;  /* when it was tried; 0: not yet */
	bool upstream; /* which is asked, and takes its time */
	bool counted, proven, waiting;
};

/* Begins. peer, place, user as for throttle_identify; told: as for throttle_identify_told. */
void tries_begin(const struct tries *tries, struct tries_one *one, const char *peer, bool told, const char *place,
		 const char *user, int64_t now);
/* 0: it may go now, and is counted; -1: too many of the same address and user wait already; else when to ask again. */
int64_t tries_ask(struct tries *tries, struct tries_one *one, int64_t now);
/* It is over, whatever came of it: it is counted no more. */
void tries_end(struct tries *tries, struct tries_one *one);

/* What came of it, each followed by tries_end. A refusal returns when the verdict may leave. */
int64_t tries_refused(struct tries *tries, struct tries_one *one, int64_t now);
void tries_accepted(struct tries *tries, struct tries_one *one, int64_t now);
void tries_left(struct tries *tries, struct tries_one *one);

#endif
