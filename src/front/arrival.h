/* arrival - the beginning of a connection that a proxy passes on: only then is known whose it is. Front process. */
#ifndef POPGATE_FRONT_ARRIVAL_H
#define POPGATE_FRONT_ARRIVAL_H

#include <event2/util.h>

#include "front/client.h"

struct arrival;

/* Whether the client's address is one of its listener's proxies; if not it is logged. */
bool arrival_is_from_proxy(struct client *client);
/* Waits for the header, and takes exactly it off the socket, which it holds so long. Then client_arrived; or the client
 * is freed. NULL: no memory; the socket is still the caller's. */
struct arrival *arrival_new(struct client *client, evutil_socket_t fd);
/* Ends it, and gives the socket back. */
evutil_socket_t arrival_end(struct arrival **arrival);
/* Closes the socket. NULL is allowed. */
void arrival_free(struct arrival **arrival);

#endif
