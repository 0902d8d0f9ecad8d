/* input - see input.h. */
#include "session/input.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The first descriptor in a message, -1: none. There may be room for more than were asked for: those are closed. */
static int descriptor_of(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int first = -1, fd;

	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return -1;
	for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= header->cmsg_len; at += sizeof(fd)) {
		memcpy(&fd, CMSG_DATA(header) + (at - CMSG_LEN(0)), sizeof(fd));
		if (first < 0)
			first = fd;
		else
			close(fd);
	}
	return first;
}

ssize_t input_read(int fd, void *data, size_t size, int *client_r)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {.iov_base = data, .iov_len = size};
	struct msghdr message = {
	    .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got;

	*client_r = -1;
	do {
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == ENOTSOCK)
			return read(fd, data, size);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		*client_r = descriptor_of(&message);
	return got;
}
