/* kept - the drops that were kept open, found by the mailbox that they are of. Broker process. */
#ifndef POPGATE_BROKER_KEPT_H
#define POPGATE_BROKER_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "common/channel.h"

#define KEPT_BUCKETS 1024

struct kept;

/* Begins as all zero, but for most. */
struct kept_set {
	struct kept *buckets[KEPT_BUCKETS];
	struct kept *oldest, *newest;
	size_t count, most;
};

/* A mailbox is the upstream's user, and behind a line's end the folder that was asked for; the case of ASCII letters
 * doesn't count. One folder may be asked for in several ways: the lock, of its session's OPENED, tells.
 *
 * Takes the channel to a session that keeps the drop of this backend's mailbox. One that was kept of the same mailbox
 * is ended, and the oldest of all where there are too many. The session's end is noticed. */
void kept_add(struct kept_set *set, size_t backend, const char *mailbox, uint64_t lock, struct channel **report);
/* The channel to the session that keeps this mailbox's drop; the caller's, with whatever it does to be called back.
 * NULL: there is none. */
struct channel *kept_take(struct kept_set *set, size_t backend, const char *mailbox, uint64_t *lock_r);
/* Ends those that are kept of this mailbox's user and are of the same folder, whatever it was called: another session
 * has it open. */
void kept_end_others(struct kept_set *set, size_t backend, const char *mailbox, uint64_t lock);

#endif
