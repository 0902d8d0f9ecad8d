/* watchdog - see watchdog.h. Session process. */
#include "session/watchdog.h"

#include <unistd.h>

#define SLACK	30    /* seconds that a hang may last beyond its deadline */
#define LONGEST 86400 /* seconds */

void watchdog_arm(int64_t milliseconds)
{
	int64_t seconds = milliseconds / 1000;

	alarm(milliseconds <= 0 ? 0 : (unsigned)(seconds > LONGEST ? LONGEST : seconds) + SLACK);
}
