/* peer - see peer.h. Asks no name server: addresses stay numbers. */
#include "front/peer.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* A client that vanished is noticed within a quarter of a minute, idle or not. */
#define KEEPALIVE_IDLE	   6	 /* seconds */
#define KEEPALIVE_INTERVAL 3	 /* seconds */
#define KEEPALIVE_COUNT	   3	 /* probes */
#define UNACKNOWLEDGED_MAX 15000 /* milliseconds that sent octets may lack an acknowledgement */

static void set_option(evutil_socket_t fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void peer_set_options(evutil_socket_t fd)
{
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MAX);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

socklen_t peer_size(const struct sockaddr *address)
{
	return address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

void peer_name(const struct sockaddr *address, socklen_t size, char *text, size_t text_size)
{
	if (getnameinfo(address, size, text, (socklen_t)text_size, NULL, 0, NI_NUMERICHOST) != 0)
		evutil_snprintf(text, text_size, "unknown");
	else if (strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.') != NULL)
		memmove(text, text + 7, strlen(text + 7) + 1);
}
