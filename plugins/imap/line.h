/* line - reads out of response lines what libetpan's structures do not tell.
 *
 * Pure: no I/O, no allocation. A line may hold literals that libetpan has
 * already taken out (it leaves "{0}" CRLF in their place).
 */
#ifndef IMAP_LINE_H
#define IMAP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_CODE_SIZE 32u
#define LINE_TEXT_SIZE 160u

enum line_kind { LINE_OTHER, LINE_OK, LINE_NO, LINE_BAD, LINE_BYE };

/* A status response taken apart. */
struct line_status {
	enum line_kind kind;
	char code[LINE_CODE_SIZE]; /* the response code's name in capitals; empty: none */
	char text[LINE_TEXT_SIZE]; /* what follows the condition, printable ASCII, cut */
};

/* The beginning of a FETCH response, as far as it has come. */
struct line_fetch {
	uint32_t sequence;
	uint32_t uid;	 /* 0: not seen yet */
	uint64_t octets; /* RFC822.SIZE, all 64 bits */
	bool has_octets;
	bool ranged;	  /* a section with an origin ("<0>") is in it */
	uint64_t literal; /* the size announced at the very end */
	bool has_literal;
};

/* Where the last line of `text` begins that is a response of its own: at the start or after LF, and "* ", "+ " or a
 * tag. */
const char *line_last(const char *text, size_t size);
/* Takes a status response apart ("* BYE ...", "TAG OK [CODE] ...", "TAG NO [CODE: ..." as the guard leaves it); kind is
 * LINE_OTHER when it is none. */
void line_read_status(const char *line, size_t size, struct line_status *status_r);
/* Reads "* N FETCH (..."; -1 when the line is no FETCH response. */
int line_read_fetch(const char *line, size_t size, struct line_fetch *fetch_r);

#endif
