/* input - see input.h. */
#include "session/input.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/ipc.h"

/* Octets that came with a descriptor for which there was no room cannot be answered. */
static ssize_t refuse(int fd)
{
	if (fd >= 0)
		close(fd);
	errno = EMFILE;
	return -1;
}

static ssize_t read_message(int fd, void *data, size_t size, int *client_r)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {.iov_base = data, .iov_len = size};
	struct msghdr message = {
	    .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

	if (got <= 0)
		return got;
	(void)ipc_collect(&message, client_r, 1);
	return (message.msg_flags & MSG_CTRUNC) != 0 ? refuse(*client_r) : got;
}

ssize_t input_read(int fd, void *data, size_t size, int *client_r)
{
	int client = -1;
	ssize_t got;

	do {
		got = read_message(fd, data, size, &client);
		if (got < 0 && errno == ENOTSOCK)
			got = read(fd, data, size);
	} while (got < 0 && errno == EINTR);
	if (client_r != NULL)
		*client_r = got < 0 ? -1 : client;
	else if (client >= 0 && got >= 0)
		close(client);
	return got;
}
