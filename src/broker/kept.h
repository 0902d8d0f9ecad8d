/* kept - the drops that were kept open, found by the mailbox that they are of. Broker process. */
#ifndef POPGATE_BROKER_KEPT_H
#define POPGATE_BROKER_KEPT_H

#include <stddef.h>

#include "common/channel.h"

#define KEPT_BUCKETS 1024

struct kept;

/* Begins as all zero, but for most. */
struct kept_set {
	struct kept *buckets[KEPT_BUCKETS];
	struct kept *oldest, *newest;
	size_t count, most;
};

/* Takes the channel to a session that keeps the drop of this backend's user. One that was kept of the same mailbox is
 * ended, and the oldest of all where there are too many. The session's end is noticed. */
void kept_add(struct kept_set *set, size_t backend, const char *user, struct channel **report);
/* The channel to the session that keeps this mailbox's drop; the caller's, with whatever it does to be called back.
 * NULL: there is none. */
struct channel *kept_take(struct kept_set *set, size_t backend, const char *user);

#endif
