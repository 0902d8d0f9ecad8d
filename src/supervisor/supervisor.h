/* supervisor - `popgate serve`: binds, makes the channels, forks, restarts,
 * reloads, stops. Keeps root where it was started as root; reads no octet that a peer sent. */
#ifndef POPGATE_SUPERVISOR_SUPERVISOR_H
#define POPGATE_SUPERVISOR_SUPERVISOR_H

#include "common/process.h"

/* Reads the configuration, at start and at each reload. */
typedef struct conf *supervisor_read_fn(const void *context, struct conf_report *report);

struct passed;

struct supervisor_plan {
	supervisor_read_fn *read;
	const void *context;
	process_entry_fn *entries[PROCESS_ROLES]; /* what each role runs */
	struct passed *passed;			  /* sockets of whoever started us */
	bool announce;				  /* say on standard output what to type into a POP3 client */
};

/* Runs until SIGTERM or SIGINT. Returns an enum process_exit. */
int supervisor_run(const struct supervisor_plan *plan);

#endif
