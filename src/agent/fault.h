/* fault - how the agent's parts fail. Agent process, and the verb `oauth`. */
#ifndef POPGATE_AGENT_FAULT_H
#define POPGATE_AGENT_FAULT_H

#include <popgate/plugin.h>

/* Fills *error. Always -1. */
int fault_set(struct popgate_error *error, enum popgate_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
