/* lines - see lines.h.
 *
 * Holds one line and one block in memory, however large the file. Reads block on the disk alone. Runs in session
 * processes.
 */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "walk.h"

#define BLOCK 65536u

/* Adds to the line that is not whole yet. */
static void hold(struct lines *lines, const char *data, size_t size)
{
	if (lines->skipping || size > sizeof(lines->held) - lines->used) {
		lines->skipping = true;
		lines->used = 0;
		return;
	}
	memcpy(lines->held + lines->used, data, size);
	lines->used += size;
}

static void end_line(struct lines *lines, const char *data, size_t size, lines_fn *take, void *context)
{
	if (lines->used == 0 && !lines->skipping && size <= sizeof(lines->held)) {
		take(context, data, size);
		return;
	}
	hold(lines, data, size);
	if (!lines->skipping)
		take(context, lines->held, lines->used);
	lines->skipping = false;
	lines->used = 0;
}

void lines_feed(struct lines *lines, const char *data, size_t size, lines_fn *take, void *context)
{
	const char *end = data + size, *lf;

	while (data < end && (lf = memchr(data, '\n', (size_t)(end - data))) != NULL) {
		end_line(lines, data, (size_t)(lf - data), take, context);
		data = lf + 1;
	}
	if (data < end)
		hold(lines, data, (size_t)(end - data));
}

static int feed_all(int fd, uint64_t most, char *block, struct lines *lines, lines_fn *take, void *context)
{
	for (uint64_t done = 0;;) {
		ssize_t got = read(fd, block, BLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		done += (uint64_t)got;
		if (done > most) {
			errno = EFBIG;
			return -1;
		}
		lines_feed(lines, block, (size_t)got, take, context);
	}
}

int lines_of_file(int folder, const char *name, uint64_t most, lines_fn *take, void *context)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	char *block = malloc(BLOCK);
	struct stat status;
	int fd = -1, result = -1, reason;

	if (lines == NULL || block == NULL)
		goto out;
	fd = walk_open_file(folder, name, &status);
	if (fd >= 0 && (uint64_t)status.st_size > most)
		errno = EFBIG;
	else if (fd >= 0)
		result = feed_all(fd, most, block, lines, take, context);
out:
	reason = errno;
	if (fd >= 0)
		close(fd);
	free(block);
	free(lines);
	errno = reason;
	return result;
}
