/* heap - makes the spawner's heap fit to be inherited, and keeps a session's small. Spawner and session processes. */
#ifndef POPGATE_SESSION_HEAP_H
#define POPGATE_SESSION_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Takes what is free between the allocated blocks, for good: whatever a forked
 * process allocates then lies together at the heap's end, on pages of its own,
 * and those before it stay shared. Returns how many octets it took; 0 also
 * where the C library does not tell how its heap lies. */
size_t heap_settle(void);
/* From now on what is freed stays at hand, up to so many octets of it, for what is allocated next: pages that come and
 * go cost more than what is done with them. For this process and all that it forks. */
void heap_keep(uint64_t octets);
/* Gives the kernel back what is free, where it is enough to be worth the look. */
void heap_trim(void);

#endif
