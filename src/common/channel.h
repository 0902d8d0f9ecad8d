/* channel - one end of an ipc socket in a libevent loop, with a bounded queue
 * of what the socket did not take yet. Front and broker (and helper pools in it). */
#ifndef POPGATE_COMMON_CHANNEL_H
#define POPGATE_COMMON_CHANNEL_H

#include <event2/event.h>

#include "common/ipc.h"

struct channel;

/* A message has come; what inbox->fds still holds afterwards is closed. */
typedef void channel_message_fn(void *context, struct ipc_inbox *inbox);
/* The other end has gone or talked nonsense. The channel is dead but still
 * the owner's to free, in this callback or later. */
typedef void channel_closed_fn(void *context);

/* The loop of a process; what libevent says goes to the log. NULL: no memory. */
struct event_base *channel_base(void);
/* Takes fd over and makes it non-blocking. NULL: no memory (fd is closed). */
struct channel *channel_new(struct event_base *base, int fd, channel_message_fn *on_message,
			    channel_closed_fn *on_closed, void *context);
/* Somebody else's from now on. */
void channel_give(struct channel *channel, channel_message_fn *on_message, channel_closed_fn *on_closed, void *context);
/* How many messages wait. */
size_t channel_queued(const struct channel *channel);
/* Closes. Takes NULL; safe inside the callbacks. */
void channel_free(struct channel **channel);
/* Sends, or queues when the socket is full; duplicates the descriptors it queues.
 * Returns 0, or -1 when the channel is dead, the queue is full or the message not to be encoded.
 * One with descriptors may be tried again, or done without, and one that cannot be encoded is the
 * sender's fault; any other that is lost ends the channel, as if the other end had gone: both ends
 * then know that something is amiss. */
int channel_send(struct channel *channel, const struct message *message, const int *fds);

#endif
