/* sizes - the file in which a maildir remembers what reading it has cost, or what must stay as it was told.
 *
 * "popgate-sizes 1", then for each message "OCTETS s BASE" or "OCTETS n BASE": its size with CRLF line ends (- where
 * its name tells it), and with n that its UIDL is its name, whatever dovecot-uidlist says later. */
#ifndef MAILDIR_SIZES_H
#define MAILDIR_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

#define SIZES_FILE "popgate-sizes"
#define SIZES_LINE (NAME_ROOM + 32u) /* room for one line */

/* What the lines so far have told; begins as all zero. */
struct sizes {
	bool begun, sound; /* a first line has come; and it was ours */
};

struct sizes_entry {
	uint64_t octets; /* or NAME_UNKNOWN */
	bool named;
	const char *base; /* of a line: into it */
	size_t base_size;
};

/* Takes the next line. True: *entry_r tells of a message. False: it is the first, or of no use. Pure. */
bool sizes_take(struct sizes *sizes, const char *line, size_t size, struct sizes_entry *entry_r);
/* A message's line with its end; returns its octets, 0: this name can't stand in a line. Pure. */
size_t sizes_line(const struct sizes_entry *entry, char line_r[SIZES_LINE]);

/* The new file, until it is in place. */
struct sizes_writer {
	int folder, fd; /* fd -1: it cannot be written */
	size_t used;
	char *block;
};

/* Nothing of a failure is told: what was not written is counted again. */
void sizes_begin(struct sizes_writer *writer, int folder);
void sizes_add(struct sizes_writer *writer, const struct sizes_entry *entry);
void sizes_end(struct sizes_writer *writer);

#endif
