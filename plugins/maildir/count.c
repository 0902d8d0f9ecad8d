/* count - see count.h.
 *
 * A line ends at LF, with or without CR before it; a CR that no LF follows is an octet like any other, but at the very
 * end its LF is added. So the host sends it, and so it must be listed. Runs in session processes.
 */
#include "count.h"

#include <string.h>

void count_feed(struct count *count, const char *data, size_t size)
{
	const char *at = data, *end = data + size;

	if (size == 0)
		return;
	count->octets += size;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		char before = at > data ? at[-1] : count->last;

		count->octets += before != '\r';
		at++;
	}
	count->last = end[-1];
}

uint64_t count_total(const struct count *count)
{
	if (count->octets == 0 || count->last == '\n')
		return count->octets;
	return count->octets + (count->last == '\r' ? 1 : 2);
}
