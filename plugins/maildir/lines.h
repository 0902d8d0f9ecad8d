/* lines - cuts what a file holds into lines, whatever pieces it comes in.
 *
 * A line that is longer than LINES_MAX is left out, and so is a last one that no line end follows: it may be half. */
#ifndef MAILDIR_LINES_H
#define MAILDIR_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_MAX 2048u /* octets of one line */

/* Takes one line, without its end. */
typedef void lines_fn(void *context, const char *line, size_t size);

struct lines {
	size_t used;
	bool skipping; /* in a line that is too long */
	char held[LINES_MAX];
};

/* Feeds a piece. Pure. */
void lines_feed(struct lines *lines, const char *data, size_t size, lines_fn *take, void *context);
/* Reads the file `name` of a folder, if it is a file and no link. 0, or -1 with errno: EFBIG, it has more octets than
 * `most`; lines may have been taken until then. */
int lines_of_file(int folder, const char *name, uint64_t most, lines_fn *take, void *context);

#endif
