/* shim - preloaded into popgate by tests: lets one allocation of one of its processes fail, shifts the wall clock,
 * and has the disk fail. What it does stands in a file that the test maps too (shim.py). CLOCK_ALONE leaves the
 * allocation functions to others, as a sanitizer has its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct control {
	char process[16];	 /* whose allocations count; empty: nobody's */
	_Atomic int64_t at;	 /* the one that fails, from 1 */
	_Atomic int64_t calls;	 /* so far */
	_Atomic int64_t failed;	 /* how many did */
	_Atomic int64_t more;	 /* how many behind it fail too */
	_Atomic int64_t clock;	 /* seconds that the wall clock is ahead */
	char syslog[104];	 /* stands for /dev/log; empty: nothing does */
	_Atomic int64_t folders; /* fsync of one fails */
	_Atomic int64_t renames; /* fail */
};

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("POPGATE_SHIM");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (page != MAP_FAILED)
		control = page;
}

#ifndef CLOCK_ALONE

/* ---- memory ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static char name[16] = "popgate";

int prctl(int option, ...)
{
	unsigned long values[4];
	va_list arguments;

	va_start(arguments, option);
	for (int i = 0; i < 4; i++)
		values[i] = va_arg(arguments, unsigned long);
	va_end(arguments);
	if (option == PR_SET_NAME) {
		strncpy(name, (const char *)values[0], sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
	}
	return (int)syscall(SYS_prctl, option, values[0], values[1], values[2], values[3]);
}

static int fails(void)
{
	int64_t call, at;

	if (control == NULL || control->process[0] == '\0' || strncmp(control->process, name, sizeof(name)) != 0)
		return 0;
	call = atomic_fetch_add(&control->calls, 1) + 1;
	at = atomic_load(&control->at);
	if (call < at || call > at + atomic_load(&control->more))
		return 0;
	atomic_fetch_add(&control->failed, 1);
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t count, size_t size)
{
	size_t octets;

	if (__builtin_mul_overflow(count, size, &octets) || fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(old, octets);
}

#endif

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *time_r)
{
	int result = (int)syscall(SYS_clock_gettime, clock, time_r);

	if (result == 0 && control != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		time_r->tv_sec += atomic_load(&control->clock);
	return result;
}

time_t time(time_t *time_r)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (time_r != NULL)
		*time_r = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict time_r, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	time_r->tv_sec = now.tv_sec;
	time_r->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* ---- the system's log ---- */

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	struct sockaddr_un other = {.sun_family = AF_UNIX};
	const struct sockaddr_un *local = (const struct sockaddr_un *)address;

	if (control == NULL || control->syslog[0] == '\0' || address->sa_family != AF_UNIX ||
	    strcmp(local->sun_path, "/dev/log") != 0)
		return (int)syscall(SYS_connect, fd, address, size);
	memcpy(other.sun_path, control->syslog, sizeof(control->syslog));
	return (int)syscall(SYS_connect, fd, &other, sizeof(other));
}

/* ---- the disk ---- */

int fsync(int fd)
{
	struct stat status;

	if (control == NULL || atomic_load(&control->folders) == 0 || fstat(fd, &status) != 0 ||
	    !S_ISDIR(status.st_mode))
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

int renameat(int old_folder, const char *old, int folder, const char *new)
{
	if (control == NULL || atomic_load(&control->renames) == 0)
		return (int)syscall(SYS_renameat2, old_folder, old, folder, new, 0);
	errno = EIO;
	return -1;
}
