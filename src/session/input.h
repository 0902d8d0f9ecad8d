/* input - the client's octets on their way to its session. Session process. */
#ifndef POPGATE_SESSION_INPUT_H
#define POPGATE_SESSION_INPUT_H

#include <stddef.h>
#include <sys/types.h>

/* As read(2), of a socket or anything else, but never interrupted. With the octets a front may hand over its client's
 * socket: *client_r, the caller's to close; else -1. client_r NULL: what comes is closed. A socket that was sent and
 * could not be taken is a failure. */
ssize_t input_read(int fd, void *data, size_t size, int *client_r);

#endif
