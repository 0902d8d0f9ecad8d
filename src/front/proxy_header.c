/* proxy_header - see proxy_header.h. Keeps addresses and nothing else; what version 2 may carry beside them is passed
 * over. */
#include "front/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "common/number.h"

#define SIGNATURE_SIZE 12
#define FIXED_SIZE     16 /* of version 2: signature, version and command, family, size of the rest */

static const unsigned char signature[SIGNATURE_SIZE] = "\r\n\r\n\0\r\nQUIT\n";
static const char first_word[] = "PROXY ";

static enum proxy_event malformed(const char **why_r, const char *why)
{
	*why_r = why;
	return PROXY_MALFORMED;
}

/* ---- version 1: a line of text ---- */

/* Cuts the word before the next blank, or the last one, out of a text. NULL: there is none. */
static char *cut_word(char **rest)
{
	char *word = *rest, *end;

	if (word == NULL)
		return NULL;
	end = strchr(word, ' ');
	*rest = end == NULL ? NULL : end + 1;
	if (end != NULL)
		*end = '\0';
	return word;
}

static bool is_port(const char *word, uint16_t *port_r)
{
	size_t size = word == NULL ? 0 : strlen(word);
	uint64_t port;

	if (size == 0 || (size > 1 && *word == '0') || number_parse(word, size, UINT16_MAX, &port) != 0)
		return false;
	*port_r = (uint16_t)port;
	return true;
}

static bool is_address(int family, const char *word, void *address_r)
{
	return word != NULL && inet_pton(family, word, address_r) == 1;
}

/* "SOURCE DESTINATION PORT PORT". */
static enum proxy_event read_addresses(int family, char *rest, struct sockaddr_storage *address_r, const char **why_r)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	void *source = family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr;
	struct in6_addr other;
	uint16_t port, other_port;

	if (!is_address(family, cut_word(&rest), source) || !is_address(family, cut_word(&rest), &other))
		return malformed(why_r, "no addresses of the family that it names");
	if (!is_port(cut_word(&rest), &port) || !is_port(cut_word(&rest), &other_port) || rest != NULL)
		return malformed(why_r, "no two ports at its end");
	four.sin_port = six.sin6_port = htons(port);
	memset(address_r, 0, sizeof(*address_r));
	if (family == AF_INET)
		memcpy(address_r, &four, sizeof(four));
	else
		memcpy(address_r, &six, sizeof(six));
	return PROXY_CLIENT;
}

/* All of it is there, with CRLF. */
static enum proxy_event read_line(const struct proxy_header *header, struct sockaddr_storage *address_r,
				  const char **why_r)
{
	char line[PROXY_LINE_MAX], *rest = line + sizeof(first_word) - 1;
	size_t size = header->size - 2;
	const char *family;

	if (header->size < sizeof(first_word) + 1 || header->octets[size] != '\r' ||
	    memchr(header->octets, '\0', size) != NULL || memchr(header->octets, '\r', size) != NULL)
		return malformed(why_r, "its line is none");
	memcpy(line, header->octets, size);
	line[size] = '\0';
	family = cut_word(&rest);
	if (strcmp(family, "UNKNOWN") == 0)
		return PROXY_OWN;
	if (strcmp(family, "TCP4") == 0)
		return read_addresses(AF_INET, rest, address_r, why_r);
	if (strcmp(family, "TCP6") == 0)
		return read_addresses(AF_INET6, rest, address_r, why_r);
	return malformed(why_r, "neither TCP4, TCP6 nor UNKNOWN");
}

/* ---- version 2: octets ---- */

enum { LOCAL = 0x20, PROXIED = 0x21 };			       /* version and command */
enum { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX = 0x31 }; /* family and transport */

static size_t whole_size(const struct proxy_header *header)
{
	return FIXED_SIZE + ((size_t)header->octets[14] << 8 | header->octets[15]);
}

/* The first octets of version 2 are there: whether it may go on. */
static const char *judge_fixed(const struct proxy_header *header)
{
	unsigned command = header->octets[12], family = header->octets[13];
	size_t addresses = 0;

	if (command != LOCAL && command != PROXIED)
		return "neither LOCAL nor PROXY, or another version";
	if (whole_size(header) > PROXY_HEADER_MAX)
		return "longer than 4096 octets";
	if (command == LOCAL)
		return NULL;
	if (family == TCP4)
		addresses = 2 * (4 + 2);
	else if (family == TCP6)
		addresses = 2 * (16 + 2);
	else if (family == UNIX)
		addresses = 2 * 108;
	else if (family != UNSPEC)
		return "neither TCP over IPv4 or IPv6, nor a stream of UNIX, nor unspecified";
	return whole_size(header) < FIXED_SIZE + addresses ? "shorter than its addresses" : NULL;
}

static enum proxy_event read_octets(const struct proxy_header *header, struct sockaddr_storage *address_r)
{
	const unsigned char *at = header->octets + FIXED_SIZE;
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};

	if (header->octets[12] == LOCAL || (header->octets[13] != TCP4 && header->octets[13] != TCP6))
		return PROXY_OWN;
	memset(address_r, 0, sizeof(*address_r));
	if (header->octets[13] == TCP4) {
		memcpy(&four.sin_addr, at, 4);
		memcpy(&four.sin_port, at + 8, 2);
		memcpy(address_r, &four, sizeof(four));
	} else {
		memcpy(&six.sin6_addr, at, 16);
		memcpy(&six.sin6_port, at + 32, 2);
		memcpy(address_r, &six, sizeof(six));
	}
	return PROXY_CLIENT;
}

/* ---- both ---- */

/* How many octets there are at least before more can be said. 0: it cannot be a header. */
static size_t wanted(const struct proxy_header *header)
{
	size_t size = header->size < SIGNATURE_SIZE ? header->size : SIGNATURE_SIZE;

	if (header->size > 0 && header->octets[0] == signature[0]) {
		if (memcmp(header->octets, signature, size) != 0)
			return 0;
		return header->size < FIXED_SIZE ? FIXED_SIZE : whole_size(header);
	}
	size = header->size < sizeof(first_word) - 1 ? header->size : sizeof(first_word) - 1;
	if (memcmp(header->octets, first_word, size) != 0)
		return 0;
	return header->size < sizeof(first_word) - 1 ? sizeof(first_word) - 1 : PROXY_LINE_MAX;
}

/* The next octets, as many as surely belong to it. */
static size_t take(struct proxy_header *header, const unsigned char *data, size_t size, size_t most)
{
	size_t used = most - header->size < size ? most - header->size : size, kept = 0;
	const unsigned char *end =
	    header->size == 0 || header->octets[0] != signature[0] ? memchr(data, '\n', used) : NULL;

	/* the first octet alone says which version it is */
	if (header->size == 0)
		used = 1;
	else if (end != NULL)
		used = (size_t)(end + 1 - data);
	if (header->size < sizeof(header->octets)) {
		kept = sizeof(header->octets) - header->size < used ? sizeof(header->octets) - header->size : used;
		memcpy(header->octets + header->size, data, kept);
	}
	header->size += used;
	return used;
}

/* What is there so far. */
static enum proxy_event judge(const struct proxy_header *header, struct sockaddr_storage *address_r, const char **why_r)
{
	size_t most = wanted(header);
	const char *why = NULL;

	if (most == 0)
		return malformed(why_r, "the connection begins with something else");
	if (header->octets[0] != signature[0]) {
		if (header->octets[header->size - 1] == '\n')
			return read_line(header, address_r, why_r);
		return header->size < PROXY_LINE_MAX ? PROXY_MORE
						     : malformed(why_r, "its line is longer than 107 octets");
	}
	if (header->size >= FIXED_SIZE)
		why = judge_fixed(header);
	if (why != NULL)
		return malformed(why_r, why);
	return header->size < most ? PROXY_MORE : read_octets(header, address_r);
}

enum proxy_event proxy_header_take(struct proxy_header *header, const unsigned char *data, size_t size, size_t *used_r,
				   struct sockaddr_storage *address_r, const char **why_r)
{
	enum proxy_event event = PROXY_MORE;
	size_t used = 0;

	while (event == PROXY_MORE && used < size) {
		used += take(header, data + used, size - used, wanted(header));
		event = judge(header, address_r, why_r);
	}
	*used_r = used;
	return event;
}
