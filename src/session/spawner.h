/* spawner - loads the plugins once and forks a session for each login. */
#ifndef POPGATE_SESSION_SPAWNER_H
#define POPGATE_SESSION_SPAWNER_H

#include "common/process.h"

/* The spawner process. */
int spawner_run(const struct process *process);

#endif
