/* tls - the server side of TLS: certificate, key, policy. Front process; the
 * only place in src/ that sees OpenSSL's TLS. */
#ifndef POPGATE_FRONT_TLS_H
#define POPGATE_FRONT_TLS_H

#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/conf.h"
#include "common/ticket.h"

struct tls_server; /* the loaded certificates, under the profiles that listeners have */

/* Loads the certificate chains and keys, of which there must be one at least, and checks that they match. NULL: a fault
 * in report says what is wrong with which file. */
struct tls_server *tls_server_new(const struct conf *conf, struct conf_report *report);
/* Lets clients resume their sessions by tickets under these keys, for as long as the certificate is the same one. No
 * early data. tickets outlives the server, and is brought up to date here. */
void tls_server_resume(struct tls_server *server, struct ticket_ring *tickets);
void tls_server_free(struct tls_server **server);

/* A bufferevent that negotiates as server on fd (taken over on success), under a profile that a listener of the
 * configuration has. The client's SNI chooses the certificate. NULL: no memory. */
struct bufferevent *tls_accept(const struct tls_server *server, enum conf_profile profile, struct event_base *base,
			       evutil_socket_t fd);
/* Whether a connection is one of those. */
bool tls_is_on(struct bufferevent *connection);
/* The negotiated version, "TLSv1.3" and the like; "" where connection is in clear. */
const char *tls_version(struct bufferevent *connection);
#define TLS_BINDING_MAX 64

/* What names this connection and no other on both its ends: *exporter_r tells tls-exporter (RFC 9266, from TLS 1.3 on)
 * from tls-unique (RFC 5929). Returns its octets; 0: there is nothing to rely on (in clear, or TLS without extended
 * master secret, where two connections may have the same). */
size_t tls_binding(struct bufferevent *connection, unsigned char binding_r[TLS_BINDING_MAX], bool *exporter_r);
/* Sends close_notify if the connection is TLS; what is buffered must have left. */
void tls_say_goodbye(struct bufferevent *connection);
/* Whether the connection failed because the peer sent records without end that bring nothing: key updates, attempts to
 * negotiate again. */
bool tls_is_flooded(struct bufferevent *connection);
/* Why the handshake or the connection failed, for the log. */
void tls_error_text(struct bufferevent *connection, char *text, size_t size);

#endif
