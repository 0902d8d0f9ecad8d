/* conf_url - parses the URLs and addresses of the command line. Pure.
 * The texts of faults never repeat the input: a password may be in it. */
#ifndef POPGATE_COMMON_CONF_URL_H
#define POPGATE_COMMON_CONF_URL_H

#include <stdbool.h>

#define CONF_URL_HOST 254 /* a DNS name or an IPv6 address, and NUL */

struct conf_url {
	char host[CONF_URL_HOST]; /* without brackets */
	unsigned port;		  /* 1-65535 */
	const char *security;	  /* "tls", "starttls" or "none", as the imap plugin has it */
};

struct conf_endpoint {
	char address[CONF_URL_HOST]; /* numeric, without brackets */
	unsigned port;		     /* 0-65535 */
};

/* imaps://host[:port] or imap://host[:port][?security=none], the host a DNS name, an
 * IPv4 address or an [IPv6] one. Returns 0, or -1 with *why_r a constant text. */
int conf_url_parse(const char *url, struct conf_url *url_r, const char **why_r);
/* ADDRESS:PORT, [V6]:PORT, or PORT of 127.0.0.1; loopback only. The same. */
int conf_url_parse_listen(const char *listen, struct conf_endpoint *endpoint_r, const char **why_r);

#endif
