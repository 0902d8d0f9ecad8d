/* authorize - a client's AUTHORIZATION: its lines, the broker's verdicts, and
 * the refusals to a client whose session died. Front process. */
#ifndef POPGATE_FRONT_AUTHORIZE_H
#define POPGATE_FRONT_AUTHORIZE_H

#include <event2/buffer.h>

#include "front/client.h"

/* Sends the greeting, with a timestamp where APOP can be had. */
void authorize_greet(struct client *client);
/* TLS has begun. */
void authorize_take_tls(struct client *client);
/* Acts on the lines of a client that is SPEAKING or LOST, until there is no
 * whole line, the state changes, or too many replies wait (client->paused). */
void authorize_take_lines(struct client *client, struct evbuffer *input);
/* The replies have left: takes the next lines. */
void authorize_resume(struct client *client);
/* Lets go of a login under way, and of the session. */
void authorize_forget(struct client *client);

#endif
