/* limits - what one session may use of the machine. Spawner and session processes. */
#ifndef POPGATE_SESSION_LIMITS_H
#define POPGATE_SESSION_LIMITS_H

#include "common/conf.h"

/* Sets RLIMIT_NOFILE and RLIMIT_AS (beyond what is mapped now) for this process and all that it forks, for good. */
void limits_inherit(const struct conf_limits *limits);
/* Sets RLIMIT_CPU for this process, and forbids it others and threads, for good. */
void limits_start(const struct conf_limits *limits);

#endif
