/* session: everything that a client may say once it is logged in, against a plugin whose messages fail in the ways that
 * the contract knows. Each line has one reply. A message that comes to its final dot is the right one, whole. What the
 * plugin is asked to remove at QUIT, and only there, is what DELE marked and RSET left.
 *
 * The input: how many messages; then for each how it fails; then what the client says. */
#include <fcntl.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "pop3/command.h"
#include "pop3/line.h"
#include "session/session.h"
#include "session/watchdog.h"

#include "fuzz.h"

#define MESSAGES_MAX 4

enum fault { FAULT_NONE, FAULT_GONE, FAULT_LATE, FAULT_PROTOCOL, FAULT_SMALL, FAULT_LONG, FAULT_STAYS, FAULTS };

/* Canonical: what the client gets is this, but for dots. */
static const char *const bodies[MESSAGES_MAX] = {
    "Subject: one\r\n\r\nfirst\r\n",
    "Subject: two\r\n\r\n.\r\n..\r\n.dots\r\n\r\n",
    "\r\n",
    "Subject: four\r\n no body\r\n",
};

/* What there is, and what the plugin was asked to remove. */
static struct {
	size_t count;
	enum fault faults[MESSAGES_MAX];
	unsigned commits;
	bool asked[MESSAGES_MAX];
	size_t removed;
} drop;

/* What must be so, by the commands and their replies. */
static struct {
	bool marked[MESSAGES_MAX];
	bool dead, over, quit;
} model;

/* The fuzzer has its own use for the alarm clock. */
void watchdog_arm(int64_t milliseconds)
{
	(void)milliseconds;
}

/* ---- the plugin ---- */

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open_, void **drop_r,
		     struct popgate_error *error)
{
	(void)instance, (void)open_, (void)error;
	session->lock.fd = dup(STDERR_FILENO);
	*drop_r = &drop;
	return 0;
}

static int list(void *context_, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	(void)context_, (void)deadline, (void)error;
	for (size_t i = 0; i < drop.count; i++) {
		char uidl[] = "uid-0";
		const struct popgate_message message = {.uidl = uidl, .octets = strlen(bodies[i])};

		uidl[4] = (char)('1' + i);
		REQUIRE(add(context, &message) == 0);
	}
	return 0;
}

/* LONG: so much before the message fails that it has left the buffer. */
static int fail_late(const char *body, bool is_long, const struct popgate_sink *sink)
{
	int result = sink->write(sink->context, body, strlen(body) / 2);

	for (int i = 0; is_long && result == 0 && i < 2000; i++)
		result = sink->write(sink->context, "Subject: long\r\n", 15);
	return result == 1 ? 0 : -1;
}

static int fetch(void *context, size_t message, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	enum fault fault = drop.faults[message];
	size_t size = strlen(bodies[message]), step = fault == FAULT_SMALL ? 1 : size;
	int result = 0;

	(void)context, (void)lines, (void)pace;
	REQUIRE(message < drop.count && drop.commits == 0);
	error->status = fault == FAULT_GONE ? POPGATE_GONE : fault == FAULT_PROTOCOL ? POPGATE_PROTOCOL : POPGATE_TEMP;
	if (fault == FAULT_GONE || fault == FAULT_PROTOCOL)
		return -1;
	if (fault == FAULT_LATE || fault == FAULT_LONG)
		return fail_late(bodies[message], fault == FAULT_LONG, sink);
	for (size_t i = 0; i < size && result == 0; i += step)
		result = sink->write(sink->context, bodies[message] + i, step);
	return result < 0 ? -1 : 0;
}

static int commit(void *context, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	(void)context, (void)deadline;
	REQUIRE(drop.commits++ == 0 && count > 0 && count <= drop.count);
	for (size_t i = 0; i < count; i++) {
		REQUIRE(messages[i] < drop.count && (i == 0 || messages[i] > messages[i - 1]) && gone[i] == 0);
		drop.asked[messages[i]] = true;
		gone[i] = drop.faults[messages[i]] != FAULT_STAYS;
		drop.removed += gone[i];
	}
	error->status = POPGATE_TEMP;
	return drop.removed == count ? 0 : -1;
}

static void close_drop(void *context)
{
	(void)context;
}

static void prefetch(void *context, const size_t *messages, size_t count, int64_t lines, uint64_t octets)
{
	(void)context, (void)lines, (void)octets;
	for (size_t i = 0; i < count; i++)
		REQUIRE(messages[i] < drop.count && (i == 0 || messages[i] > messages[i - 1]));
}

static const struct popgate_plugin plugin = {.capabilities = POPGATE_CAN_PREFETCH,
					     .open = open_drop,
					     .list = list,
					     .fetch = fetch,
					     .commit = commit,
					     .close = close_drop,
					     .prefetch = prefetch};

/* ---- what must come ---- */

struct replies {
	const char *begin, *at, *end;
};

/* One line, without CRLF; its size. */
static size_t take_line(struct replies *replies, const char **line_r)
{
	const char *end = memmem(replies->at, (size_t)(replies->end - replies->at), "\r\n", 2);

	REQUIRE(end != NULL);
	*line_r = replies->at;
	replies->at = end + 2;
	REQUIRE(memchr(*line_r, '\n', (size_t)(end - *line_r)) == NULL);
	return (size_t)(end - *line_r);
}

/* Up to the final dot, unstuffed; false: the connection ends before it. */
static bool take_body(struct replies *replies, char *body, size_t room, size_t *size_r)
{
	*size_r = 0;
	while (replies->at < replies->end) {
		const char *line;
		size_t size;

		if (memmem(replies->at, (size_t)(replies->end - replies->at), "\r\n", 2) == NULL)
			break;
		size = take_line(replies, &line);
		if (size == 1 && *line == '.')
			return true;
		REQUIRE(size == 0 || *line != '.' || (size > 1 && line[1] == '.'));
		if (size > 0 && *line == '.')
			line++, size--;
		if (*size_r + size + 2 <= room) {
			memcpy(body + *size_r, line, size);
			memcpy(body + *size_r + size, "\r\n", 2);
			*size_r += size + 2;
		}
	}
	replies->at = replies->end;
	return false;
}

/* The octets of a TOP: header, empty line, and so many lines. */
static size_t top_size(const char *body, int64_t lines)
{
	const char *at = strncmp(body, "\r\n", 2) == 0 ? body : strstr(body, "\r\n\r\n");

	if (at == NULL)
		return strlen(body);
	at += at == body ? 2 : 4;
	for (; lines > 0 && *at != '\0'; lines--)
		at = strstr(at, "\r\n") + 2;
	return (size_t)(at - body);
}

static bool is_there(const struct command_call *call)
{
	return call->message >= 1 && call->message <= drop.count && !model.marked[call->message - 1];
}

static void check_message(struct replies *replies, const struct command_call *call, bool ok)
{
	enum fault fault = is_there(call) ? drop.faults[call->message - 1] : FAULT_GONE;
	bool whole = fault == FAULT_NONE || fault == FAULT_SMALL || fault == FAULT_STAYS;
	const char *expected = is_there(call) ? bodies[call->message - 1] : "";
	char body[256];
	size_t size;

	if (!ok) {
		REQUIRE(!whole || model.dead);
		model.dead = model.dead || fault == FAULT_PROTOCOL;
		return;
	}
	REQUIRE(!model.dead && fault != FAULT_GONE && fault != FAULT_PROTOCOL);
	if (!take_body(replies, body, sizeof(body), &size)) {
		/* or it began where the replies before it had filled the buffer */
		REQUIRE(fault == FAULT_LONG ||
			(fault == FAULT_LATE && replies->end - replies->begin > OUTPUT_BUFFER - 512));
		model.over = true;
		return;
	}
	/* a fault behind the lines that were asked for */
	REQUIRE(whole || call->command->verb == VERB_TOP);
	if (whole) {
		REQUIRE(size == (call->command->verb == VERB_TOP ? top_size(expected, call->lines) : strlen(expected)));
		REQUIRE(memcmp(body, expected, size) == 0);
	}
}

static size_t count_marked(void)
{
	size_t marked = 0;

	for (size_t i = 0; i < drop.count; i++)
		marked += model.marked[i];
	return marked;
}

static void check_quit(bool ok)
{
	REQUIRE(ok == (drop.removed == count_marked()));
	REQUIRE(drop.commits == (count_marked() > 0 && !model.dead));
	model.over = model.quit = true;
}

/* The lines of LIST and UIDL are the messages that are not marked. */
static void check_listing(struct replies *replies)
{
	char body[256];
	size_t size, lines = 0;

	REQUIRE(take_body(replies, body, sizeof(body), &size));
	for (size_t i = 0; i < size; i++)
		lines += body[i] == '\n';
	REQUIRE(lines == drop.count - count_marked());
}

static void check_command(struct replies *replies, const struct command_call *call, bool ok)
{
	char body[4096];
	size_t size;

	switch (call->command->verb) {
	case VERB_RETR:
	case VERB_TOP:
		check_message(replies, call, ok);
		return;
	case VERB_DELE:
		REQUIRE(ok == (is_there(call) && !model.dead));
		if (ok)
			model.marked[call->message - 1] = true;
		return;
	case VERB_RSET:
		REQUIRE(ok == !model.dead);
		if (ok)
			memset(model.marked, 0, sizeof(model.marked));
		return;
	case VERB_QUIT:
		check_quit(ok);
		return;
	case VERB_LIST:
	case VERB_UIDL:
		REQUIRE(ok == (!model.dead && (!call->has_message || is_there(call))));
		if (ok && !call->has_message)
			check_listing(replies);
		return;
	case VERB_CAPA:
	case VERB_LANG:
		if (ok && call->text == NULL)
			REQUIRE(take_body(replies, body, sizeof(body), &size));
		return;
	case VERB_APOP:
	case VERB_AUTH:
	case VERB_NOOP:
	case VERB_PASS:
	case VERB_STAT:
	case VERB_STLS:
	case VERB_USER:
	case VERB_UTF8:
	case VERB_COUNT:
		return;
	}
}

static void check_event(struct replies *replies, enum line_event event, const struct line_reader *reader)
{
	struct command_call call;
	const char *reply;
	size_t size;
	bool ok;

	if (event == LINE_FLOOD) {
		model.over = true;
		return;
	}
	size = take_line(replies, &reply);
	REQUIRE(size <= 510);
	ok = size >= 3 && memcmp(reply, "+OK", 3) == 0;
	REQUIRE(ok || (size >= 5 && memcmp(reply, "-ERR ", 5) == 0));
	if (event == LINE_COMPLETE &&
	    command_parse(reader->data, reader->size, COMMAND_TRANSACTION, &call) == COMMAND_OK)
		check_command(replies, &call, ok);
	else
		REQUIRE(!ok);
	model.over = model.over || event == LINE_NUL;
}

static void check_all(const char *input, size_t size, struct replies *replies)
{
	struct line_reader reader = {0};
	size_t used, marked;

	for (; size > 0 && !model.over; input += used, size -= used) {
		enum line_event event = line_feed(&reader, input, size, &used);

		if (event == LINE_MORE)
			continue;
		/* after twenty unknown commands nobody answers */
		if (replies->at == replies->end && event != LINE_FLOOD)
			break;
		check_event(replies, event, &reader);
	}
	line_clear(&reader);
	REQUIRE(replies->at == replies->end);
	marked = count_marked();
	REQUIRE(drop.commits == (model.quit && marked > 0 && !model.dead));
	for (size_t i = 0; i < MESSAGES_MAX && drop.commits > 0; i++)
		REQUIRE(drop.asked[i] == model.marked[i]);
}

/* ---- the run ---- */

static int fresh_file(int *file, const void *data, size_t size)
{
	if (*file < 0)
		*file = memfd_create("fuzz", MFD_CLOEXEC);
	REQUIRE(*file >= 0 && ftruncate(*file, 0) == 0 && lseek(*file, 0, SEEK_SET) == 0);
	REQUIRE(size == 0 || pwrite(*file, data, size, 0) == (ssize_t)size);
	return *file;
}

/* `pending` octets of the input have come before the session began. */
static void serve(const char *input, size_t size, size_t pending, int out)
{
	static int in = -1;
	static struct conf conf = {.limits = {.idle_timeout = 600000,
					      .stall_timeout = 60000,
					      .upstream_timeout = 60000,
					      .commit_timeout = 60000,
					      .read_ahead = 1024,
					      .max_messages = MESSAGES_MAX}};
	static struct conf_backend backend = {.name = (char *)"main", .plugin = (char *)"fuzz"};
	static struct plugin_backend loaded = {.plugin = &plugin};
	static struct popgate_session session;
	struct popgate_error error;
	char text[200];
	enum session_end end;

	memset(&session, 0, sizeof(session));
	session.conf = &conf;
	session.backend = &backend;
	session.plugin = &loaded;
	session.in = fresh_file(&in, input + pending, size - pending);
	session.tls = strdup("");
	session.peer = strdup("test");
	session.user = strdup("ann");
	output_init(&session.output, out, 60000, NULL);
	REQUIRE(session_open(&session, text, sizeof(text), &error) == 0);
	end = session_serve(&session, input, pending);
	REQUIRE((end == SESSION_QUIT || end == SESSION_QUIT_FAILED) || drop.commits == 0);
	session_tell_end(&session, end);
	session_close(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int out = -1;
	struct replies replies;
	struct fuzz_pieces pieces = fuzz_pieces(data, size);
	char *input, *output;
	off_t written;
	size_t begin;

	memset(&drop, 0, sizeof(drop));
	memset(&model, 0, sizeof(model));
	if (size < 2)
		return 0;
	drop.count = data[0] % (MESSAGES_MAX + 1);
	begin = drop.count + 1;
	if (size <= begin)
		return 0;
	for (size_t i = 0; i < drop.count; i++)
		drop.faults[i] = (enum fault)(data[i + 1] % FAULTS);
	log_set_level(POPGATE_LOG_WARN);
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
	input = fuzz_copy(data + begin, size - begin);
	serve(input, size - begin, fuzz_piece(&pieces, size - begin), fresh_file(&out, NULL, 0));
	written = lseek(out, 0, SEEK_END);
	output = malloc((size_t)written + 1);
	REQUIRE(output != NULL && pread(out, output, (size_t)written, 0) == written);
	replies = (struct replies){output, output, output + written};
	check_all(input, size - begin, &replies);
	free(output);
	free(input);
	return 0;
}
