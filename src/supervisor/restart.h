/* restart - how long a process that has died stays away, and whether its end is worth a line in the log. One that dies
 * as soon as it is started comes back at ever longer intervals. Pure. Supervisor process. */
#ifndef POPGATE_SUPERVISOR_RESTART_H
#define POPGATE_SUPERVISOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define RESTART_SOON 1000  /* the longest pause of those that must be there again within a second */
#define RESTART_MOST 30000 /* and of all others */

/* Begins as all zero. */
struct restart {
	unsigned failures; /* in a row: it was never READY, or died within a second */
};

/* A process has died after so many milliseconds, or could not be forked (0, false). Returns the milliseconds until
 * another is started, `most` at most. */
int64_t restart_pause(struct restart *restart, int64_t lived, bool was_ready, int64_t most);
/* Whether the log tells of this death: of every one at first, and then of fewer and fewer. */
bool restart_is_told(const struct restart *restart);
/* Whether it is one that keeps failing. */
bool restart_is_failing(const struct restart *restart);

#endif
