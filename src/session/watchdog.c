/* watchdog - see watchdog.h. Session process. */
#include "session/watchdog.h"

#include <unistd.h>

#include "common/deadline.h"

#define SLACK	30000	 /* milliseconds that a hang may last beyond its deadline */
#define LONGEST 86400000 /* milliseconds */

void watchdog_arm(int64_t milliseconds)
{
	static int64_t armed; /* when the alarm comes, which is the process's too; 0: not at all */
	int64_t now = deadline_now(), due = now + (milliseconds > LONGEST ? LONGEST : milliseconds) + SLACK;

	/* an alarm that comes a little early, still within the slack, need not be set anew: there is one at every turn
	 */
	if (milliseconds > 0 && armed <= due && armed > due - SLACK / 2)
		return;
	armed = milliseconds > 0 ? due : 0;
	alarm(milliseconds > 0 ? (unsigned)((due - now) / 1000) : 0);
}
