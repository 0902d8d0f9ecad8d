/* transport - one connection to an IMAP server: TCP, then TLS.
 *
 * Every octet from the server passes the guard before it is handed on. The
 * first fault ends the connection for good: each later call fails at once.
 * Blocks only in host->wait, except that the resolver may block too.
 */
#ifndef IMAP_TRANSPORT_H
#define IMAP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <popgate/plugin.h>

#include "guard.h"
#include "trust.h"

/* What ended a connection. */
enum transport_fault {
	TRANSPORT_FINE,
	TRANSPORT_UNREACHABLE, /* no address, or none took the connection */
	TRANSPORT_LOST,	       /* end of file, reset */
	TRANSPORT_TIMEOUT,
	TRANSPORT_STOPPED,     /* the client has gone */
	TRANSPORT_CERTIFICATE, /* the peer is not who it should be */
	TRANSPORT_TLS,	       /* any other failure of the handshake or of the cipher */
	TRANSPORT_HOSTILE,     /* the guard's verdict */
	TRANSPORT_MEMORY
};

#define TRANSPORT_BINDING_MAX 64u /* octets */

struct transport;

/* A transport without connection; NULL: no memory. host, session and bounds outlive it. */
struct transport *transport_new(const struct popgate_host *host, struct popgate_session *session,
				const struct guard_bounds *bounds);
/* Closes without waiting. */
void transport_free(struct transport **transport);

/* From here on each wait ends at `deadline`. */
void transport_deadline(struct transport *t, int64_t deadline);
/* From here on the server must keep the pace, counted while waiting. */
void transport_pace(struct transport *t, const struct popgate_pace *pace);
/* So many octets were what was asked for: only these count for the pace. */
void transport_progress(struct transport *t, uint64_t octets);
/* A command leaves: what the server may bring from here on. */
void transport_expect(struct transport *t, const struct guard_limits *limits);
/* One more command leaves while others are under way. */
void transport_expect_more(struct transport *t, const struct guard_limits *limits);

/* Tries every address of host until one takes the connection. */
int transport_connect(struct transport *t, const char *host, unsigned port);
/* TLS with a peer that has proved to be `host`, as trust demands. What came in clear has been read before. */
int transport_secure(struct transport *t, const struct trust *trust, const char *host);
/* What binds an authentication to this TLS channel (RFC 9266; of TLS 1.2, RFC 5929). Returns its octets; 0: there is
 * none. *exporter_r: tls-exporter, else tls-unique. */
size_t transport_binding(struct transport *t, unsigned char data_r[TRANSPORT_BINDING_MAX], bool *exporter_r);
/* At least one octet, as the guard leaves it, or -1; end of file is a fault. */
ssize_t transport_read(struct transport *t, void *buffer, size_t size);
/* Writes everything. */
int transport_write(struct transport *t, const void *data, size_t size);
/* Whether the server has said something that was not read yet, or has gone; does not wait. */
bool transport_has_input(struct transport *t);
/* Writes what the kernel takes at once, best effort; never blocks. */
void transport_farewell(struct transport *t, const void *data, size_t size);
enum transport_fault transport_fault(const struct transport *t);
/* Why, in words; "" without fault. */
const char *transport_text(const struct transport *t);

#endif
