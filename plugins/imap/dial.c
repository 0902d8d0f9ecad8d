/* dial - connects to one address after the other within one deadline.
 *
 * An address that leads nowhere costs a share of the time, not all of it:
 * two seconds at most while others are left. The resolver has no deadline
 * of its own; the host's session timer stands behind it.
 *
 * Never calls select, so that descriptors above 1023 are fine.
 * Runs in a session process.
 */
#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESS_SHARE 2000 /* milliseconds */

/* One attempt at connecting. */
struct attempt {
	const struct popgate_host *host;
	struct popgate_session *session;
	int64_t deadline;
	char *text;
	size_t text_size;
};

static int open_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	/* worth having, not worth failing for */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return fd;
}

static enum transport_fault finish(const struct attempt *a, int fd)
{
	int problem = 0;
	socklen_t size = sizeof(problem);

	switch (a->host->wait(a->session, fd, POPGATE_WRITABLE, a->deadline)) {
	case POPGATE_READY:
		break;
	case POPGATE_TIMEOUT:
		snprintf(a->text, a->text_size, "no answer to connect");
		return TRANSPORT_TIMEOUT;
	case POPGATE_CLIENT_GONE:
		snprintf(a->text, a->text_size, "the client has gone");
		return TRANSPORT_STOPPED;
	case POPGATE_WAIT_FAILED:
		snprintf(a->text, a->text_size, "wait failed");
		return TRANSPORT_MEMORY;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
		problem = errno;
	if (problem == 0)
		return TRANSPORT_FINE;
	snprintf(a->text, a->text_size, "%s", strerror(problem));
	return TRANSPORT_UNREACHABLE;
}

static enum transport_fault try_address(const struct attempt *a, const struct addrinfo *address, int *fd_r)
{
	int fd = open_socket(address->ai_family);
	enum transport_fault fault;

	if (fd < 0) {
		snprintf(a->text, a->text_size, "socket: %s", strerror(errno));
		return TRANSPORT_UNREACHABLE;
	}
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
		fault = TRANSPORT_FINE;
	} else if (errno == EINPROGRESS || errno == EINTR) {
		fault = finish(a, fd);
	} else {
		snprintf(a->text, a->text_size, "%s", strerror(errno));
		fault = TRANSPORT_UNREACHABLE;
	}
	if (fault == TRANSPORT_FINE)
		*fd_r = fd;
	else
		close(fd);
	return fault;
}

/* When the try of one address must end, with `left` of them to go, it included. */
static int64_t share_of(int64_t now, int64_t deadline, size_t left)
{
	int64_t share = deadline > now ? (deadline - now) / (int64_t)left : 0;

	if (left == 1)
		return deadline;
	return now + (share < ADDRESS_SHARE ? share : ADDRESS_SHARE);
}

static enum transport_fault try_all(struct attempt *a, const struct addrinfo *list, int64_t deadline, int *fd_r)
{
	enum transport_fault fault = TRANSPORT_UNREACHABLE;
	size_t left = 0;

	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
		left++;
	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next, left--) {
		int64_t now = a->host->now();

		if (now >= deadline)
			return TRANSPORT_TIMEOUT;
		a->deadline = share_of(now, deadline, left);
		fault = try_address(a, at, fd_r);
		if (fault == TRANSPORT_FINE || fault == TRANSPORT_STOPPED || fault == TRANSPORT_MEMORY)
			break;
	}
	return fault;
}

enum transport_fault dial(const struct popgate_host *host, struct popgate_session *session, const char *name,
			  unsigned port, int64_t deadline, int *fd_r, char *text, size_t text_size)
{
	struct attempt a = {.host = host, .session = session, .text = text, .text_size = text_size};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	enum transport_fault fault;
	char service[12];
	int r;

	snprintf(service, sizeof(service), "%u", port);
	snprintf(text, text_size, "no answer to connect");
	r = getaddrinfo(name, service, &hints, &list);
	if (r != 0) {
		snprintf(text, text_size, "%s: %s", name, gai_strerror(r));
		return TRANSPORT_UNREACHABLE;
	}
	fault = try_all(&a, list, deadline, fd_r);
	freeaddrinfo(list);
	return fault;
}
