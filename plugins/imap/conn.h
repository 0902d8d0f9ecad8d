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
#define CONN_FLIGHT_MAX	 16u   /* commands under way at once */

/* A command that was sent and not yet answered. */
struct conn_flight {
	int tag;
	struct guard_limits limits;
};

struct conn {
	const struct popgate_host *host;
	struct popgate_session *session;
	const struct guard_bounds *bounds;
	const struct guard_limits *small; /* what any small command may bring */
	struct transport *transport;
	mailimap *imap;
	int tag;				    /* of the last command sent */
	struct conn_flight flight[CONN_FLIGHT_MAX]; /* the oldest first */
	unsigned flights;
	char *gathered;	      /* commands not yet sent, with any secret that is in them; NULL: each is sent at once */
	size_t gathered_size; /* octets */
	bool usable;	      /* connected, and no command has broken off */
	unsigned caps;	      /* enum caps_bit */
	struct line_status status; /* of the last command's end; kind LINE_OTHER: there was none */
	int result;		   /* libetpan's, of the last command */
	bool expunged;		   /* the last command brought an EXPUNGE */
	uint32_t uidvalidity;	   /* of the selected folder, set after SELECT; 0: nothing is selected */
	bool replaced;		   /* the server has announced another UIDVALIDITY since */
};

/* How a command ended. */
enum conn_end {
	CONN_OK,
	CONN_NO,       /* NO or BAD; the connection goes on */
	CONN_GO_AHEAD, /* it has not: the server said "+"; only where this is said below */
	CONN_BROKEN    /* no tagged answer that could be read; the connection is not usable any more */
};

/* Who takes what a FETCH brings, while it is parsed. */
struct conn_taker {
	mailimap_msg_att_handler *attributes; /* when a FETCH response has ended */
	mailimap_msg_body_handler *octets;    /* may be NULL */
	void *context;
};

/* bounds and small outlive it. */
void conn_init(struct conn *c, const struct popgate_host *host, struct popgate_session *session,
	       const struct guard_bounds *bounds, const struct guard_limits *small);
/* Connects, with TLS at once where trust is not NULL, and reads the greeting. -1: *error says why. */
int conn_open(struct conn *c, const char *name, unsigned port, const struct trust *trust, int64_t deadline,
	      struct popgate_error *error);
/* Ends the connection without waiting; a LOGOUT is sent where that is possible. Fit for conn_open again. */
void conn_close(struct conn *c);

/* Sends a command and reads up to its tagged answer. The line ends up as "TAG " and the text; no CRLF in it. */
enum conn_end conn_command(struct conn *c, const struct guard_limits *limits, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with somebody to take FETCH responses; NULL: as conn_command. */
enum conn_end conn_fetch(struct conn *c, const struct guard_limits *limits, const struct conn_taker *taker,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Sends a command as conn_command does, without waiting for its answer, which conn_receive reads. At most
 * CONN_FLIGHT_MAX are under way; none may be where any other function here sends. CONN_OK or CONN_BROKEN. */
enum conn_end conn_send(struct conn *c, const struct guard_limits *limits, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Commands sent from here on leave together, in one segment if they fit: when an answer is read at the latest. */
void conn_gather(struct conn *c);
/* Reads the answer to the oldest command under way. What the server says of a later one meanwhile comes here too. */
enum conn_end conn_receive(struct conn *c, const struct conn_taker *taker);
/* The same for a line that must not be formatted, since it holds a secret. */
enum conn_end conn_send_line(struct conn *c, const char *line, size_t size);
/* Lets the last command under way bring more, now that it is known how much there is. */
void conn_allow(struct conn *c, const struct guard_limits *more);
/* Sends a line that must not be formatted, since it holds a secret, and reads up to its tagged answer. */
enum conn_end conn_line(struct conn *c, const char *line, size_t size);
/* The same for a line that may be all the server needs, or not: CONN_GO_AHEAD when it asks for more. */
enum conn_end conn_offer(struct conn *c, const char *line, size_t size);
/* The same for a line that cannot be all: CONN_GO_AHEAD, CONN_NO or CONN_BROKEN. */
enum conn_end conn_begin(struct conn *c, const char *line, size_t size);
/* Goes on after "+" with a line, tagless, that cannot be all; then as conn_begin. */
enum conn_end conn_next(struct conn *c, const char *line, size_t size);
/* Goes on after "+" with a line, tagless, that may be all the server needs, or not; then as conn_offer. */
enum conn_end conn_reply(struct conn *c, const char *line, size_t size);
/* What stood behind the last "+"; valid until the next line is read. */
const char *conn_challenge(const struct conn *c, size_t *size_r);
/* Goes on after "+" with the last line, tagless; then as conn_line. */
enum conn_end conn_continue(struct conn *c, const char *line, size_t size);

/* Fills *error with why the last command did not end with OK; returns -1. `what` names the command. */
int conn_fail(const struct conn *c, const char *what, enum status_place place, struct popgate_error *error);
/* Whether the connection just went away (closed, reset, BYE), rather than misbehaved or timed out. */
bool conn_is_lost(const struct conn *c);

/* Whether the server has said something that was not read yet, or has gone; does not wait. */
bool conn_has_input(struct conn *c);
/* Gives back what libetpan holds of a long answer; conn_current_line is empty then. */
void conn_forget_lines(struct conn *c);
/* The line in libetpan's buffer that is being parsed. */
const char *conn_current_line(const struct conn *c, size_t *size_r);

#endif
