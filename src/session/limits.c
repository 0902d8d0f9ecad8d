/* limits - see limits.h. */
#include "session/limits.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config.h"

#define SESSION_FDS 64

/* AddressSanitizer's shadow takes terabytes of addresses: no limit on them is of use then. */
#ifdef WITH_SANITIZERS
#define SHADOWED true
#else
#define SHADOWED false
#endif

static uint64_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes it */
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, uint64_t value)
{
	struct rlimit limits;

	if (getrlimit((__rlimit_resource_t)resource, &limits) != 0)
		return;
	if (limits.rlim_max == RLIM_INFINITY || value < limits.rlim_max)
		limits.rlim_cur = limits.rlim_max = value;
	(void)setrlimit((__rlimit_resource_t)resource, &limits);
}

void limits_inherit(const struct conf_limits *limits)
{
	limit(RLIMIT_NOFILE, SESSION_FDS);
	if (limits->session_memory > 0 && !SHADOWED)
		limit(RLIMIT_AS, address_space() + limits->session_memory);
}

void limits_start(const struct conf_limits *limits)
{
	limit(RLIMIT_NPROC, 0); /* no process, no thread */
	if (limits->session_cpu > 0)
		limit(RLIMIT_CPU, limits->session_cpu);
}
