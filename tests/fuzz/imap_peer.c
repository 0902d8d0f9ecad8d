/* imap_peer - see imap_peer.h. Stands in for the plugin's dial.c. */
#include "imap_peer.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../plugins/imap/dial.h"

#define SENT_MAX  (256u * 1024u)
#define PIECE_MAX 16384u

static struct {
	const uint8_t *data;
	size_t size, at;
	int far;    /* the server's end; -1: it has hung up */
	bool first; /* no connection was made yet */
	int64_t clock;
	char *sent;
	size_t sent_size;
	enum popgate_secret_kind kind;
} peer = {.far = -1};

/* ---- playing ------------------------------------------------------------- */

void peer_begin(const uint8_t *data, size_t size)
{
	if (peer.sent == NULL)
		peer.sent = malloc(SENT_MAX + 1);
	REQUIRE(peer.sent != NULL);
	peer.data = data;
	peer.size = size;
	peer.at = 0;
	peer.first = true;
	peer.clock = 1000000;
	peer.kind = POPGATE_PASSWORD;
	peer_forget_sent();
}

static void hang_up(void)
{
	if (peer.far >= 0)
		close(peer.far);
	peer.far = -1;
}

void peer_end(void)
{
	hang_up();
}

const char *peer_sent(void)
{
	peer.sent[peer.sent_size] = '\0';
	return peer.sent;
}

void peer_forget_sent(void)
{
	peer.sent_size = 0;
}

static void take_commands(void)
{
	ssize_t got;

	do {
		got = peer.far < 0 || peer.sent_size >= SENT_MAX
			  ? 0
			  : recv(peer.far, peer.sent + peer.sent_size, SENT_MAX - peer.sent_size, MSG_DONTWAIT);
		if (got > 0)
			peer.sent_size += (size_t)got;
	} while (got > 0);
}

/* The next piece leaves, or the connection ends. */
static void play(void)
{
	size_t piece = 0;

	if (peer.far < 0)
		return;
	while (peer.at + piece < peer.size && piece < PIECE_MAX && peer.data[peer.at + piece] != PEER_HANG_UP &&
	       peer.data[peer.at + piece] != PEER_PAUSE)
		piece++;
	if (piece > 0)
		REQUIRE(send(peer.far, peer.data + peer.at, piece, MSG_NOSIGNAL) == (ssize_t)piece);
	peer.at += piece;
	if (peer.at < peer.size && peer.data[peer.at] == PEER_PAUSE)
		peer.at++;
	else if (piece == 0)
		hang_up();
}

/* A new connection begins behind the end of the last. */
enum transport_fault dial(const struct popgate_host *host, struct popgate_session *session, const char *name,
			  unsigned port, int64_t deadline, int *fd_r, char *text, size_t text_size)
{
	int ends[2];

	(void)host, (void)session, (void)name, (void)port, (void)deadline;
	take_commands();
	hang_up();
	while (!peer.first && peer.at < peer.size && peer.data[peer.at] != PEER_HANG_UP)
		peer.at++;
	if (!peer.first)
		peer.at++;
	peer.first = false;
	if (peer.at >= peer.size) {
		snprintf(text, text_size, "nobody is there");
		return TRANSPORT_UNREACHABLE;
	}
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	peer.far = ends[1];
	*fd_r = ends[0];
	return TRANSPORT_FINE;
}

void peer_set_kind(enum popgate_secret_kind kind)
{
	peer.kind = kind;
}

/* ---- the host ------------------------------------------------------------ */

static int64_t now(void)
{
	return peer.clock++;
}

static enum popgate_wait wait_for(struct popgate_session *session, int fd, unsigned events, int64_t deadline)
{
	int waiting = 0;

	(void)session;
	take_commands();
	if ((events & POPGATE_WRITABLE) != 0)
		return POPGATE_READY;
	if (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0)
		return POPGATE_READY;
	if (peer.far < 0)
		return POPGATE_READY;
	if (deadline <= peer.clock)
		return POPGATE_TIMEOUT;
	peer.clock += 10;
	play();
	return POPGATE_READY;
}

static int credential(struct popgate_session *session, struct popgate_credential *credential_r,
		      struct popgate_error *error)
{
	(void)session, (void)error;
	*credential_r =
	    (struct popgate_credential){.user = "ann", .secret = (const unsigned char *)"secret", .secret_size = 6};
	return 0;
}

static int lock(struct popgate_session *session, const char *folder, struct popgate_error *error)
{
	(void)session, (void)error;
	REQUIRE(*folder != '\0');
	return (int)(peer.size & 1); /* somebody has had it, or not */
}

static void log_nothing(struct popgate_session *session, enum popgate_log_level level, const char *format, ...)
{
	(void)session, (void)level, (void)format;
}

static enum popgate_secret_kind secret_kind(struct popgate_session *session)
{
	(void)session;
	return peer.kind;
}

static int renew(struct popgate_session *session, struct popgate_credential *credential_r, struct popgate_error *error)
{
	(void)credential_r;
	(void)session;
	*error = (struct popgate_error){.status = POPGATE_AUTH, .text = "there is no other"};
	return -1;
}

const struct popgate_host peer_host = {
    .size = sizeof(struct popgate_host),
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .now = now,
    .wait = wait_for,
    .credential = credential,
    .lock = lock,
    .log = log_nothing,
    .secret_kind = secret_kind,
    .renew = renew,
};

/* ---- reading ------------------------------------------------------------- */

/* What one response says, as far as it matters here. */
struct response {
	unsigned long tag; /* of a tagged OK; 0: none */
	bool fetch;
	unsigned uids; /* how many it names */
	uint32_t uid;
	bool body;
	const uint8_t *octets;
	size_t size;
	bool quoted;
};

/* The served input, without the marks of pauses. */
struct script {
	uint8_t *octets;
	size_t size, at;
};

static bool next_octet(const struct script *s, uint8_t octet)
{
	return s->at < s->size && s->octets[s->at] == octet;
}

static size_t take_word(struct script *s, char *word, size_t room)
{
	size_t n = 0;

	while (s->at < s->size && strchr(" \r\n()\"{", s->octets[s->at]) == NULL) {
		if (n + 1 < room)
			word[n++] = (char)toupper(s->octets[s->at]);
		s->at++;
	}
	word[n] = '\0';
	return n;
}

static void skip_spaces(struct script *s)
{
	while (next_octet(s, ' '))
		s->at++;
}

static void skip_line(struct script *s)
{
	while (s->at < s->size && s->octets[s->at] != '\n')
		s->at++;
	s->at += s->at < s->size;
}

static void take_quoted(struct script *s, struct response *r, bool body)
{
	size_t begin = ++s->at;

	while (s->at < s->size && s->octets[s->at] != '"')
		s->at += s->octets[s->at] == '\\' ? 2 : 1;
	if (s->at >= s->size)
		return;
	if (body) {
		r->body = r->quoted = true;
		r->octets = s->octets + begin;
		r->size = s->at - begin;
	}
	s->at++;
}

static void take_literal(struct script *s, struct response *r, bool body)
{
	unsigned long size = 0;

	for (s->at++; s->at < s->size && isdigit(s->octets[s->at]); s->at++)
		size = size * 10 + (unsigned long)(s->octets[s->at] - '0');
	while (s->at < s->size && s->octets[s->at] != '\n')
		s->at++;
	s->at += s->at < s->size;
	if (size > s->size - s->at)
		size = s->size - s->at;
	if (body) {
		r->body = true;
		r->octets = s->octets + s->at;
		r->size = size;
	}
	s->at += size;
}

/* The items of a FETCH response, up to the line's end. */
static void take_items(struct script *s, struct response *r)
{
	unsigned depth = 0;
	char name[40] = "";

	while (s->at < s->size && s->octets[s->at] != '\n') {
		bool body = depth == 1 && (strcmp(name, "BODY[]") == 0 || strcmp(name, "BODY[]<0>") == 0);
		uint8_t c = s->octets[s->at];

		if (c == '"') {
			take_quoted(s, r, body);
		} else if (c == '{') {
			take_literal(s, r, body);
		} else if (strchr(" \r()", c) != NULL) {
			depth += c == '(';
			depth -= c == ')' && depth > 0;
			s->at++;
			continue;
		} else {
			char word[40];

			take_word(s, word, sizeof(word));
			if (depth == 1 && strcmp(name, "UID") == 0) {
				r->uid = (uint32_t)strtoul(word, NULL, 10);
				r->uids++;
			}
			memcpy(name, word, sizeof(name));
			continue;
		}
		*name = '\0';
	}
}

/* Goes past one response. */
static void take_response(struct script *s, struct response *r)
{
	char first[40], word[40];

	memset(r, 0, sizeof(*r));
	while (next_octet(s, '\r') || next_octet(s, '\n'))
		s->at++;
	if (next_octet(s, '+') || take_word(s, first, sizeof(first)) == 0) {
		skip_line(s);
		return;
	}
	skip_spaces(s);
	take_word(s, word, sizeof(word));
	if (strcmp(word, "OK") == 0)
		r->tag = strtoul(first, NULL, 10);
	if (strcmp(word, "OK") == 0 || strcmp(word, "NO") == 0 || strcmp(word, "BAD") == 0 ||
	    strcmp(word, "BYE") == 0 || strcmp(word, "PREAUTH") == 0) {
		skip_line(s);
		return;
	}
	skip_spaces(s);
	if (isdigit((unsigned char)*word))
		take_word(s, word, sizeof(word));
	r->fetch = strcmp(word, "FETCH") == 0 && strcmp(first, "*") == 0;
	take_items(s, r);
	skip_line(s);
}

typedef bool judge_fn(const struct response *r, void *context);

/* Shows each connection's responses to `judge`, until it says that it has seen enough; NULL: a connection begins. */
static bool read_script(judge_fn *judge, void *context)
{
	struct script s = {.octets = malloc(peer.size + 1)};
	size_t served = peer.at < peer.size ? peer.at : peer.size;
	bool enough = false;

	REQUIRE(s.octets != NULL);
	for (size_t at = 0; at < served && !enough; at++) {
		s.size = s.at = 0;
		for (; at < served && peer.data[at] != PEER_HANG_UP; at++)
			if (peer.data[at] != PEER_PAUSE)
				s.octets[s.size++] = peer.data[at];
		judge(NULL, context);
		while (s.at < s.size && !enough) {
			struct response r;

			take_response(&s, &r);
			enough = judge(&r, context);
		}
	}
	free(s.octets);
	return enough;
}

static bool is_ok(const struct response *r, void *context)
{
	return r != NULL && r->tag == *(unsigned long *)context;
}

bool peer_said_ok(unsigned long tag)
{
	return tag != 0 && read_script(is_ok, &tag);
}

struct wanted {
	uint32_t uid;
	const char *octets;
	size_t size;
	bool found;
};

/* Of a quoted string the plugin gets what is left without the escapes; a backslash that escapes nothing stays. */
static bool is_same(const struct wanted *wanted, const struct response *r)
{
	size_t n = 0;

	if (!r->quoted)
		return r->size == wanted->size && memcmp(r->octets, wanted->octets, r->size) == 0;
	for (size_t i = 0; i < r->size; i++, n++) {
		i += r->octets[i] == '\\' && i + 1 < r->size && strchr("\\\"", r->octets[i + 1]) != NULL;
		if (n >= wanted->size || (uint8_t)wanted->octets[n] != r->octets[i])
			return false;
	}
	return n == wanted->size;
}

static bool is_wanted(const struct response *r, void *context)
{
	struct wanted *wanted = context;

	if (r == NULL) {
		wanted->found = false;
		return false;
	}
	if (wanted->found && (r->tag != 0 || r->fetch))
		return true;
	wanted->found =
	    wanted->found || (r->fetch && r->body && r->uids > 0 && r->uid == wanted->uid && is_same(wanted, r));
	return false;
}

bool peer_served_body(uint32_t uid, const char *octets, size_t size)
{
	struct wanted wanted = {uid, octets, size, false};

	return read_script(is_wanted, &wanted);
}
