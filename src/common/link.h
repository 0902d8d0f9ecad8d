/* link - the channels of a process that waits in poll(2): to the supervisor, and to the broker that it works for.
 * Spawner, helper and agent; front and broker have event loops. */
#ifndef POPGATE_COMMON_LINK_H
#define POPGATE_COMMON_LINK_H

#include <stdbool.h>

#include "common/ipc.h"
#include "common/process.h"

struct link {
	const struct process *process;
	int broker; /* -1: none */
	struct ipc_inbox inbox;
};

enum link_event {
	LINK_NOTHING, /* nothing is left to do */
	LINK_MESSAGE, /* in inbox, to be cleared when it is done */
	LINK_OVER     /* the supervisor has gone */
};

void link_init(struct link *link, const struct process *process);
/* Receives of the supervisor. Takes a new broker and a new log itself. */
enum link_event link_take_control(struct link *link);
/* The same for a process that ends when it is told to drain or to stop. Whether it goes on. */
bool link_goes_on(struct link *link);
/* Receives of the broker. One that has gone is told to the supervisor. */
enum link_event link_take_from_broker(struct link *link);
void link_lose_broker(struct link *link);

#endif
