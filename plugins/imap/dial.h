/* dial - a TCP connection to the first address of a host that takes it.
 *
 * Blocks in host->wait, and in the resolver.
 */
#ifndef IMAP_DIAL_H
#define IMAP_DIAL_H

#include "transport.h"

/* *fd_r is connected, non-blocking and close-on-exec; the caller owns it. Otherwise *text says why. */
enum transport_fault dial(const struct popgate_host *host, struct popgate_session *session, const char *name,
			  unsigned port, int64_t deadline, int *fd_r, char *text, size_t text_size);

#endif
