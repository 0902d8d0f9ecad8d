/* front - the process that speaks with POP3 clients until they are logged in,
 * and moves octets from then on. */
#ifndef POPGATE_FRONT_FRONT_H
#define POPGATE_FRONT_FRONT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/process.h"
#include "front/client.h"
#include "front/tls.h"

#define FRONT_BUCKETS 4096

struct listener;

struct front {
	const struct process *process;
	struct event_base *base;
	struct channel *control, *broker; /* broker NULL: it has died, another will come */
	struct message_features features; /* what the accounts allow */
	struct tls_server *tls;		  /* NULL: no listener needs it */
	struct listener *listeners;
	struct client *clients;
	struct client *buckets[FRONT_BUCKETS]; /* by id */
	struct client *oldest, *newest;	       /* of those that have not logged in */
	unsigned count, most;
	bool pressed;		       /* other fronts had their chance to take who comes */
	unsigned made_way;	       /* clients that did, since the last word about it */
	int64_t next_word;	       /* when there may be another */
	unsigned strangers, malformed; /* likewise connections that no proxy made, or with unsound headers */
	int64_t strangers_word, malformed_word;
	bool overdue;  /* the time to stop is over */
	bool draining; /* no new connections; ends with the last one */
	struct event *stop_poll, *stop_deadline;
	struct authorization_step step; /* scratch of the running callback */
};

/* The front process. */
int front_run(const struct process *process);

/* The clients' bookkeeping. */
void front_add(struct front *front, struct client *client);
void front_remove(struct front *front, struct client *client);
/* A client has come, and waits for its login; it has logged in, or has gone. */
void front_wait(struct front *front, struct client *client);
void front_settle(struct front *front, struct client *client);
/* Where there are too many, ends the longest of those that wait: whoever never logs in keeps nobody out. */
void front_make_way(struct front *front);
/* Sends to the broker. 0, or -1: there is none now. */
int front_ask(struct front *front, const struct message *message, const int *fds);

#endif
