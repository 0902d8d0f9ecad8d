/* written - see written.h. What the peer has acknowledged and what it has not
 * make up what was written. */
#include "front/written.h"

#include "config.h"

#ifdef HAVE_STRUCT_TCP_INFO_TCPI_BYTES_ACKED

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TRIES 1000

int written_acknowledged(int fd, uint64_t *octets_r)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
	    size < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return -1;
	*octets_r = info.tcpi_bytes_acked;
	return 0;
}

int written_octets(int fd, uint64_t *octets_r)
{
	uint64_t before, after;
	int waiting;

	if (written_acknowledged(fd, &after) != 0)
		return -1;
	/* an acknowledgement may come between the two questions */
	for (int i = 0; i < TRIES; i++) {
		before = after;
		if (ioctl(fd, SIOCOUTQ, &waiting) != 0 || waiting < 0 || written_acknowledged(fd, &after) != 0)
			return -1;
		if (after == before) {
			*octets_r = after + (uint64_t)waiting;
			return 0;
		}
	}
	return -1;
}

#else

int written_acknowledged(int fd, uint64_t *octets_r)
{
	(void)fd, (void)octets_r;
	return -1;
}

int written_octets(int fd, uint64_t *octets_r)
{
	(void)fd, (void)octets_r;
	return -1;
}

#endif
