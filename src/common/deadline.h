/* deadline - points in time on the monotonic clock, in milliseconds.
 * Any process. */
#ifndef POPGATE_COMMON_DEADLINE_H
#define POPGATE_COMMON_DEADLINE_H

#include <poll.h>
#include <stdint.h>

#define DEADLINE_NEVER INT64_MAX

/* Now. */
int64_t deadline_now(void);
/* The time `milliseconds` (>= 0) from now; never past DEADLINE_NEVER. */
int64_t deadline_in(int64_t milliseconds);
/* What is left until then, as poll(2) takes it: 0 when passed, -1 for DEADLINE_NEVER. */
int deadline_left(int64_t deadline);
/* poll(2) until then, whatever interrupts it. */
int deadline_poll(struct pollfd *fds, nfds_t count, int64_t deadline);

#endif
