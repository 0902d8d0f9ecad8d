/* broker - decides about logins: who a name is, which backend it is routed
 * to, and whether a session is opened. */
#ifndef POPGATE_BROKER_BROKER_H
#define POPGATE_BROKER_BROKER_H

#include <event2/event.h>

#include "broker/kept.h"
#include "broker/tries.h"
#include "broker/workers.h"
#include "common/account.h"
#include "common/channel.h"
#include "common/process.h"

#define BROKER_BUCKETS 4096

struct login;
struct broker;
struct keyring;
struct scram_library;

/* One front process, while its channel lives. */
struct broker_front {
	struct broker_front *next;
	struct broker *broker;
	struct channel *channel;
};

struct broker {
	const struct process *process;
	struct event_base *base;
	struct channel *control, *spawner; /* spawner NULL: it has died, another will come */
	struct broker_front *fronts;
	struct tries tries;
	struct kept_set kept;
	struct workers workers;
	struct accounts *accounts;	       /* NULL: there are none */
	const char *usual_hash;		       /* the first account's that has one; NULL: none has */
	bool delays;			       /* fronts tell clients of login_delay */
	struct keyring *keyring;	       /* likewise */
	struct scram_library *scram;	       /* NULL: not built in, or no accounts */
	struct login *buckets[BROKER_BUCKETS]; /* by connection id */
};

/* The broker process. */
int broker_run(const struct process *process);

#endif
