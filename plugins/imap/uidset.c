/* uidset - sets of exactly the given UIDs, cut to what a command line may hold.
 *
 * Never allocates, never blocks. Runs in a session process.
 */
#include "uidset.h"

#include <stdio.h>

/* How many of the UIDs form one range. */
static size_t run_length(const uint32_t *uids, size_t count)
{
	size_t n = 1;

	while (n < count && uids[n] == uids[n - 1] + 1)
		n++;
	return n;
}

size_t uidset_write(const uint32_t *uids, size_t count, char *buffer, size_t size)
{
	size_t done = 0, used = 0;

	while (done < count && size - used >= UIDSET_MIN) {
		size_t run = run_length(uids + done, count - done);
		int n;

		if (run == 1)
			n = snprintf(buffer + used, size - used, "%s%u", used > 0 ? "," : "", uids[done]);
		else
			n = snprintf(buffer + used, size - used, "%s%u:%u", used > 0 ? "," : "", uids[done],
				     uids[done + run - 1]);
		used += (size_t)n;
		done += run;
	}
	return done;
}

size_t uidset_find(const uint32_t *uids, size_t count, uint32_t uid)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && uids[low] == uid ? low : count;
}
