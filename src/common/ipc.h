/* ipc - messages over a SOCK_SEQPACKET socket, with descriptors. Any process.
 * Nothing here waits unless the socket is blocking. */
#ifndef POPGATE_COMMON_IPC_H
#define POPGATE_COMMON_IPC_H

#include "common/message.h"

struct msghdr;

enum ipc_result {
	IPC_OK,
	IPC_AGAIN,  /* a non-blocking socket is not ready */
	IPC_CLOSED, /* the other end has gone */
	IPC_FAILED  /* not a well-formed message, or the socket failed: give the channel up */
};

/* A received message: its bytes live here until the next receive. */
struct ipc_inbox {
	struct message message;
	int fds[MESSAGE_FDS]; /* the receiver's to close; -1: none, taken, or this process has no
			       * descriptor free for it */
	size_t size;	      /* octets of buffer that were received */
	unsigned char buffer[MESSAGE_MAX];
};

/* A pair of connected ends, close-on-exec, blocking. Returns 0 or -1 (errno). */
int ipc_pair(int ends_r[2]);
/* Sends one message with as many descriptors as its type has (they stay the caller's). */
enum ipc_result ipc_send(int fd, const struct message *message, const int *fds);
/* Sends an encoded message; or octets with descriptors on a stream, whole if it has room for them. */
enum ipc_result ipc_send_encoded(int fd, const unsigned char *data, size_t size, const int *fds, size_t fd_count);
/* Takes the descriptors out of what recvmsg(2) has received: up to `most` into fds_r, the others are closed. Returns
 * how many there were. */
size_t ipc_collect(struct msghdr *header, int *fds_r, size_t most);
/* Receives one message; on IPC_OK inbox->fds has what its type says, as far as descriptors are free. */
enum ipc_result ipc_receive(int fd, struct ipc_inbox *inbox);
/* Closes what was not taken out of inbox->fds, and wipes what was received. */
void ipc_inbox_clear(struct ipc_inbox *inbox);
/* Takes descriptor i out of the inbox. */
int ipc_take(struct ipc_inbox *inbox, size_t i);

#endif
