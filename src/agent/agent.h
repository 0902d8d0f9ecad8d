/* agent - the process that fetches upstream credentials from where they are: files, systemd's credentials, commands,
 * the token store. It also notes when devices' passwords are used. */
#ifndef POPGATE_AGENT_AGENT_H
#define POPGATE_AGENT_AGENT_H

#include "common/process.h"

/* The agent process. */
int agent_run(const struct process *process);

#endif
