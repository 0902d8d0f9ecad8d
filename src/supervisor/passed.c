/* passed - see passed.h. A socket is known by the address that it is bound to, not by a name. */
#include "supervisor/passed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/number.h"
#include "supervisor/listen.h"

#define FIRST 3 /* the first descriptor, by the protocol */

union address {
	struct sockaddr_storage any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint64_t variable(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	return text != NULL && number_parse(text, strlen(text), UINT32_MAX, &value) == 0 ? value : 0;
}

void passed_receive(struct passed *passed)
{
	uint64_t count = variable("LISTEN_FDS");

	passed->count = 0;
	if (variable("LISTEN_PID") != (uint64_t)getpid())
		count = 0;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	for (uint64_t i = 0; i < count && i < PASSED_MAX; i++) {
		int fd = FIRST + (int)i;

		passed->fds[passed->count++] = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
	}
}

void passed_close(struct passed *passed)
{
	for (size_t i = 0; i < passed->count; i++)
		close(passed->fds[i]);
	passed->count = 0;
}

/* Whether it is a TCP socket that listens, and where. */
static bool find_address(int fd, union address *address_r)
{
	int type = 0, listens = 0;
	socklen_t size = sizeof(type), whole = sizeof(*address_r);

	address_r->any.ss_family = AF_UNSPEC;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
		return false;
	size = sizeof(listens);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0)
		return false;
	return getsockname(fd, (struct sockaddr *)&address_r->any, &whole) == 0;
}

static bool is_for(const union address *address, const struct conf_listener *listener)
{
	struct in6_addr wanted;

	if (address->any.ss_family == AF_INET)
		return inet_pton(AF_INET, listener->address, &wanted) == 1 &&
		       memcmp(&wanted, &address->v4.sin_addr, sizeof(address->v4.sin_addr)) == 0 &&
		       ntohs(address->v4.sin_port) == listener->port;
	return address->any.ss_family == AF_INET6 && inet_pton(AF_INET6, listener->address, &wanted) == 1 &&
	       memcmp(&wanted, &address->v6.sin6_addr, sizeof(wanted)) == 0 &&
	       ntohs(address->v6.sin6_port) == listener->port;
}

int passed_find(const struct passed *passed, const struct conf_listener *listener)
{
	for (size_t i = 0; i < passed->count; i++) {
		union address address;
		int fd = passed->fds[i], flags;

		if (!find_address(fd, &address) || !is_for(&address, listener))
			continue;
		flags = fcntl(fd, F_GETFL);
		if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
			return listen_duplicate(fd);
	}
	return -1;
}

/* `::` in the configuration is no IPv4 address; IPv4 clients would be served as another listener says. */
static bool takes_both(int fd, const union address *address)
{
	int only = 1;
	socklen_t size = sizeof(only);

	return address->any.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr) &&
	       getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) == 0 && only == 0;
}

static bool has_listener(const union address *address, const struct conf *conf)
{
	for (size_t i = 0; i < conf->listener_count; i++)
		if (is_for(address, &conf->listeners[i]))
			return true;
	return false;
}

static void judge(int fd, int number, const struct conf *conf, struct conf_report *report)
{
	char text[INET6_ADDRSTRLEN] = "";
	union address address;
	unsigned port;
	bool v6;

	if (!find_address(fd, &address) || (address.any.ss_family != AF_INET && address.any.ss_family != AF_INET6)) {
		conf_report_add(report, conf->source, 0,
				"descriptor %d, passed by LISTEN_FDS, is no TCP socket that listens: in the socket "
				"unit use ListenStream= with address and port, and Accept=no",
				number);
		return;
	}
	v6 = address.any.ss_family == AF_INET6;
	port = ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
	(void)inet_ntop(address.any.ss_family,
			v6 ? (const void *)&address.v6.sin6_addr : (const void *)&address.v4.sin_addr, text,
			sizeof(text));
	if (takes_both(fd, &address))
		conf_report_add(report, conf->source, 0,
				"the socket on %s port %u, passed by LISTEN_FDS, takes IPv4 clients too: use "
				"BindIPv6Only=ipv6-only in the socket unit, and ListenStream= for IPv4",
				text, port);
	else if (!has_listener(&address, conf))
		conf_report_add(report, conf->source, 0,
				"a socket on %s port %u was passed by LISTEN_FDS, but no listener has that address and "
				"port: let the socket unit and `listeners` name the same",
				text, port);
}

void passed_judge(const struct passed *passed, const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < passed->count; i++)
		judge(passed->fds[i], FIRST + (int)i, conf, report);
}
