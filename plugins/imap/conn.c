/* conn - sends commands itself and lets libetpan parse the answers.
 *
 * Commands don't go through libetpan's senders: they copy credentials into
 * buffers that stay, and drop response codes. Everything written here was
 * made by this plugin or checked for CR, LF and NUL before.
 *
 * Never sends LOGOUT and waits. Runs in a session process.
 */
#include "conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stream.h"

#define GATHER_MAX 16384u /* octets: less than any socket takes at once */

void conn_init(struct conn *c, const struct popgate_host *host, struct popgate_session *session,
	       const struct guard_bounds *bounds, const struct guard_limits *small)
{
	memset(c, 0, sizeof(*c));
	c->host = host;
	c->session = session;
	c->bounds = bounds;
	c->small = small;
}

/* ---- failures ---------------------------------------------------------- */

static enum popgate_status status_of_fault(enum transport_fault fault)
{
	switch (fault) {
	case TRANSPORT_FINE:
	case TRANSPORT_UNREACHABLE:
	case TRANSPORT_LOST:
	case TRANSPORT_TIMEOUT:
	case TRANSPORT_TLS:
	case TRANSPORT_MEMORY:
		return POPGATE_TEMP;
	case TRANSPORT_STOPPED:
		return POPGATE_STOPPED;
	case TRANSPORT_CERTIFICATE:
		return POPGATE_PERM;
	case TRANSPORT_HOSTILE:
		return POPGATE_PROTOCOL;
	}
	return POPGATE_TEMP;
}

int conn_fail(const struct conn *c, const char *what, enum status_place place, struct popgate_error *error)
{
	enum transport_fault fault = c->transport != NULL ? transport_fault(c->transport) : TRANSPORT_LOST;

	if (c->replaced)
		return status_fail(error, POPGATE_TEMP, "%s: UIDVALIDITY is no longer %u", what, c->uidvalidity);
	if (c->status.kind == LINE_NO || c->status.kind == LINE_BAD || c->status.kind == LINE_BYE)
		return status_fail(error, status_of_line(&c->status, place), "%s: the server says: %s", what,
				   c->status.text);
	if (fault != TRANSPORT_FINE)
		return status_fail(error, status_of_fault(fault), "%s: %s", what,
				   c->transport != NULL ? transport_text(c->transport) : "out of memory");
	return status_fail(error, status_of_libetpan(c->result), "%s: %s", what, status_libetpan_text(c->result));
}

bool conn_is_lost(const struct conn *c)
{
	return c->status.kind == LINE_BYE || (c->transport != NULL && transport_fault(c->transport) == TRANSPORT_LOST);
}

/* ---- answers ----------------------------------------------------------- */

const char *conn_current_line(const struct conn *c, size_t *size_r)
{
	const MMAPString *buffer = c->imap->imap_stream_buffer;
	const char *line = line_last(buffer->str, buffer->len);

	*size_r = (size_t)(buffer->str + buffer->len - line);
	return line;
}

bool conn_has_input(struct conn *c)
{
	return c->imap->imap_stream->read_buffer_len > 0 || transport_has_input(c->transport);
}

void conn_forget_lines(struct conn *c)
{
	MMAPString *fresh = mmap_string_new("");

	if (fresh == NULL)
		return;
	mmap_string_free(c->imap->imap_stream_buffer);
	c->imap->imap_stream_buffer = fresh;
}

/* The status line that ended a command, or the BYE before the end of file. */
static void note_status(struct conn *c)
{
	size_t size, length;
	const char *line = conn_current_line(c, &size);
	char tag[16];

	line_read_status(line, size, &c->status);
	length = (size_t)snprintf(tag, sizeof(tag), "%d ", c->imap->imap_tag);
	/* of what is not the tagged answer, only BYE ends anything */
	if (c->status.kind != LINE_BYE && (size < length || memcmp(line, tag, length) != 0))
		c->status.kind = LINE_OTHER;
}

/* What the answer said about the folder. */
static void note_folder(struct conn *c)
{
	const struct mailimap_response_info *response = c->imap->imap_response_info;
	const struct mailimap_selection_info *folder = c->imap->imap_selection_info;

	c->expunged = response != NULL && response->rsp_expunged != NULL && clist_begin(response->rsp_expunged) != NULL;
	if (c->uidvalidity != 0 && folder != NULL && folder->sel_uidvalidity != c->uidvalidity)
		c->replaced = true;
}

static enum conn_end broken(struct conn *c, int result)
{
	c->result = result;
	c->usable = false;
	c->flights = 0;
	return CONN_BROKEN;
}

/* The oldest command is answered: what the others may bring counts from here. */
static void arrive(struct conn *c)
{
	c->flights--;
	memmove(&c->flight[0], &c->flight[1], c->flights * sizeof(c->flight[0]));
	for (unsigned i = 0; i < c->flights; i++)
		if (i == 0)
			transport_expect(c->transport, &c->flight[i].limits);
		else
			transport_expect_more(c->transport, &c->flight[i].limits);
}

/* Parses from the line that is in the buffer up to the oldest command's tagged answer. */
static enum conn_end parse(struct conn *c)
{
	struct mailimap_response *response = NULL;
	int r;

	c->imap->imap_tag = c->flight[0].tag;
	r = mailimap_parse_response(c->imap, &response);
	note_status(c);
	if (r == MAILIMAP_NO_ERROR)
		mailimap_response_free(response);
	/* libetpan's word for a BYE that is not the last line */
	if (r == MAILIMAP_ERROR_STREAM && transport_fault(c->transport) == TRANSPORT_FINE)
		c->status = (struct line_status){.kind = LINE_BYE, .text = "BYE"};
	/* libetpan tells BAD by the same result as an answer to another command */
	if (r != MAILIMAP_NO_ERROR && (r != MAILIMAP_ERROR_PROTOCOL || c->status.kind != LINE_BAD)) {
		if (c->status.kind != LINE_BYE)
			c->status.kind = LINE_OTHER;
		return broken(c, r);
	}
	note_folder(c);
	c->result = r;
	if (c->replaced)
		return broken(c, r);
	switch (c->status.kind) {
	case LINE_OK:
		arrive(c);
		return CONN_OK;
	case LINE_NO:
	case LINE_BAD:
		arrive(c);
		return CONN_NO;
	case LINE_BYE:
	case LINE_OTHER:
		break;
	}
	return broken(c, MAILIMAP_ERROR_PARSE);
}

static enum conn_end read_answer(struct conn *c)
{
	if (mailimap_read_line(c->imap) == NULL)
		return broken(c, MAILIMAP_ERROR_STREAM);
	return parse(c);
}

/* ---- commands ---------------------------------------------------------- */

static void drop_gathered(struct conn *c)
{
	if (c->gathered != NULL)
		explicit_bzero(c->gathered, GATHER_MAX);
	free(c->gathered);
	c->gathered = NULL;
	c->gathered_size = 0;
}

void conn_gather(struct conn *c)
{
	/* without memory for it each goes on its own */
	if (c->gathered == NULL)
		c->gathered = malloc(GATHER_MAX);
}

/* What was gathered leaves, and what comes after it at once. */
static int release(struct conn *c)
{
	int r = c->gathered_size > 0 ? transport_write(c->transport, c->gathered, c->gathered_size) : 0;

	drop_gathered(c);
	return r;
}

static int write_or_gather(struct conn *c, const char *data, size_t size)
{
	if (c->gathered != NULL && size <= GATHER_MAX - c->gathered_size) {
		memcpy(c->gathered + c->gathered_size, data, size);
		c->gathered_size += size;
		return 0;
	}
	return release(c) == 0 ? transport_write(c->transport, data, size) : -1;
}

/* TAG SP line CRLF in one piece, so that it goes out in one segment. */
static int send_line(struct conn *c, bool tagged, const char *line, size_t size)
{
	size_t room = size + 24;
	char *whole = malloc(room);
	int n, r;

	if (whole == NULL)
		return -1;
	n = tagged ? snprintf(whole, room, "%d ", c->tag) : 0;
	memcpy(whole + n, line, size);
	memcpy(whole + n + size, "\r\n", 2); /* NOLINT(bugprone-not-null-terminated-result): octets, not a string */
	r = write_or_gather(c, whole, (size_t)n + size + 2);
	explicit_bzero(whole, room);
	free(whole);
	return r;
}

/* Before a command leaves, and before an answer is read: what the last one said no longer counts. */
static void forget_status(struct conn *c)
{
	memset(&c->status, 0, sizeof(c->status));
	c->expunged = false;
}

/* One more command is under way. */
static enum conn_end depart(struct conn *c, const struct guard_limits *limits, const char *line, size_t size)
{
	forget_status(c);
	if (!c->usable)
		return broken(c, MAILIMAP_ERROR_STREAM);
	if (c->flights == CONN_FLIGHT_MAX)
		return broken(c, MAILIMAP_ERROR_BAD_STATE);
	c->flight[c->flights] = (struct conn_flight){.tag = ++c->tag, .limits = *limits};
	if (c->flights++ == 0)
		transport_expect(c->transport, limits);
	else
		transport_expect_more(c->transport, limits);
	return send_line(c, true, line, size) == 0 ? CONN_OK : broken(c, MAILIMAP_ERROR_STREAM);
}

static enum conn_end begin_command(struct conn *c, const struct guard_limits *limits, const char *line, size_t size)
{
	/* the answer that is read next must be this command's */
	return c->flights == 0 ? depart(c, limits, line, size) : broken(c, MAILIMAP_ERROR_BAD_STATE);
}

/* libetpan ignores the attribute handler when this is not set. */
static void no_progress(size_t current, size_t maximum, void *context)
{
	(void)current, (void)maximum, (void)context;
}

static void set_taker(struct conn *c, const struct conn_taker *taker)
{
	mailprogress_function *progress = taker->attributes != NULL ? no_progress : NULL;

	mailimap_set_progress_callback(c->imap, progress, progress, NULL);
	mailimap_set_msg_att_handler(c->imap, taker->attributes, taker->context);
	mailimap_set_msg_body_handler(c->imap, taker->octets, taker->context);
}

typedef enum conn_end send_fn(struct conn *c, const struct guard_limits *limits, const char *line, size_t size);

static enum conn_end send_formatted(struct conn *c, send_fn *send, const struct guard_limits *limits,
				    const char *format, va_list arguments)
{
	char line[CONN_COMMAND_MAX];
	int n = vsnprintf(line, sizeof(line), format, arguments);

	if (n < 0 || (size_t)n >= sizeof(line))
		return broken(c, MAILIMAP_ERROR_INVAL);
	return send(c, limits, line, (size_t)n);
}

enum conn_end conn_send(struct conn *c, const struct guard_limits *limits, const char *format, ...)
{
	enum conn_end end;
	va_list arguments;

	va_start(arguments, format);
	end = send_formatted(c, depart, limits, format, arguments);
	va_end(arguments);
	return end;
}

enum conn_end conn_send_line(struct conn *c, const char *line, size_t size)
{
	return depart(c, c->small, line, size);
}

void conn_allow(struct conn *c, const struct guard_limits *more)
{
	struct guard_limits *limits;

	if (c->flights == 0)
		return;
	limits = &c->flight[c->flights - 1].limits;
	limits->octets += more->octets;
	limits->lines += more->lines;
	transport_expect_more(c->transport, more);
}

enum conn_end conn_receive(struct conn *c, const struct conn_taker *taker)
{
	static const struct conn_taker nobody;
	enum conn_end end;

	forget_status(c);
	if (!c->usable || c->flights == 0 || release(c) != 0)
		return broken(c, MAILIMAP_ERROR_STREAM);
	set_taker(c, taker != NULL ? taker : &nobody);
	end = read_answer(c);
	set_taker(c, &nobody);
	return end;
}

enum conn_end conn_command(struct conn *c, const struct guard_limits *limits, const char *format, ...)
{
	enum conn_end end;
	va_list arguments;

	va_start(arguments, format);
	end = send_formatted(c, begin_command, limits, format, arguments);
	va_end(arguments);
	return end == CONN_OK ? conn_receive(c, NULL) : end;
}

enum conn_end conn_fetch(struct conn *c, const struct guard_limits *limits, const struct conn_taker *taker,
			 const char *format, ...)
{
	enum conn_end end;
	va_list arguments;

	va_start(arguments, format);
	end = send_formatted(c, begin_command, limits, format, arguments);
	va_end(arguments);
	return end == CONN_OK ? conn_receive(c, taker) : end;
}

enum conn_end conn_line(struct conn *c, const char *line, size_t size)
{
	enum conn_end end = begin_command(c, c->small, line, size);

	return end == CONN_OK ? read_answer(c) : end;
}

/* Untagged data may stand before the "+": it is passed over, since nothing it could say counts yet. */
static enum conn_end await_more(struct conn *c)
{
	for (;;) {
		const MMAPString *buffer = c->imap->imap_stream_buffer;

		if (mailimap_read_line(c->imap) == NULL)
			return broken(c, MAILIMAP_ERROR_STREAM);
		if (buffer->len > 0 && buffer->str[0] == '+')
			return CONN_GO_AHEAD;
		if (buffer->len == 0 || buffer->str[0] != '*' || strncasecmp(buffer->str, "* BYE", 5) == 0)
			return parse(c);
	}
}

/* OK to half a command is no answer to it. */
static enum conn_end await_go_ahead(struct conn *c)
{
	enum conn_end end = await_more(c);

	return end == CONN_OK ? broken(c, MAILIMAP_ERROR_PROTOCOL) : end;
}

enum conn_end conn_offer(struct conn *c, const char *line, size_t size)
{
	enum conn_end end = begin_command(c, c->small, line, size);

	return end == CONN_OK ? await_more(c) : end;
}

enum conn_end conn_begin(struct conn *c, const char *line, size_t size)
{
	enum conn_end end = begin_command(c, c->small, line, size);

	return end == CONN_OK ? await_go_ahead(c) : end;
}

enum conn_end conn_next(struct conn *c, const char *line, size_t size)
{
	return send_line(c, false, line, size) == 0 ? await_go_ahead(c) : broken(c, MAILIMAP_ERROR_STREAM);
}

enum conn_end conn_reply(struct conn *c, const char *line, size_t size)
{
	return send_line(c, false, line, size) == 0 ? await_more(c) : broken(c, MAILIMAP_ERROR_STREAM);
}

const char *conn_challenge(const struct conn *c, size_t *size_r)
{
	const MMAPString *buffer = c->imap->imap_stream_buffer;
	size_t begin = buffer->len > 1 && buffer->str[1] == ' ' ? 2 : 1, end = buffer->len;

	while (end > begin && (buffer->str[end - 1] == '\r' || buffer->str[end - 1] == '\n'))
		end--;
	*size_r = end > begin ? end - begin : 0;
	return buffer->str + begin;
}

enum conn_end conn_continue(struct conn *c, const char *line, size_t size)
{
	if (send_line(c, false, line, size) != 0)
		return broken(c, MAILIMAP_ERROR_STREAM);
	return read_answer(c);
}

/* ---- open and close ---------------------------------------------------- */

static int read_greeting(struct conn *c, struct popgate_error *error)
{
	mailstream *stream = stream_new(c->transport);

	if (stream == NULL)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	transport_expect(c->transport, c->small);
	c->result = mailimap_connect(c->imap, stream);
	if (c->result == MAILIMAP_NO_ERROR_NON_AUTHENTICATED) {
		c->usable = true;
		return 0;
	}
	/* nobody's credential would have been checked */
	if (c->result == MAILIMAP_NO_ERROR_AUTHENTICATED)
		return status_fail(error, POPGATE_TEMP, "greeting: PREAUTH is refused");
	note_status(c);
	return conn_fail(c, "greeting", STATUS_AT_GREETING, error);
}

int conn_open(struct conn *c, const char *name, unsigned port, const struct trust *trust, int64_t deadline,
	      struct popgate_error *error)
{
	c->transport = transport_new(c->host, c->session, c->bounds);
	c->imap = mailimap_new(0, NULL);
	if (c->transport == NULL || c->imap == NULL)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	transport_deadline(c->transport, deadline);
	if (transport_connect(c->transport, name, port) != 0)
		return conn_fail(c, "connect", STATUS_AT_GREETING, error);
	if (trust != NULL && transport_secure(c->transport, trust, name) != 0)
		return conn_fail(c, "connect", STATUS_AT_GREETING, error);
	return read_greeting(c, error);
}

void conn_close(struct conn *c)
{
	static const char logout[] = "ZZ LOGOUT\r\n";

	if (c->usable)
		transport_farewell(c->transport, logout, sizeof(logout) - 1);
	drop_gathered(c);
	if (c->imap != NULL) {
		/* mailimap_free would send LOGOUT and wait */
		if (c->imap->imap_stream != NULL)
			mailstream_close(c->imap->imap_stream);
		c->imap->imap_stream = NULL;
		mailimap_free(c->imap);
	}
	c->imap = NULL;
	transport_free(&c->transport);
	c->usable = false;
	c->flights = 0;
	c->caps = 0;
	c->uidvalidity = 0;
	c->replaced = false;
	forget_status(c);
}
