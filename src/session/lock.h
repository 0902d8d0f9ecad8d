/* lock - one session at a time for a maildrop: a locked octet of a file in the runtime
 * directory, held by the session process alone, so that its death frees it.
 * Session process. */
#ifndef POPGATE_SESSION_LOCK_H
#define POPGATE_SESSION_LOCK_H

#include <stddef.h>
#include <stdint.h>

enum lock_result {
	LOCK_TAKEN,
	LOCK_HELD,  /* by another session */
	LOCK_FAILED /* errno says why */
};

#define LOCK_PATH_MAX 512

struct lock {
	int fd;		/* -1: not held */
	uint64_t place; /* the octet; it need not be there */
	char path[LOCK_PATH_MAX];
};

/* Names the lock of a maildrop. The name is folded (ASCII case), so that two
 * spellings of one account are one lock. Returns 0, or -1: the path is too long. */
int lock_name(struct lock *lock, const char *directory, const char *backend, const char *user, const char *folder);
/* One try; does not block. */
enum lock_result lock_try(struct lock *lock);
/* Frees it if it is held. */
void lock_release(struct lock *lock);

#endif
