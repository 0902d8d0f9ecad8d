/* keep - a drop that outlives its client: after QUIT it stays open for a while, for the next login of the same user.
 * Session process. */
#ifndef POPGATE_SESSION_KEEP_H
#define POPGATE_SESSION_KEEP_H

#include "session/host.h"

/* How long a drop that was kept may take to be brought up to date, in milliseconds: whoever waits for it still has
 * the time for a login. */
#define KEEP_REFRESH 5000

/* Before the reply to QUIT leaves, or once a login that is to be refused was found to be for the drop, so that a client
 * that comes back at once finds the drop: tells the broker of it. 0, or -1: it is to be closed. */
int keep_offer(struct popgate_session *session);
/* Tells the broker that the client's part is over, unless it knows already. */
void keep_end(struct popgate_session *session);
/* Lets go of the client and of all that was its own, and waits for the broker. 0: a message is there to be read. -1:
 * the time is over, or the broker has gone. */
int keep_wait(struct popgate_session *session);
/* The drop is not for the next login after all, which need not wait for what else there is to do: lets go of the lock
 * and of the broker. */
void keep_withdraw(struct popgate_session *session);

#endif
