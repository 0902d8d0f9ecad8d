/* written - how many octets a TCP socket was given. Front process. */
#ifndef POPGATE_FRONT_WRITTEN_H
#define POPGATE_FRONT_WRITTEN_H

#include <stdint.h>

/* The octets that all holders of the socket have written, sent or not, counted from an origin that is the socket's own:
 * only the difference of two answers means something. Right also once the connection was reset. 0, or -1: the kernel
 * does not tell, or somebody goes on writing. Does not block. */
int written_octets(int fd, uint64_t *octets_r);
/* Likewise those of them that the peer's side has taken. 0, or -1: the kernel does not tell. */
int written_acknowledged(int fd, uint64_t *octets_r);

#endif
