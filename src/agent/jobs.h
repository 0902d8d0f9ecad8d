/* jobs - what takes longer than an event loop may wait: secret commands, each a process of its own, so many at a time;
 * the others wait their turn. Agent process.
 *
 * SIGCHLD must be blocked but while jobs_wait() waits. */
#ifndef POPGATE_AGENT_JOBS_H
#define POPGATE_AGENT_JOBS_H

#include <poll.h>
#include <stdbool.h>

#include "agent/source.h"

#define JOBS_RUNNING 16	   /* at a time */
#define JOBS_WAITING 1024  /* beside them */
#define JOBS_TIME    25000 /* milliseconds from the request to the answer, less than a session waits for it */

struct jobs;

/* What became of a request. credential NULL: nothing, as error says. */
typedef void jobs_done_fn(void *context, uint64_t id, const struct source_credential *credential,
			  const struct popgate_error *error);

/* NULL: no memory. */
struct jobs *jobs_new(jobs_done_fn *done, void *context);
/* Ends all that runs, without an answer. */
void jobs_free(struct jobs **jobs);
/* Takes a request for a command. 0: `done` will be called, once, not now. Or -1: TEMP, too many wait, or one of this id
 * is under way. */
int jobs_add(struct jobs *jobs, const struct message_fetch *fetch, struct popgate_error *error);
/* poll(2) on the caller's descriptors and the jobs'; then sees to the jobs, which may call `done`. Sets revents. 0, or
 * -1: it cannot. */
int jobs_wait(struct jobs *jobs, struct pollfd *fds, size_t count);

#endif
