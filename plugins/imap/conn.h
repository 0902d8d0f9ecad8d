/* conn - one IMAP connection: commands, their answers, and what went wrong.
 *
 * Joins libetpan's session (the parser) with a transport. Blocks only where
 * the transport does.
 */
#ifndef IMAP_CONN_H
#define IMAP_CONN_H

#include <libetpan/mailimap.h>

#include "line.h"
#include "status.h"
#include "transport.h"

#define CONN_COMMAND_MAX 8000u /* octets of a command line, RFC 7162's advice */

enum conn_cap {
	CONN_CAP_STARTTLS = 1 << 0,
	CONN_CAP_LOGINDISABLED = 1 << 1,
	CONN_CAP_PLAIN = 1 << 2,
	CONN_CAP_SASL_IR = 1 << 3,
	CONN_CAP_ID = 1 << 4,
	CONN_CAP_ENABLE = 1 << 5,
	CONN_CAP_UTF8_ACCEPT = 1 << 6,
	CONN_CAP_UIDPLUS = 1 << 7,
	CONN_CAP_MOVE = 1 << 8
};

struct conn {
	const struct popgate_host *host;
	struct popgate_session *session;
	struct transport *transport;
	mailimap *imap;
	bool usable;		   /* connected, and no command has broken off */
	unsigned caps;		   /* enum conn_cap */
	struct line_status status; /* of the last command's end; kind LINE_OTHER: there was none */
	int result;		   /* libetpan's, of the last command */
	bool expunged;		   /* the last command brought an EXPUNGE */
};

/* How a command ended. */
enum conn_end {
	CONN_OK,
	CONN_NO,    /* NO or BAD; the connection goes on */
	CONN_BROKEN /* no tagged answer that could be read; the connection is not usable any more */
};

/* What any small command may bring. */
extern const struct guard_limits conn_small;

void conn_init(struct conn *c, const struct popgate_host *host, struct popgate_session *session);
/* Connects, with TLS at once where trust is not NULL, and reads the greeting. -1: *error says why. */
int conn_open(struct conn *c, const char *name, unsigned port, const struct transport_trust *trust, int64_t deadline,
	      struct popgate_error *error);
/* Ends the connection without waiting; a LOGOUT is sent where that is possible. Fit for conn_open again. */
void conn_close(struct conn *c);

/* Sends a command and reads up to its tagged answer. The line ends up as "TAG " and the text; no CRLF in it. */
enum conn_end conn_command(struct conn *c, const struct guard_limits *limits, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a line that must not be formatted, since it holds a secret. */
enum conn_end conn_line(struct conn *c, const struct guard_limits *limits, const char *line, size_t size);
/* Sends a line and waits for the server's "+". CONN_OK: it came; CONN_NO: a tagged answer came instead. */
enum conn_end conn_begin(struct conn *c, const char *line, size_t size);
/* Goes on after "+" with a line, and waits for the next "+"; then as conn_begin. */
enum conn_end conn_next(struct conn *c, const char *line, size_t size);
/* Goes on after "+" with a line of the client's, tagless; then as conn_line. */
enum conn_end conn_continue(struct conn *c, const char *line, size_t size);

/* Fills *error with why the last command did not end with OK; returns -1. `what` names the command. */
int conn_fail(const struct conn *c, const char *what, enum status_place place, struct popgate_error *error);
/* Whether the connection just went away (closed, reset, BYE), rather than misbehaved or timed out. */
bool conn_is_lost(const struct conn *c);

/* Gives back what libetpan holds of a long answer; conn_current_line is empty then. */
void conn_forget_lines(struct conn *c);
/* Reads the capabilities that the last answers brought, if any did; false: none. */
bool conn_read_caps(struct conn *c);
/* Forgets all capabilities. */
void conn_forget_caps(struct conn *c);
/* The line in libetpan's buffer that is being parsed. */
const char *conn_current_line(const struct conn *c, size_t *size_r);

#endif
