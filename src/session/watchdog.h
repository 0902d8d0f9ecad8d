/* watchdog - the timer that ends a session which hangs: the process dies by
 * SIGALRM, with the default action, so that no loop in a library can ignore it. */
#ifndef POPGATE_SESSION_WATCHDOG_H
#define POPGATE_SESSION_WATCHDOG_H

#include <stdint.h>

/* Lets the process live for `milliseconds` and some slack from now, unless it
 * is armed anew. 0 disarms. */
void watchdog_arm(int64_t milliseconds);

#endif
