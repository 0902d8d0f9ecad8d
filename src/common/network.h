/* network - addresses and networks of them (CIDR), as configurations write them. Pure. */
#ifndef POPGATE_COMMON_NETWORK_H
#define POPGATE_COMMON_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

/* IPv4 addresses are kept as IPv6 ones (::ffff:0:0/96). */
struct network {
	uint8_t address[16];
	unsigned bits; /* of the 128 that count */
};

/* "192.0.2.0/24", "2001:db8::/32", or one address. 0, or -1: malformed, or with bits set behind the prefix. */
int network_parse(const char *text, struct network *network_r);
/* Whether a numeric address, without brackets and port, lies in it. An IPv4 address written as an IPv6 one is that IPv4
 * address, and one of a link (fe80::1%eth0) is the same on every link. */
bool network_holds(const struct network *network, const char *address);

#endif
