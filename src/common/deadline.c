/* deadline - see deadline.h. Any process; the wall clock is never asked. */
#include "common/deadline.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

int64_t deadline_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_in(int64_t milliseconds)
{
	int64_t now = deadline_now();

	return milliseconds > DEADLINE_NEVER - now ? DEADLINE_NEVER : now + milliseconds;
}

int deadline_left(int64_t deadline)
{
	int64_t now;

	if (deadline == DEADLINE_NEVER)
		return -1;
	now = deadline_now();
	if (deadline <= now)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

int deadline_poll(struct pollfd *fds, nfds_t count, int64_t deadline)
{
	int ready;

	do
		ready = poll(fds, count, deadline_left(deadline));
	while (ready < 0 && errno == EINTR);
	return ready;
}
