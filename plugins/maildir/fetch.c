/* fetch - see fetch.h.
 *
 * Reads block on the disk alone, where no descriptor tells when they will end: so there is no pace to hold, and the
 * host's watchdog bounds a disk that hangs. Never changes the message, not even its flags. Runs in a session process.
 */
#include "fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"
#include "status.h"

#define BLOCK 65536u

/* Of a file that grows no more than it had is written: it is no Maildir's then, and was listed as it was. */
static int copy(int fd, uint64_t size, char *block, const struct popgate_sink *sink, struct popgate_error *error)
{
	for (uint64_t left = size; left > 0;) {
		ssize_t got = read(fd, block, left < BLOCK ? (size_t)left : BLOCK);
		int said;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return status_fail(error, POPGATE_TEMP, "reading a message: %s", strerror(errno));
		if (got == 0)
			return status_fail(error, POPGATE_TEMP, "a message has become shorter");
		said = sink->write(sink->context, block, (size_t)got);
		if (said > 0)
			return 0;
		if (said < 0)
			return status_fail(error, POPGATE_STOPPED, "the client has gone");
		left -= (uint64_t)got;
	}
	return 0;
}

int fetch_into(struct drop *drop, size_t position, const struct popgate_sink *sink, struct popgate_error *error)
{
	uint64_t size;
	int fd = scan_open(drop, position, &size, error), result;

	if (fd < 0)
		return -1;
	if (drop->block == NULL)
		drop->block = malloc(BLOCK);
	if (drop->block == NULL)
		result = status_fail(error, POPGATE_TEMP, "out of memory");
	else
		result = copy(fd, size, drop->block, sink, error);
	close(fd);
	return result;
}

int fetch_message(void *opaque, size_t message, int64_t lines, const struct popgate_sink *sink,
		  const struct popgate_pace *pace, struct popgate_error *error)
{
	(void)lines; /* the host cuts, and says when it has enough */
	(void)pace;
	return fetch_into(opaque, message, sink, error);
}
