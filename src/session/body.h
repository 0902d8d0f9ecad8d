/* body - turns a message's raw octets into what a multi-line reply carries:
 * CRLF line ends, leading dots stuffed, TOP's cut. Pure.
 *
 * A line ends at LF, with or without CR before it, and leaves as CRLF; a CR
 * that no LF follows is an octet like any other. */
#ifndef POPGATE_SESSION_BODY_H
#define POPGATE_SESSION_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body {
	int64_t lines;	 /* body lines still wanted; INT64_MAX: all */
	bool in_body;	 /* the empty line after the header has passed */
	bool line_start; /* the next octet begins a line */
	bool enough;	 /* TOP's lines are through */
	bool any;	 /* an octet has come */
	uint64_t octets; /* fed and taken, with CRLF line ends, without stuffed dots */
	char last;	 /* the octet before this chunk */
	bool line_empty; /* nothing but perhaps a CR on this line so far */
};

/* Takes a piece of the reply. Returns 0, or -1: stop. */
typedef int body_emit_fn(void *context, const char *data, size_t size);

/* lines: body lines wanted (TOP), INT64_MAX for a whole message. */
void body_init(struct body *body, int64_t lines);
/* Feeds raw octets. Returns 0, 1 when TOP's lines are through, -1 when emit said stop. */
int body_feed(struct body *body, const char *data, size_t size, body_emit_fn *emit, void *context);
/* What the message would have if it ended here: its octets with CRLF line ends, the last line's too. */
uint64_t body_octets(const struct body *body);
/* The message has ended: completes its last line and emits the final dot. 0 or -1. */
int body_finish(struct body *body, body_emit_fn *emit, void *context);

#endif
