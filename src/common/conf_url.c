/* conf_url - see conf_url.h. Pure. Runs where conf does. */
#include "common/conf_url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "common/number.h"

static int refuse(const char **why_r, const char *why)
{
	*why_r = why;
	return -1;
}

static bool plain(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static bool is_v6(const char *address)
{
	struct in6_addr octets;

	return inet_pton(AF_INET6, address, &octets) == 1;
}

/* ---- host and port --------------------------------------------------- */

static int copy_host(const char *text, size_t size, char *host, const char **why_r)
{
	if (size == 0)
		return refuse(why_r, "the host is missing");
	if (size >= CONF_URL_HOST)
		return refuse(why_r, "the host's name is too long");
	memcpy(host, text, size);
	host[size] = '\0';
	return 0;
}

static int parse_bracketed(const char *text, size_t size, char *host, const char **rest_r, const char **why_r)
{
	const char *end = memchr(text, ']', size);

	if (end == NULL)
		return refuse(why_r, "the `]` after the IPv6 address is missing");
	if (copy_host(text + 1, (size_t)(end - text - 1), host, why_r) != 0)
		return -1;
	if (!is_v6(host))
		return refuse(why_r, "what stands in brackets is no IPv6 address");
	*rest_r = end + 1;
	return 0;
}

static int check_name(const char *host, const char **why_r)
{
	size_t good = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	if (host[good] != '\0' || strchr(".-", *host) != NULL || strstr(host, "..") != NULL)
		return refuse(why_r, "the host is neither a DNS name nor an IP address");
	return 0;
}

static int parse_name(const char *text, size_t size, char *host, const char **rest_r, const char **why_r)
{
	const char *colon = memchr(text, ':', size);

	if (colon != NULL && memchr(colon + 1, ':', size - (size_t)(colon + 1 - text)) != NULL)
		return refuse(why_r, "an IPv6 address must stand in brackets: [::1]");
	*rest_r = colon == NULL ? text + size : colon;
	if (copy_host(text, (size_t)(*rest_r - text), host, why_r) != 0)
		return -1;
	return check_name(host, why_r);
}

/* Takes `host[:port]`; *port_r stays as it is without a port. */
static int parse_authority(const char *text, size_t size, char *host, unsigned *port_r, const char **why_r)
{
	const char *end = text + size, *rest;
	uint64_t port;
	int result;

	if (size > 0 && *text == '[')
		result = parse_bracketed(text, size, host, &rest, why_r);
	else
		result = parse_name(text, size, host, &rest, why_r);
	if (result != 0 || rest == end)
		return result;
	if (*rest != ':')
		return refuse(why_r, "only `:PORT` may follow the host");
	if (number_parse(rest + 1, (size_t)(end - rest - 1), 65535, &port) != 0)
		return refuse(why_r, "the port must be a number of 65535 at most");
	*port_r = (unsigned)port;
	return 0;
}

/* ---- URLs ------------------------------------------------------------ */

static int parse_scheme(const char *url, const char **rest_r, bool *implicit_r, const char **why_r)
{
	if (strncasecmp(url, "imaps://", 8) == 0) {
		*rest_r = url + 8;
		*implicit_r = true;
		return 0;
	}
	if (strncasecmp(url, "imap://", 7) == 0) {
		*rest_r = url + 7;
		*implicit_r = false;
		return 0;
	}
	return refuse(why_r, "the URL must begin with imaps:// or imap://");
}

/* What follows the host and port. */
static int parse_tail(const char *tail, bool implicit, struct conf_url *url, const char **why_r)
{
	url->security = implicit ? "tls" : "starttls";
	if (*tail == '/')
		tail++;
	if (*tail == '\0')
		return 0;
	if (*tail == '#')
		return refuse(why_r, "a fragment (#...) has no meaning here");
	if (*tail != '?')
		return refuse(why_r, "a path has no meaning here: a folder is named in a configuration file");
	if (strcmp(tail, "?security=none") != 0)
		return refuse(why_r, "the only thing that may follow `?` is security=none");
	if (implicit)
		return refuse(why_r, "security=none contradicts imaps: write imap://");
	url->security = "none";
	return 0;
}

int conf_url_parse(const char *url, struct conf_url *url_r, const char **why_r)
{
	struct conf_url parsed = {0};
	const char *authority;
	size_t size;
	bool implicit;

	if (!plain(url))
		return refuse(why_r, "the URL holds a blank, a control character or something that is not ASCII");
	if (parse_scheme(url, &authority, &implicit, why_r) != 0)
		return -1;
	parsed.port = implicit ? 993 : 143;
	size = strcspn(authority, "/?#");
	if (memchr(authority, '@', size) != NULL)
		return refuse(why_r, "a user name or password has no place in the URL: clients bring their own");
	if (parse_authority(authority, size, parsed.host, &parsed.port, why_r) != 0)
		return -1;
	if (parsed.port == 0)
		return refuse(why_r, "the port must not be 0");
	if (parse_tail(authority + size, implicit, &parsed, why_r) != 0)
		return -1;
	*url_r = parsed;
	return 0;
}

/* ---- ADDRESS:PORT ---------------------------------------------------- */

static int check_loopback(const char *address, const char **why_r)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, &v4) == 1) {
		if (ntohl(v4.s_addr) >> 24 == 127)
			return 0;
	} else if (inet_pton(AF_INET6, address, &v6) == 1) {
		if (IN6_IS_ADDR_LOOPBACK(&v6))
			return 0;
	} else {
		return refuse(why_r, "the address must be a numeric one, such as 127.0.0.1:1110 or [::1]:1110");
	}
	return refuse(why_r, "only a loopback address will do without a configuration file: to serve a network, write "
			     "one with a TLS listener, see popgate.conf(5)");
}

int conf_url_parse_listen(const char *listen, struct conf_endpoint *endpoint_r, const char **why_r)
{
	struct conf_endpoint parsed = {.address = "127.0.0.1", .port = 65536};
	uint64_t port;

	if (!plain(listen))
		return refuse(why_r, "the address holds a blank, a control character or something that is not ASCII");
	if (number_parse(listen, strlen(listen), 65535, &port) == 0)
		parsed.port = (unsigned)port;
	else if (strchr(listen, ':') == NULL)
		return refuse(why_r, "must be ADDRESS:PORT, [IPV6]:PORT or PORT, the port from 0 to 65535");
	else if (parse_authority(listen, strlen(listen), parsed.address, &parsed.port, why_r) != 0)
		return -1;
	if (parsed.port == 65536)
		return refuse(why_r, "the port is missing");
	if (check_loopback(parsed.address, why_r) != 0)
		return -1;
	*endpoint_r = parsed;
	return 0;
}
