/* proxy_header - what a proxy says first on each of its connections: for whom it is (PROXY protocol, versions 1 and 2).
 * Pure; front process. */
#ifndef POPGATE_FRONT_PROXY_HEADER_H
#define POPGATE_FRONT_PROXY_HEADER_H

#include <stddef.h>
#include <sys/socket.h>

#define PROXY_LINE_MAX	 107  /* octets of a header of version 1, with its CRLF */
#define PROXY_HEADER_MAX 4096 /* octets of one of version 2; the protocol would allow 65,551 */

/* Begins as all zero. */
struct proxy_header {
	unsigned char octets[PROXY_LINE_MAX]; /* the first of them */
	size_t size;			      /* all that were taken */
};

enum proxy_event {
	PROXY_MORE,	/* it goes on */
	PROXY_CLIENT,	/* its end: the connection is this client's */
	PROXY_OWN,	/* its end: the connection is the proxy's own, or of somebody without an address */
	PROXY_MALFORMED /* *why_r says in what, for the log */
};

/* Takes the next octets of a connection as far as they are the header's; *used_r of them, not one more. Whether it is
 * sound shows at its end, or as soon as it cannot be: then *used_r tells nothing. CLIENT: *address_r is the client's,
 * of IPv4 or IPv6. */
enum proxy_event proxy_header_take(struct proxy_header *header, const unsigned char *data, size_t size, size_t *used_r,
				   struct sockaddr_storage *address_r, const char **why_r);

#endif
