/* network - see network.h. */
#include "common/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/number.h"

#define ADDRESS_ROOM 64 /* octets of the longest address's text, with room */
#define MAPPED	     96 /* bits in front of an IPv4 address */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const uint8_t address[16])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

/* Returns the bits that the family's addresses have, or 0: it is none. */
static unsigned parse_address(const char *text, uint8_t address_r[16])
{
	if (inet_pton(AF_INET6, text, address_r) == 1)
		return 128;
	memcpy(address_r, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, address_r + sizeof(mapped)) == 1 ? 32 : 0;
}

static bool same_bits(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned octets = bits / 8, rest = bits % 8;

	return memcmp(a, b, octets) == 0 && (rest == 0 || ((a[octets] ^ b[octets]) >> (8 - rest)) == 0);
}

/* Whether no bit behind the prefix is set. */
static bool is_clean(const struct network *network)
{
	for (unsigned bit = network->bits; bit < 128; bit++)
		if ((network->address[bit / 8] & (0x80 >> bit % 8)) != 0)
			return false;
	return true;
}

int network_parse(const char *text, struct network *network_r)
{
	size_t size = strcspn(text, "/");
	struct network network;
	char address[ADDRESS_ROOM];
	unsigned width;
	uint64_t bits;

	if (size >= sizeof(address))
		return -1;
	memcpy(address, text, size);
	address[size] = '\0';
	width = parse_address(address, network.address);
	if (width == 0)
		return -1;
	bits = width;
	if (text[size] == '/' && number_parse(text + size + 1, strlen(text + size + 1), width, &bits) != 0)
		return -1;
	network.bits = (unsigned)bits + (width == 32 ? MAPPED : 0);
	if (!is_clean(&network))
		return -1;
	*network_r = network;
	return 0;
}

/* The address of a peer on one of our links has the link's name behind it. */
static int parse_peer(const char *text, uint8_t address_r[16])
{
	char address[ADDRESS_ROOM];
	size_t size = strcspn(text, "%");

	if (text[size] == '\0')
		return parse_address(text, address_r) == 0 ? -1 : 0;
	if (size >= sizeof(address) || text[size + 1] == '\0')
		return -1;
	memcpy(address, text, size);
	address[size] = '\0';
	return parse_address(address, address_r) == 128 && address_r[0] == 0xfe && (address_r[1] & 0xc0) == 0x80 ? 0
														 : -1;
}

bool network_holds(const struct network *network, const char *address)
{
	uint8_t octets[16];

	if (parse_peer(address, octets) != 0)
		return false;
	/* ::/0 and its like are of IPv6 alone */
	if (is_mapped(octets) != (network->bits >= MAPPED && is_mapped(network->address)))
		return false;
	return same_bits(network->address, octets, network->bits);
}
