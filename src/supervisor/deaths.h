/* deaths - the ends of processes: what the log says of them, when another is started, and what is left of them when
 * popgate stops. Supervisor process. */
#ifndef POPGATE_SUPERVISOR_DEATHS_H
#define POPGATE_SUPERVISOR_DEATHS_H

#include <signal.h>
#include <stdbool.h>

#include "supervisor/generation.h"

/* Logs that it died with this status of waitpid(2), and sets when another is started. */
void deaths_take(struct generation_process *process, int status);
/* No other could be forked: when that is tried again, however often it was. */
void deaths_no_fork(struct generation_process *process);

/* Waits for what processes that were killed have left behind, whose parent is the supervisor now: sessions notice that
 * their front has gone, and get `patience` milliseconds; requests for tokens store what comes, until fetch_deadline.
 * Signals out of `unblocked` may come; once *stops counts a second one it ends at once. */
void deaths_await_orphans(int64_t patience, int64_t fetch_deadline, const sigset_t *unblocked,
			  const volatile sig_atomic_t *stops);

#endif
