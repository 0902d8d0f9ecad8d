/* output - the session's buffered way to its client, with back-pressure, the
 * stall deadline and the notes on the phase page. Session process. */
#ifndef POPGATE_SESSION_OUTPUT_H
#define POPGATE_SESSION_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/phase.h"

#define OUTPUT_BUFFER 16384

struct output {
	int fd;
	int watched;		 /* hangs up when the client goes, or the front: fd, until it is moved */
	int flags;		 /* fd's, before; -1: unknown */
	int64_t stall;		 /* milliseconds the client may take no octet */
	struct phase_page *page; /* NULL: none */
	uint64_t sent;		 /* octets written, wherever fd was moved */
	uint64_t settled;	 /* octets of input whose replies are in the buffer or gone */
	bool inside;		 /* a multi-line reply is being written */
	bool failed;		 /* the client has gone or stalled; everything is refused from then on */
	bool stalled;		 /* it stalled */
	size_t size;
	char buffer[OUTPUT_BUFFER];
};

/* fd is borrowed and made non-blocking. */
void output_init(struct output *output, int fd, int64_t stall, struct phase_page *page);
/* Appends; blocks while the client is slow. 0, or -1 once the client has gone or stalled. */
int output_write(struct output *output, const void *data, size_t size);
/* Appends one line and CRLF; the line is cut to RFC 1939's 512 octets. */
int output_line(struct output *output, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes to fd from now on; what was written before has left. Counting goes on. */
void output_move(struct output *output, int fd);
/* Gives fd back as it was. */
void output_end(struct output *output);
/* Where the output stands, in octets since the beginning, to come back to as long as nothing behind it has left. */
uint64_t output_mark(const struct output *output);
/* Takes back what was written since the mark. 0, or -1: some of it has left. */
int output_rewind(struct output *output, uint64_t mark);
/* Whether the buffer's octets would leave at once. */
bool output_has_room(const struct output *output);
/* Sends what is buffered. 0 or -1. */
int output_flush(struct output *output);

#endif
