/* helper - the processes that check passwords against their hashes, which takes longer than an event loop may be kept.
 */
#ifndef POPGATE_HELPER_HELPER_H
#define POPGATE_HELPER_HELPER_H

#include "common/process.h"

/* A helper process. */
int helper_run(const struct process *process);

#endif
