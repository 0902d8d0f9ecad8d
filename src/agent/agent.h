/* agent - the process that fetches upstream credentials from where they are: files, systemd's credentials, commands,
 * the token store. */
#ifndef POPGATE_AGENT_AGENT_H
#define POPGATE_AGENT_AGENT_H

#include "common/process.h"

/* The agent process. */
int agent_run(const struct process *process);

#endif
