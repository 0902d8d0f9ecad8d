/* limits - what one session may use of the machine. Session process. */
#ifndef POPGATE_SESSION_LIMITS_H
#define POPGATE_SESSION_LIMITS_H

#include "common/conf.h"

/* Sets RLIMIT_NOFILE, RLIMIT_CPU and RLIMIT_AS (beyond what is mapped now) for this process, for good. */
void limits_apply(const struct conf_limits *limits);

#endif
