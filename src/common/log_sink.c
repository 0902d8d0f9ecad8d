/* log_sink - see log_sink.h. Many processes share a descriptor, so that a pipe may be full whatever poll(2) said just
 * before, and nobody may change how it blocks for the others: standard error is opened anew where that is possible.
 * syslog(3) is not used, for it waits for a daemon that reads nothing. */
#include "common/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_PATH "/dev/log"
#define SYSLOG_MAX  2304 /* octets: a line, and what stands before it */
#define TELL_WAIT   250	 /* milliseconds */

static struct {
	int error; /* standard error of our own; -1: there is none */
	bool looked;
	int syslog;
} sink = {.error = -1, .syslog = -1};

static void open_error(void)
{
	struct stat status;

	if (sink.looked)
		return;
	sink.looked = true;
	if (fstat(STDERR_FILENO, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
		sink.error = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static int connect_syslog(void)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};

	return connect(sink.syslog, (const struct sockaddr *)&address, sizeof(address));
}

static void open_syslog(void)
{
	if (sink.syslog >= 0)
		return;
	sink.syslog = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sink.syslog >= 0)
		(void)connect_syslog(); /* or with the first line */
	tzset();
}

void log_sink_prepare(int fd)
{
	open_error();
	if (fd < 0)
		open_syslog();
}

ssize_t log_sink_write(int fd, const char *data, size_t size)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	ssize_t wrote;

	if (fd == STDERR_FILENO) {
		open_error();
		ready.fd = sink.error >= 0 ? sink.error : fd;
	}
	wrote = send(ready.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (wrote >= 0 || errno != ENOTSOCK)
		return wrote;
	/* a line is shorter than PIPE_BUF: a pipe takes it whole or not at all */
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
		return -1;
	return write(ready.fd, data, size);
}

bool log_sink_syslog(int priority, const char *text)
{
	char line[SYSLOG_MAX], stamp[32] = "";
	time_t now = time(NULL);
	struct tm local;
	int size;

	open_syslog();
	if (localtime_r(&now, &local) != NULL)
		strftime(stamp, sizeof(stamp), "%b %e %T ", &local);
	size = snprintf(line, sizeof(line), "<%d>%spopgate[%ld]: %s", LOG_MAIL | priority, stamp, (long)getpid(), text);
	if (size < 0)
		return false;
	if ((size_t)size >= sizeof(line))
		size = sizeof(line) - 1;
	if (send(sink.syslog, line, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN || errno == ENOBUFS || connect_syslog() != 0)
		return false;
	return send(sink.syslog, line, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void log_sink_tell(const char *text)
{
	static bool deaf;
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[2048];
	int size = snprintf(line, sizeof(line), "%s\n", text);

	if (size >= (int)sizeof(line))
		size = sizeof(line) - 1;
	deaf = poll(&ready, 1, deaf ? 0 : TELL_WAIT) != 1;
	if (size > 0 && !deaf)
		(void)log_sink_write(STDERR_FILENO, line, (size_t)size);
}
