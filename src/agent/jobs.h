/* jobs - what takes longer than an event loop may wait: secret commands, and requests to providers of tokens, each a
 * process of its own, so many at a time; the others wait their turn, and of one program or provider only half as many
 * run, so that a slow one leaves room for others. Agent process.
 *
 * SIGCHLD must be blocked but while jobs_wait() waits. */
#ifndef POPGATE_AGENT_JOBS_H
#define POPGATE_AGENT_JOBS_H

#include <poll.h>
#include <stdbool.h>

#include "agent/fetcher.h"
#include "agent/source.h"

#define JOBS_RUNNING 32	   /* at a time */
#define JOBS_OF_ONE  16	   /* of them */
#define JOBS_WAITING 1024  /* beside them */
#define JOBS_TIME    25000 /* milliseconds from the request to the answer, less than a session waits for it */

struct jobs;

/* What the owner does: takes an answer (FETCHED, REFUSED); closes what a child must not have. */
struct jobs_owner {
	void (*done)(void *context, const struct message *answer);
	void (*close_all)(void *context);
	void *context;
	struct oauth *oauth; /* NULL: there are no providers */
};

/* NULL: no memory. */
struct jobs *jobs_new(const struct jobs_owner *owner);
/* Ends the commands that run, and waits for the requests: half a minute at most, as they do for providers. */
void jobs_free(struct jobs **jobs);
/* Takes a request for a command or a token. 0: `done` will be called, once, not now. Or -1: TEMP, too many wait, or one
 * of this id is under way; PERM, there is no such provider. */
int jobs_add(struct jobs *jobs, const struct message_fetch *fetch, struct popgate_error *error);
/* poll(2) on the caller's descriptors and the jobs'; then sees to the jobs, which may call `done`. Sets revents. 0, or
 * -1: it cannot. */
int jobs_wait(struct jobs *jobs, struct pollfd *fds, size_t count);

#endif
