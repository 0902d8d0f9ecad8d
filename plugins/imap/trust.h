/* trust - whom a backend believes: certificate authorities, pinned keys, the least version of TLS.
 *
 * Made once, in the spawner or in `popgate check`; read only afterwards, by the sessions.
 */
#ifndef IMAP_TRUST_H
#define IMAP_TRUST_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st; /* OpenSSL's SSL */
struct trust;

struct trust_wish {
	const char *ca_file;	       /* PEM; NULL: the system's authorities */
	const char *pins;	       /* "sha256//BASE64", several with ';' between; NULL: none */
	bool tls_1_3;		       /* nothing older */
	const char *certificate, *key; /* PEM, of our own; NULL: none */
};

/* -1: *key_r is the setting at fault ("ca_file", "pin", "client_certificate", "client_key"), and *text (text_size
 * octets) says why. */
int trust_new(const struct trust_wish *wish, struct trust **trust_r, const char **key_r, char *text, size_t text_size);
void trust_free(struct trust **trust);

/* The client's end of TLS over a connected socket, which stays the caller's, to a server that must prove to be
 * `host`, a name or an address. For SSL_free; NULL: no memory. */
struct ssl_st *trust_begin(const struct trust *trust, const char *host, int fd);
/* Whether the peer has proved it, after each step of the handshake; what was not shown yet is not missed. -1: *text
 * says which check failed; the connection is to be ended. */
int trust_judge(const struct trust *trust, struct ssl_st *ssl, const char *host, char *text, size_t text_size);

#endif
