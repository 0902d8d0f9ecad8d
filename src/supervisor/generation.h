/* generation - the processes that run one reading of the configuration.
 * A reload starts a new one beside the old, which drains. Supervisor process. */
#ifndef POPGATE_SUPERVISOR_GENERATION_H
#define POPGATE_SUPERVISOR_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ticket.h"
#include "supervisor/control.h"
#include "supervisor/restart.h"
#include "supervisor/supervisor.h"

enum generation_state {
	GENERATION_STARTING, /* not all are READY */
	GENERATION_RUNNING,
	GENERATION_DRAINING /* replaced or stopping: what dies is not restarted */
};

struct generation_process {
	enum process_role role;
	pid_t pid;   /* 0: not running */
	int control; /* -1: none */
	bool ready;
	bool came_up;	 /* it has been READY */
	uint32_t number; /* a broker's, for what it counts */
	int64_t started; /* monotonic milliseconds */
	int64_t restart; /* when it is to be started again; DEADLINE_NEVER: it is not */
	struct restart restarts;
};

struct generation {
	struct generation *next;
	const struct supervisor_plan *plan;
	struct conf *conf;
	struct process_identity identity;
	enum generation_state state;
	bool retiring;	/* broker and spawner have been told to drain */
	pid_t orphans;	/* the process group of sessions whose spawner was ended while popgate stops; 0: none */
	int *listeners; /* as conf->listeners; -1: not bound */
	struct tally *tally;
	struct ticket_ring *tickets;	      /* the supervisor's */
	struct throttle *throttle;	      /* likewise */
	struct usage *usage;		      /* likewise */
	struct control *control;	      /* likewise */
	int log;			      /* what its processes log to; -1: syslog */
	struct generation_process *processes; /* spawner, broker, agent and helpers as far as there are any, fronts */
	size_t count;
	size_t first_front;
};

/* Takes conf over. NULL: no memory (conf is freed). */
struct generation *generation_new(const struct supervisor_plan *plan, struct conf *conf,
				  const struct process_identity *identity);
/* Closes its sockets and frees it; its processes must have gone. */
void generation_free(struct generation **generation);

/* Binds the listeners, taking over sockets of `previous` (may be NULL) on the
 * same address and port. 0, or -1 with faults in report. */
int generation_bind(struct generation *generation, const struct generation *previous, struct conf_report *report);

/* Forks one process. `all`: every generation, whose descriptors the child closes. 0 or -1 (logged). */
int generation_fork(struct generation *generation, size_t index, const struct generation *all);
/* The process said READY: connects it with its neighbours; becomes RUNNING when all are ready. */
void generation_ready(struct generation *generation, size_t index);
/* The process has lost its neighbour's channel though both may live: makes another. */
void generation_rewire(struct generation *generation, size_t index);
/* The process with that pid has died; returns its index, or -1: not one of ours. */
int generation_died(struct generation *generation, pid_t pid);

/* Closes the supervisor's own descriptors of the listening sockets. */
void generation_close_listeners(const struct generation *generation);
/* Sends DRAIN or STOP (with a time) to the processes of a role. */
void generation_drain(const struct generation *generation, enum process_role role);
void generation_stop(const struct generation *generation, enum process_role role, int64_t milliseconds);
/* This process logs where the generation does. */
void generation_use_log(const struct generation *generation);
/* Hands a reopened log to all; fd stays the caller's. */
void generation_log(struct generation *generation, int fd);
/* Kills what is left of a spawner and its sessions, which are a process group. */
void generation_end_sessions(pid_t spawner);
/* Whether there are sessions whose spawner was ended while popgate stops. */
bool generation_has_orphans(struct generation *generation);
/* Kills all processes but those of one role; PROCESS_ROLES: all. */
void generation_kill(const struct generation *generation, enum process_role spared);
/* How many processes of a role (PROCESS_ROLES: of all) are alive. */
size_t generation_alive(const struct generation *generation, enum process_role role);

#endif
