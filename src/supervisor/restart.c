/* restart - see restart.h. */
#include "supervisor/restart.h"

#define QUICK	    1000  /* milliseconds of life below which a death is a failure */
#define LONG_ENOUGH 10000 /* milliseconds of life after which those before are forgotten */
#define FIRST	    500	  /* milliseconds of the first pauses */
#define FIRST_ONES  3	  /* of which there are so many */

int64_t restart_pause(struct restart *restart, int64_t lived, bool was_ready, int64_t most)
{
	int64_t pause = FIRST;

	if (was_ready && lived >= QUICK) {
		if (lived >= LONG_ENOUGH)
			restart->failures = 0;
		return 0;
	}
	restart->failures++;
	for (unsigned i = FIRST_ONES; i < restart->failures && pause < most; i++)
		pause *= 2;
	return pause < most ? pause : most;
}

bool restart_is_failing(const struct restart *restart)
{
	return restart->failures > FIRST_ONES;
}

bool restart_is_told(const struct restart *restart)
{
	return !restart_is_failing(restart) || (restart->failures & (restart->failures - 1)) == 0;
}
