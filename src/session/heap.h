/* heap - makes the spawner's heap fit to be inherited, and keeps a session's small. Spawner and session processes. */
#ifndef POPGATE_SESSION_HEAP_H
#define POPGATE_SESSION_HEAP_H

#include <stddef.h>

/* Takes what is free between the allocated blocks, for good: whatever a forked
 * process allocates then lies together at the heap's end, on pages of its own,
 * and those before it stay shared. Returns how many octets it took; 0 also
 * where the C library does not tell how its heap lies. */
size_t heap_settle(void);
/* Gives the kernel back what is free, where it is enough to be worth the look. */
void heap_trim(void);

#endif
