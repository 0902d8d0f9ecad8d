/* fetcher - a child of the agent that gets one access token: in a sandbox, with the network and the token store. Its
 * answer is one message, FETCHED or REFUSED. */
#ifndef POPGATE_AGENT_FETCHER_H
#define POPGATE_AGENT_FETCHER_H

#include <sys/types.h>

#include "agent/refresh.h"

#define FETCHER_TIME 90000 /* milliseconds after which it hangs: more than its parts take together */

/* What the child must close of its parent's. */
typedef void fetcher_close_fn(void *context);

/* Starts one for the request `id`. *fd_r: where the message comes, not blocking, the caller's to close. Its process id,
 * or -1: TEMP. */
pid_t fetcher_start(struct oauth *oauth, uint64_t id, const struct refresh *refresh, fetcher_close_fn *close_all,
		    void *context, int *fd_r, struct popgate_error *error);
/* FETCHED of a token. */
struct message fetcher_message(uint64_t id, const struct token *token);

#endif
