/* transport - OpenSSL or plain octets, under deadlines, through the guard.
 *
 * libetpan's own socket and TLS streams are never used: they check no
 * certificate, call select and spin at end of file. Nothing here raises
 * SIGPIPE, waits without a deadline, or takes a lost connection for the end
 * of a message.
 *
 * Runs in a session process.
 */
#include "transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "dial.h"

#define LOOK_INTERVAL 250 /* milliseconds without a wait, after which the host is asked all the same */

struct transport {
	const struct popgate_host *host;
	struct popgate_session *session;
	const struct guard_bounds *bounds;
	int fd;
	SSL *ssl; /* NULL: in clear */
	struct guard guard;
	int64_t deadline;
	struct popgate_pace pace; /* window 0: the deadline counts */
	int64_t waited;		  /* in this window */
	uint64_t got;		  /* in this window */
	int64_t looked;		  /* when the host was last asked */
	enum transport_fault fault;
	char text[160];
};

/* ---- faults ------------------------------------------------------------ */

static int fail(struct transport *t, enum transport_fault fault, const char *text)
{
	if (t->fault == TRANSPORT_FINE) {
		t->fault = fault;
		snprintf(t->text, sizeof(t->text), "%s", text);
	}
	return -1;
}

static void tls_reason(char *text, size_t size, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	snprintf(text, size, "%s: %s", what, reason != NULL ? reason : "connection lost");
	ERR_clear_error();
}

/* ---- waiting ----------------------------------------------------------- */

struct transport *transport_new(const struct popgate_host *host, struct popgate_session *session,
				const struct guard_bounds *bounds)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->host = host;
	t->session = session;
	t->fd = -1;
	t->bounds = bounds;
	guard_init(&t->guard, bounds);
	return t;
}

void transport_free(struct transport **transport)
{
	struct transport *t = *transport;

	if (t == NULL)
		return;
	SSL_free(t->ssl);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
	*transport = NULL;
}

void transport_deadline(struct transport *t, int64_t deadline)
{
	t->deadline = deadline;
	t->pace.window = 0;
}

void transport_pace(struct transport *t, const struct popgate_pace *pace)
{
	t->pace = *pace;
	if (t->pace.window < 1)
		t->pace.window = 1;
	t->waited = 0;
	t->got = 0;
}

void transport_expect(struct transport *t, const struct guard_limits *limits)
{
	guard_command(&t->guard, limits);
}

void transport_expect_more(struct transport *t, const struct guard_limits *limits)
{
	guard_another(&t->guard, limits);
}

void transport_progress(struct transport *t, uint64_t octets)
{
	t->got += octets;
}

/* One window of waiting is over: was enough received in it? */
static int judge_pace(struct transport *t)
{
	if (t->got < t->pace.octets)
		return fail(t, TRANSPORT_TIMEOUT, "the server is too slow");
	t->waited = 0;
	t->got = 0;
	return 0;
}

static int wait_for(struct transport *t, unsigned events)
{
	int64_t begin = t->host->now();
	bool paced = t->pace.window > 0;
	enum popgate_wait result;

	if (!paced && begin >= t->deadline)
		return fail(t, TRANSPORT_TIMEOUT, "timed out");
	result = t->host->wait(t->session, t->fd, events, paced ? begin + t->pace.window - t->waited : t->deadline);
	t->looked = t->host->now();
	switch (result) {
	case POPGATE_READY:
	case POPGATE_TIMEOUT:
		break;
	case POPGATE_CLIENT_GONE:
		return fail(t, TRANSPORT_STOPPED, "the client has gone");
	case POPGATE_WAIT_FAILED:
		return fail(t, TRANSPORT_MEMORY, "wait failed");
	}
	if (!paced)
		return result == POPGATE_READY ? 0 : fail(t, TRANSPORT_TIMEOUT, "timed out");
	t->waited += t->looked - begin;
	return t->waited >= t->pace.window ? judge_pace(t) : 0;
}

int transport_connect(struct transport *t, const char *host, unsigned port)
{
	char text[sizeof(t->text)];
	enum transport_fault fault = dial(t->host, t->session, host, port, t->deadline, &t->fd, text, sizeof(text));

	return fault == TRANSPORT_FINE ? 0 : fail(t, fault, text);
}

/* ---- TLS --------------------------------------------------------------- */

/* What OpenSSL wants before it can go on. 0: wait was fine; -1: it never can. */
static int tls_wait(struct transport *t, int result, const char *what)
{
	char text[sizeof(t->text)];
	int error = SSL_get_error(t->ssl, result);

	if (error == SSL_ERROR_WANT_READ)
		return wait_for(t, POPGATE_READABLE);
	if (error == SSL_ERROR_WANT_WRITE)
		return wait_for(t, POPGATE_WRITABLE);
	if (error == SSL_ERROR_ZERO_RETURN)
		return fail(t, TRANSPORT_LOST, "the server closed the connection");
	tls_reason(text, sizeof(text), what);
	return fail(t, SSL_is_init_finished(t->ssl) ? TRANSPORT_LOST : TRANSPORT_TLS, text);
}

int transport_secure(struct transport *t, const struct trust *trust, const char *host)
{
	char text[sizeof(t->text)];
	int r = -1;

	if (t->fault != TRANSPORT_FINE)
		return -1;
	if ((t->ssl = trust_begin(trust, host, t->fd)) == NULL)
		return fail(t, TRANSPORT_MEMORY, "TLS could not be set up");
	/* what was said in clear counts for nothing */
	guard_init(&t->guard, t->bounds);
	while (r != 1) {
		ERR_clear_error();
		r = SSL_do_handshake(t->ssl);
		if (trust_judge(trust, t->ssl, host, text, sizeof(text)) != 0)
			return fail(t, TRANSPORT_CERTIFICATE, text);
		if (r != 1 && tls_wait(t, r, "TLS handshake") != 0)
			return -1;
	}
	return 0;
}

size_t transport_binding(struct transport *t, unsigned char data_r[TRANSPORT_BINDING_MAX], bool *exporter_r)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	const size_t exported = 32;
	size_t size;

	if (t->ssl == NULL || t->fault != TRANSPORT_FINE)
		return 0;
	*exporter_r = SSL_version(t->ssl) >= TLS1_3_VERSION;
	if (*exporter_r)
		return SSL_export_keying_material(t->ssl, data_r, exported, label, sizeof(label) - 1, NULL, 0, 0) == 1
			   ? exported
			   : 0;
	/* without the extended master secret it would bind nothing (RFC 7627); sessions are never resumed here */
	size = SSL_get_extms_support(t->ssl) == 1 ? SSL_get_finished(t->ssl, data_r, TRANSPORT_BINDING_MAX) : 0;
	return size <= TRANSPORT_BINDING_MAX ? size : 0;
}

/* ---- octets ------------------------------------------------------------ */

static ssize_t read_clear(struct transport *t, void *buffer, size_t size)
{
	ssize_t n = recv(t->fd, buffer, size, 0);

	if (n > 0)
		return n;
	if (n == 0)
		return fail(t, TRANSPORT_LOST, "the server closed the connection");
	if (errno == EAGAIN || errno == EINTR)
		return wait_for(t, POPGATE_READABLE);
	return fail(t, TRANSPORT_LOST, strerror(errno));
}

/* As many records as are there: a server may send them small. */
static ssize_t read_tls(struct transport *t, char *buffer, size_t size)
{
	size_t done = 0, n;
	int r;

	ERR_clear_error();
	r = SSL_read_ex(t->ssl, buffer, size, &n);
	if (r != 1)
		return tls_wait(t, r, "TLS read");
	for (done = n; done < size && SSL_has_pending(t->ssl); done += n)
		if (SSL_read_ex(t->ssl, buffer + done, size - done, &n) != 1)
			break; /* whatever it is, the next read tells */
	return (ssize_t)done;
}

/* A server that always has something to say is never waited for: its time and the client's leave show here. */
static int look(struct transport *t)
{
	int64_t now = t->host->now();

	if (t->pace.window == 0 && now >= t->deadline)
		return fail(t, TRANSPORT_TIMEOUT, "timed out");
	if (now - t->looked < LOOK_INTERVAL)
		return 0;
	t->looked = now;
	if (t->host->wait(t->session, t->fd, POPGATE_READABLE, now) == POPGATE_CLIENT_GONE)
		return fail(t, TRANSPORT_STOPPED, "the client has gone");
	return 0;
}

ssize_t transport_read(struct transport *t, void *buffer, size_t size)
{
	ssize_t n = 0;

	if (t->fault != TRANSPORT_FINE || look(t) != 0)
		return -1;
	while (n == 0 && t->fault == TRANSPORT_FINE)
		n = t->ssl != NULL ? read_tls(t, buffer, size) : read_clear(t, buffer, size);
	if (t->fault != TRANSPORT_FINE)
		return -1;
	if (guard_feed(&t->guard, buffer, (size_t)n) != GUARD_FINE)
		return fail(t, TRANSPORT_HOSTILE, guard_text(t->guard.verdict));
	return n;
}

/* As much as goes out now; 0 after a wait. */
static ssize_t send_some(struct transport *t, const void *data, size_t size)
{
	ssize_t n;

	if (t->ssl != NULL) {
		ERR_clear_error();
		n = SSL_write(t->ssl, data, size > INT32_MAX ? INT32_MAX : (int)size);
		return n > 0 ? n : tls_wait(t, (int)n, "TLS write");
	}
	n = send(t->fd, data, size, MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return wait_for(t, POPGATE_WRITABLE);
	return fail(t, TRANSPORT_LOST, strerror(errno));
}

int transport_write(struct transport *t, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = t->fault == TRANSPORT_FINE ? send_some(t, at, size) : -1;

		if (n < 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

bool transport_has_input(struct transport *t)
{
	if (t->fault != TRANSPORT_FINE || (t->ssl != NULL && SSL_has_pending(t->ssl)))
		return true;
	return t->host->wait(t->session, t->fd, POPGATE_READABLE, t->host->now()) == POPGATE_READY;
}

void transport_farewell(struct transport *t, const void *data, size_t size)
{
	if (t->fd < 0 || t->fault != TRANSPORT_FINE)
		return;
	ERR_clear_error();
	if (t->ssl == NULL)
		(void)!send(t->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (SSL_write(t->ssl, data, (int)size) > 0)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

enum transport_fault transport_fault(const struct transport *t)
{
	return t->fault;
}

const char *transport_text(const struct transport *t)
{
	return t->text;
}
