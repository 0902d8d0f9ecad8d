/* landing - see landing.h. Browsers open connections before they need them: several are served at a time, and of too
 * many the oldest makes way. */
#include "agent/landing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/fault.h"
#include "common/secret.h"

#define CONNECTIONS	16
#define CONNECTION_TIME 60000 /* milliseconds that one may take */
#define PORTS_TRIED	16
#define INPUT_MAX	16384 /* octets of a line that is pasted */
#define TERMINAL_MAX	4095  /* of which a terminal gives so many, and drops the rest */

/* ---- listeners ---- */

static int listen_on(int family, unsigned *port)
{
	const struct sockaddr_in v4 = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 v6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct sockaddr *address =
	    family == AF_INET ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
	struct sockaddr_in6 bound = {0}; /* the port of both kinds stands in one place */
	socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6), bound_size = sizeof(bound);
	const int yes = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(fd, address, size) == 0 && listen(fd, CONNECTIONS) == 0 &&
	    getsockname(fd, (struct sockaddr *)&bound, &bound_size) == 0) {
		*port = ntohs(bound.sin6_port);
		return fd;
	}
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

static int fail_listen(const char *where, unsigned port, struct popgate_error *error)
{
	return fault_set(error, POPGATE_TEMP, "cannot listen on %s, port %u: %s", where, port, strerror(errno));
}

int landing_open(unsigned port, bool both, struct landing *landing_r, struct popgate_error *error)
{
	for (int tries = 0; tries < PORTS_TRIED; tries++) {
		struct landing landing = {.listeners = {-1, -1}, .port = port};

		landing.listeners[0] = listen_on(AF_INET, &landing.port);
		if (landing.listeners[0] < 0)
			return fail_listen("127.0.0.1", port, error);
		if (both)
			landing.listeners[1] = listen_on(AF_INET6, &landing.port);
		/* where somebody else has it the browser could end there, with the code */
		if (!both || landing.listeners[1] >= 0 || errno != EADDRINUSE) {
			*landing_r = landing;
			return 0;
		}
		(void)fail_listen("::1", landing.port, error);
		landing_close(&landing);
		if (port != 0)
			break;
	}
	return -1;
}

void landing_close(struct landing *landing)
{
	for (size_t i = 0; i < LANDING_LISTENERS; i++) {
		if (landing->listeners[i] >= 0)
			close(landing->listeners[i]);
		landing->listeners[i] = -1;
	}
}

/* ---- connections ---- */

struct connection {
	int fd;
	int64_t deadline;
	size_t used;
	char head[REDIRECT_REQUEST];
};

/* In the order of their coming. */
struct visitors {
	struct connection all[CONNECTIONS];
	size_t count;
};

static void dismiss(struct visitors *visitors, size_t i)
{
	struct connection *connection = &visitors->all[i];

	(void)shutdown(connection->fd, SHUT_WR);
	close(connection->fd);
	visitors->count--;
	memmove(connection, connection + 1, (visitors->count - i) * sizeof(*connection));
	secret_wipe(&visitors->all[visitors->count], sizeof(*connection));
}

static void admit(struct visitors *visitors, int listener)
{
	const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (visitors->count == CONNECTIONS)
		dismiss(visitors, 0);
	visitors->all[visitors->count].fd = fd;
	visitors->all[visitors->count].deadline = deadline_in(CONNECTION_TIME);
	visitors->count++;
}

static void answer(int fd, const char *status, const char *text)
{
	char reply[1024];
	int size = snprintf(reply, sizeof(reply),
			    "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
			    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Length: %zu\r\n\r\n%s",
			    status, strlen(text), text);

	if (size > 0)
		(void)send(fd, reply, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Reads on. 0: the head of the request is there. 1: more must come. -1: nothing will. */
static int receive(struct connection *connection)
{
	const size_t room = sizeof(connection->head) - 1 - connection->used;
	const ssize_t got = recv(connection->fd, connection->head + connection->used, room, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (got <= 0 || memchr(connection->head + connection->used, '\0', (size_t)got) != NULL)
		return -1;
	connection->used += (size_t)got;
	connection->head[connection->used] = '\0';
	if (strstr(connection->head, "\r\n\r\n") != NULL)
		return 0;
	return connection->used < sizeof(connection->head) - 1 ? 1 : -1;
}

/* As redirect_read. *over_r: the connection is of no more use. */
static int serve(struct connection *connection, const struct redirect_expected *expected, bool *over_r, char *code_r,
		 struct popgate_error *error)
{
	const int received = receive(connection);
	int result;

	*over_r = received != 1;
	if (received != 0)
		return 1;
	result = redirect_request(connection->head, expected, code_r, error);
	if (result == 0)
		answer(connection->fd, "200 OK",
		       "<p>popgate has the answer. You may close this page; the terminal goes on.</p>");
	else if (result < 0)
		answer(connection->fd, "200 OK", "<p>popgate was told no. The terminal says more.</p>");
	else
		answer(connection->fd, "404 Not Found", "<p>This is not the answer that popgate waits for.</p>");
	return result;
}

/* Serves those who have something. As redirect_read. */
static int serve_all(struct visitors *visitors, const struct pollfd *fds, const struct redirect_expected *expected,
		     char *code_r, struct popgate_error *error)
{
	const int64_t now = deadline_now();
	int result = 1;

	for (size_t i = visitors->count; i > 0 && result == 1; i--) {
		struct connection *connection = &visitors->all[i - 1];
		bool over = now >= connection->deadline;

		if (fds[i - 1].revents != 0)
			result = serve(connection, expected, &over, code_r, error);
		if (over)
			dismiss(visitors, i - 1);
	}
	return result;
}

/* ---- lines ---- */

/* What has come on the input, up to the end of its line. */
struct pasted {
	size_t used;
	bool over; /* the line is longer than that: nothing of it counts */
	char text[INPUT_MAX];
};

/* As redirect_read, of a line without its end, which is changed. */
static int take_line(struct pasted *pasted, bool terminal, const struct redirect_expected *expected, char *code_r,
		     struct popgate_error *error)
{
	const bool cut = pasted->over || (terminal && pasted->used >= TERMINAL_MAX);
	int result = 1;

	pasted->text[pasted->used] = '\0';
	if (!cut)
		result = redirect_line(pasted->text, expected, code_r, error);
	if (result == 1 && cut)
		printf(
		    "That address is too long for %s, and its end is missing: let the browser reach this machine, as "
		    "is said above.\n",
		    pasted->over ? "this program" : "a terminal");
	else if (result == 1)
		printf("That is not the address that the browser showed at the end; it has `code=` and `state=` in "
		       "it.\n");
	fflush(stdout);
	pasted->used = 0;
	pasted->over = false;
	return result;
}

/* As redirect_read, of the lines that are whole. 2: the input has ended, and the last line needs no end. */
static int take_lines(int input, struct pasted *pasted, const struct redirect_expected *expected, char *code_r,
		      struct popgate_error *error)
{
	const bool terminal = isatty(input) == 1;
	char octets[4096];
	const ssize_t got = read(input, octets, sizeof(octets));
	int result = 1;

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	for (ssize_t i = 0; i < got && result == 1; i++) {
		if (octets[i] == '\n')
			result = take_line(pasted, terminal, expected, code_r, error);
		else if (octets[i] == '\0' || pasted->used == sizeof(pasted->text) - 1)
			pasted->over = true;
		else
			pasted->text[pasted->used++] = octets[i];
	}
	if (got <= 0 && pasted->used > 0)
		result = take_line(pasted, terminal, expected, code_r, error);
	secret_wipe(octets, sizeof(octets));
	return got <= 0 && result == 1 ? 2 : result;
}

/* ---- waiting ---- */

#define OTHERS (LANDING_LISTENERS + 1)

/* Until one of all can be read. fds: the connections, the listeners, the input. 0: the deadline has passed. */
static int watch(const struct landing *landing, int input, const struct visitors *visitors, struct pollfd *fds,
		 int64_t deadline)
{
	size_t count = visitors->count;
	int64_t until = deadline;

	for (size_t i = 0; i < visitors->count; i++) {
		fds[i] = (struct pollfd){.fd = visitors->all[i].fd, .events = POLLIN};
		if (visitors->all[i].deadline < until)
			until = visitors->all[i].deadline;
	}
	for (size_t i = 0; i < LANDING_LISTENERS; i++)
		fds[count++] = (struct pollfd){.fd = landing->listeners[i], .events = POLLIN};
	fds[count++] = (struct pollfd){.fd = input, .events = POLLIN};
	return deadline_poll(fds, (nfds_t)count, until) > 0 || deadline_now() < deadline;
}

int landing_await(const struct landing *landing, int input, const struct redirect_expected *expected, int64_t deadline,
		  char code_r[REDIRECT_CODE], struct popgate_error *error)
{
	struct visitors *visitors = calloc(1, sizeof(*visitors));
	struct pasted *pasted = calloc(1, sizeof(*pasted));
	struct pollfd fds[CONNECTIONS + OTHERS];
	int result = 1;

	if (visitors == NULL || pasted == NULL) {
		free(visitors);
		free(pasted);
		return fault_set(error, POPGATE_TEMP, "out of memory");
	}
	while (result == 1 && watch(landing, input, visitors, fds, deadline) != 0) {
		const struct pollfd *others = fds + visitors->count;

		result = serve_all(visitors, fds, expected, code_r, error);
		if (result == 1 && input >= 0 && others[LANDING_LISTENERS].revents != 0)
			result = take_lines(input, pasted, expected, code_r, error);
		if (result == 2) {
			input = -1;
			result = 1;
		}
		for (size_t i = 0; i < LANDING_LISTENERS && result == 1; i++)
			if (others[i].revents != 0)
				admit(visitors, landing->listeners[i]);
	}
	while (visitors->count > 0)
		dismiss(visitors, visitors->count - 1);
	free(visitors);
	secret_wipe(pasted, sizeof(*pasted));
	free(pasted);
	return result <= 0 ? result : fault_set(error, POPGATE_TEMP, "nobody has answered in time: start again");
}
