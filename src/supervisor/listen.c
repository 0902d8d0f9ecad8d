/* listen - see listen.h. */
#include "supervisor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static const char *remedy(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "; stop the program that has the port, or choose another";
	case EACCES:
		return "; ports below 1024 need root, CAP_NET_BIND_SERVICE or a socket from systemd (popgate.socket)";
	case EADDRNOTAVAIL:
		return "; no interface of this machine has the address";
	}
	return "";
}

static int bind_socket(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, error;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int listen_open(const struct conf_listener *listener, struct conf_report *report)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	char port[16];
	int fd, found;

	snprintf(port, sizeof(port), "%u", listener->port);
	found = getaddrinfo(listener->address, port, &hints, &address);
	if (found != 0) {
		conf_report_add(report, listener->file, listener->line, "listener %s port %u: %s", listener->address,
				listener->port, gai_strerror(found));
		return -1;
	}
	fd = bind_socket(address);
	if (fd < 0)
		conf_report_add(report, listener->file, listener->line, "cannot listen on %s port %u: %s%s",
				listener->address, listener->port, strerror(errno), remedy(errno));
	freeaddrinfo(address);
	return fd;
}

int listen_duplicate(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

unsigned listen_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char port[16];
	unsigned value = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	    getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV) == 0)
		/* NOLINTNEXTLINE(cert-err34-c): getnameinfo has written it */
		(void)sscanf(port, "%u", &value);
	return value;
}

void listen_log(const struct conf_listener *listener, int fd)
{
	unsigned port = listen_port(fd);
	struct log_line line;

	log_begin(&line, POPGATE_LOG_INFO, "listening", NULL);
	log_text(&line, "address", listener->address);
	log_number(&line, "port", port);
	log_end(&line);
	if (listener->tls != CONF_TLS_NONE && listener->profile == CONF_PROFILE_LEGACY)
		log_say(
		    POPGATE_LOG_WARN, NULL,
		    "listener %s port %u: profile legacy takes TLS 1.0 and suites that do not keep a secret for long",
		    listener->address, port);
}

void listen_announce(const struct conf_listener *listener, int fd)
{
	bool bracketed = strchr(listener->address, ':') != NULL;
	unsigned port = listen_port(fd);

	printf("popgate is ready. In the POP3 program:\n"
	       "  server      %s\n"
	       "  port        %u\n"
	       "  encryption  none (this listener is reachable from this machine only)\n"
	       "  name        the IMAP account's name, often the whole mail address\n"
	       "  password    the IMAP account's password (or the app password that the provider wants)\n"
	       "Try it:  curl --user NAME pop3://%s%s%s:%u/\n"
	       "Stop it with Ctrl-C.\n",
	       listener->address, port, bracketed ? "[" : "", listener->address, bracketed ? "]" : "", port);
	fflush(stdout);
}
