/* child - the session process that the spawner forks: limits, OPEN, OPENED, TRANSACTION, exit. */
#ifndef POPGATE_SESSION_CHILD_H
#define POPGATE_SESSION_CHILD_H

#include <stdint.h>
#include <stdnoreturn.h>

#include "common/conf.h"
#include "session/plugin.h"

/* What a session is forked with. */
struct child_start {
	uint64_t id;
	int stream; /* to the front */
	int page;   /* the phase page's descriptor */
	int report; /* ipc end, blocking: the broker */
	const struct conf *conf;
	const struct plugin_set *plugins;
};

/* Runs the session and ends the process. */
noreturn void child_run(const struct child_start *start);

#endif
