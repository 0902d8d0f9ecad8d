/* relay - moves octets between a logged-in client and its session, with
 * bounded buffers both ways; gives the session the client's socket where no
 * TLS lies between; works out what the client is owed when the session ends.
 * Front process. */
#ifndef POPGATE_FRONT_RELAY_H
#define POPGATE_FRONT_RELAY_H

#include <event2/event.h>
#include <stdbool.h>

#include "common/phase.h"

#define RELAY_REPLIES_LOW 32768 /* octets that wait for the client, below which the session is read again */

struct client;
struct relay;

/* Makes stream and phase page; fds_r are the session's ends, the caller's to
 * close once they are sent. Idle until relay_start. NULL: errno. */
struct relay *relay_new(struct client *client, struct event_base *base, int fds_r[2]);
/* Closes the stream: the session notices. */
void relay_free(struct relay **relay);
/* Begins to move octets; what the client had pipelined goes first. 0 or -1. */
int relay_start(struct relay *relay);
/* The client has sent octets, or its last. */
void relay_client_readable(struct relay *relay);
/* The client has taken most of what waited for it. */
void relay_client_writable(struct relay *relay);
/* Whether the session has nothing to do: no command is unanswered. */
bool relay_is_idle(struct relay *relay);
/* Whether QUIT is unanswered while the session removes messages; then the client may be told instead. */
bool relay_is_updating(struct relay *relay);

#endif
