/* output - see output.h. Never drops an octet silently; never writes after a failure. */
#include "session/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/deadline.h"
#include "session/watchdog.h"

#define LINE_OCTETS 512
#define STALL_LOOKS 4 /* in a stall_timeout */

void output_init(struct output *output, int fd, int64_t stall, struct phase_page *page)
{
	memset(output, 0, offsetof(struct output, buffer));
	output->fd = output->watched = fd;
	output->flags = fcntl(fd, F_GETFL);
	output->stall = stall;
	output->page = page;
	if (output->flags >= 0)
		(void)fcntl(fd, F_SETFL, output->flags | O_NONBLOCK);
}

void output_move(struct output *output, int fd)
{
	output->fd = fd;
	output->flags = -1;
}

void output_end(struct output *output)
{
	if (output->flags >= 0)
		(void)fcntl(output->fd, F_SETFL, output->flags);
}

/* Of a reply that goes on, TCP may keep what does not fill a segment for a moment: one packet wakes the client once. */
static ssize_t write_some(int fd, const char *data, size_t size, bool goes_on)
{
	ssize_t wrote;

	do {
		wrote = send(fd, data, size, MSG_NOSIGNAL | (goes_on ? MSG_MORE : 0));
		if (wrote < 0 && errno == ENOTSOCK)
			wrote = write(fd, data, size); /* a pipe; SIGPIPE is ignored in every process */
	} while (wrote < 0 && errno == EINTR);
	return wrote;
}

/* Octets that the other side has not taken yet; -1: nobody knows. */
static int untaken(int fd)
{
	int octets;

	return ioctl(fd, TIOCOUTQ, &octets) == 0 ? octets : -1;
}

/* Waits until there is room. The kernel says so only when a third of the buffer is free, which may be a megabyte: a
 * client that is slow, but takes octets all the time, has not stalled. */
static int wait_writable(struct output *output)
{
	struct pollfd fds[2] = {{.fd = output->fd, .events = POLLOUT}, {.fd = output->watched}};
	int64_t deadline = deadline_in(output->stall);
	int ready, left, before = untaken(output->fd);

	do {
		int64_t look = deadline_in(output->stall / STALL_LOOKS + 1);

		watchdog_arm(output->stall);
		ready = deadline_poll(fds, 2, look < deadline ? look : deadline);
		left = untaken(output->fd);
		if (left < before)
			deadline = deadline_in(output->stall);
		before = left;
	} while (ready == 0 && deadline_left(deadline) > 0);
	output->stalled = ready == 0;
	return ready > 0 && fds[1].revents == 0 ? 0 : -1;
}

static int send_all(struct output *output, const char *data, size_t size)
{
	phase_note_write(output->page, output->sent + size, output->settled, output->inside);
	while (size > 0) {
		ssize_t wrote = write_some(output->fd, data, size, output->inside);

		if (wrote > 0) {
			data += wrote;
			size -= (size_t)wrote;
			output->sent += (uint64_t)wrote;
		} else if (wrote == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || wait_writable(output) != 0) {
			output->failed = true;
			return -1;
		}
	}
	return 0;
}

/* A socket that is called writable has room for a buffer. */
bool output_has_room(const struct output *output)
{
	struct pollfd fd = {.fd = output->fd, .events = POLLOUT};

	return output->size == 0 || deadline_poll(&fd, 1, deadline_now()) != 0;
}

int output_flush(struct output *output)
{
	size_t size = output->size;

	if (output->failed)
		return -1;
	output->size = 0;
	return size == 0 ? 0 : send_all(output, output->buffer, size);
}

uint64_t output_mark(const struct output *output)
{
	return output->sent + output->size;
}

int output_rewind(struct output *output, uint64_t mark)
{
	if (output->failed || output->sent > mark)
		return -1;
	output->size = (size_t)(mark - output->sent);
	return 0;
}

int output_write(struct output *output, const void *data, size_t size)
{
	if (output->failed)
		return -1;
	if (size > sizeof(output->buffer) - output->size) {
		if (output_flush(output) != 0)
			return -1;
		if (size >= sizeof(output->buffer))
			return send_all(output, data, size);
	}
	memcpy(output->buffer + output->size, data, size);
	output->size += size;
	return 0;
}

int output_line(struct output *output, const char *format, ...)
{
	char line[LINE_OCTETS + 1];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(line, LINE_OCTETS - 1, format, arguments);
	va_end(arguments);
	if (size < 0)
		return -1;
	if (size > LINE_OCTETS - 2)
		size = LINE_OCTETS - 2;
	memcpy(line + size, "\r\n", 2); /* NOLINT(bugprone-not-null-terminated-result): octets, not a string */
	return output_write(output, line, (size_t)size + 2);
}
