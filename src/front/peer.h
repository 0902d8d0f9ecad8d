/* peer - who is at the other end of a client's connection, and how soon one
 * that vanished is noticed. Front process. */
#ifndef POPGATE_FRONT_PEER_H
#define POPGATE_FRONT_PEER_H

#include <event2/util.h>
#include <stddef.h>
#include <sys/socket.h>

/* Sets keepalive and the like on an accepted socket. */
void peer_set_options(evutil_socket_t fd);
/* The octets of an address of IPv4 or IPv6. */
socklen_t peer_size(const struct sockaddr *address);
/* The address without port; an IPv4 client of an IPv6 socket gets its IPv4 address. */
void peer_name(const struct sockaddr *address, socklen_t size, char *text, size_t text_size);

#endif
