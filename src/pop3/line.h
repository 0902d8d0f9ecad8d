/* line - cuts a POP3 client's octets into command lines. Pure.
 *
 * The rule for line ends: a line ends at LF and nowhere else; one CR right
 * before it belongs to the line end; any other CR is an octet of the line (and
 * makes the command malformed). So no octet sequence is one command to one
 * party and two to another.
 *
 * RFC 2449 section 4: a command has 255 octets at most, with its CRLF. AUTH
 * and SASL responses may be longer (RFC 5034 section 4).
 */
#ifndef POPGATE_POP3_LINE_H
#define POPGATE_POP3_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_COMMAND_MAX   255	   /* octets with line end */
#define LINE_AUTH_MAX	   16384   /* AUTH command or SASL response */
#define LINE_SKIP_MAX	   65536   /* octets skipped in search of an LF before giving up */
#define LINE_AUTH_SKIP_MAX 2097152 /* the same of an AUTH command or SASL response: a client may send a large token */

enum line_event {
	LINE_MORE,     /* no whole line yet; all octets were taken */
	LINE_COMPLETE, /* reader->data, reader->size: a line without its end, NUL-terminated */
	LINE_TOO_LONG, /* a line over the bound has been skipped, its LF included */
	LINE_NUL,      /* a line that held a NUL */
	LINE_FLOOD,    /* so many octets without LF: close */
	LINE_NO_MEMORY
};

struct line_reader {
	char *data;
	size_t size, room;
	size_t skipped; /* octets of the current line thrown away; 0: not skipping */
	bool nul;
	bool response; /* a SASL response is expected: LINE_AUTH_MAX holds */
	bool finished; /* data holds a line that was handed out */
};

/* Zero-initialised is empty. Takes octets up to and with the next LF; *used_r
 * says how many. After any event but MORE the next call starts a new line. */
enum line_event line_feed(struct line_reader *reader, const char *data, size_t size, size_t *used_r);
/* Wipes the line that was handed out, which is over: it may be a password. After LINE_MORE it does nothing. */
void line_forget(struct line_reader *reader);
/* Wipes and frees what the reader holds. */
void line_clear(struct line_reader *reader);

#endif
