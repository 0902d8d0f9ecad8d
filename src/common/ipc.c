/* ipc - see ipc.h. Never interprets a message; never keeps a descriptor that did not belong to one. */
#include "common/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/secret.h"

int ipc_pair(int ends_r[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_r);
}

static enum ipc_result classify_errno(void)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS)
		return IPC_AGAIN;
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return IPC_CLOSED;
	return IPC_FAILED;
}

enum ipc_result ipc_send_encoded(int fd, const unsigned char *data, size_t size, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (fd_count > MESSAGE_FDS)
		return IPC_FAILED;
	if (fd_count > 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET; /* fanalyzer: there is room for one, so there is one */
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
	}
	do
		sent = sendmsg(fd, &header, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? classify_errno() : IPC_OK;
}

enum ipc_result ipc_send(int fd, const struct message *message, const int *fds)
{
	size_t most = message_most(message->type);
	unsigned char *buffer = malloc(most); /* no more, not on the stack: its pages would stay with a session */
	enum ipc_result result = IPC_FAILED;
	size_t size;

	if (buffer == NULL)
		return IPC_FAILED;
	size = message_encode(message, buffer);
	if (size > 0)
		result = ipc_send_encoded(fd, buffer, size, fds, message_fds(message->type));
	secret_wipe(buffer, size == 0 ? most : size);
	free(buffer);
	return result;
}

size_t ipc_collect(struct msghdr *header, int *fds_r, size_t most)
{
	size_t count = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL; cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t here;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		here = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (count < most)
				fds_r[count] = fd;
			else
				close(fd);
			count++;
		}
	}
	return count;
}

enum ipc_result ipc_receive(int fd, struct ipc_inbox *inbox)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
	} control;
	struct iovec iov = {.iov_base = inbox->buffer, .iov_len = sizeof(inbox->buffer)};
	struct msghdr header = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t size;
	size_t count;

	inbox->size = 0;
	for (size_t i = 0; i < MESSAGE_FDS; i++)
		inbox->fds[i] = -1;
	do
		size = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size < 0)
		return classify_errno();
	count = ipc_collect(&header, inbox->fds, MESSAGE_FDS);
	if (size == 0) {
		ipc_inbox_clear(inbox);
		return IPC_CLOSED;
	}
	inbox->size = (size_t)size;
	if ((header.msg_flags & MSG_TRUNC) != 0 || message_decode(inbox->buffer, (size_t)size, &inbox->message) != 0 ||
	    count > message_fds(inbox->message.type) ||
	    (count < message_fds(inbox->message.type) && (header.msg_flags & MSG_CTRUNC) == 0)) {
		ipc_inbox_clear(inbox);
		return IPC_FAILED;
	}
	return IPC_OK;
}

void ipc_inbox_clear(struct ipc_inbox *inbox)
{
	for (size_t i = 0; i < MESSAGE_FDS; i++) {
		if (inbox->fds[i] >= 0)
			close(inbox->fds[i]);
		inbox->fds[i] = -1;
	}
	secret_wipe(inbox->buffer, inbox->size); /* no more: forked sessions share the pages behind it */
	inbox->size = 0;
}

int ipc_take(struct ipc_inbox *inbox, size_t i)
{
	int fd = inbox->fds[i];

	inbox->fds[i] = -1;
	return fd;
}
