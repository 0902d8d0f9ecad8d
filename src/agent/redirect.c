/* redirect - see redirect.h. */
#include "agent/redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/form.h"
#include "common/deadline.h"
#include "common/fault.h"
#include "common/secret.h"
#include "common/text.h"

#define REQUEST_MAX	8192
#define CONNECTION_TIME 5000 /* milliseconds that one request may take */
#define SHOWN		160

int redirect_listen(unsigned port, unsigned *port_r, struct popgate_error *error)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	const int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) != 0 || listen(fd, 4) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
		(void)fault_set(error, POPGATE_TEMP, "cannot listen on 127.0.0.1, port %u: %s", port, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*port_r = ntohs(address.sin_port);
	return fd;
}

/* ---- the answer ---- */

/* The decoded value of a query's parameter. -1: it is not there, stands twice, or is too long. */
static int parameter(const char *query, const char *name, char *value, size_t size)
{
	const size_t name_size = strlen(name);
	int result = -1;

	while (*query != '\0') {
		const size_t length = strcspn(query, "& #");

		if (length > name_size && strncmp(query, name, name_size) == 0 && query[name_size] == '=') {
			const size_t value_size = length - name_size - 1;

			if (result == 0 || value_size >= size)
				return -1;
			memcpy(value, query + name_size + 1, value_size);
			value[value_size] = '\0';
			result = form_decode(value);
			if (result != 0)
				return -1;
		}
		query += length;
		if (*query != '&')
			break;
		query++;
	}
	return result;
}

int redirect_read(const char *query, const char *state, char code_r[REDIRECT_CODE], struct popgate_error *error)
{
	char value[REDIRECT_CODE], shown[SHOWN];

	if (parameter(query, "state", value, sizeof(value)) != 0 || strlen(value) != strlen(state) ||
	    CRYPTO_memcmp(value, state, strlen(state)) != 0)
		return 1;
	if (parameter(query, "error", value, sizeof(value)) == 0) {
		text_harmless(value, strlen(value), shown, sizeof(shown));
		return fault_set(error, POPGATE_PERM, "%s",
				 strcmp(value, "access_denied") == 0 ? "access was denied in the browser" : shown);
	}
	if (parameter(query, "code", value, sizeof(value)) != 0 || value[0] == '\0')
		return 1;
	memcpy(code_r, value, sizeof(value));
	secret_wipe(value, sizeof(value));
	return 0;
}

/* ---- the browser ---- */

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

/* The head of a request, as far as its first line. -1: none comes. */
static int receive(int fd, char *request, size_t size, int64_t deadline)
{
	size_t used = 0;

	while (used < size - 1) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (deadline_poll(&poller, 1, deadline) <= 0)
			return -1;
		got = recv(fd, request + used, size - 1 - used, 0);
		if (got <= 0)
			return -1;
		used += (size_t)got;
		request[used] = '\0';
		if (strlen(request) != used)
			return -1;
		if (strstr(request, "\r\n\r\n") != NULL)
			return 0;
	}
	return -1;
}

/* As redirect_read. */
static int serve(int fd, const char *state, int64_t deadline, char code_r[REDIRECT_CODE], struct popgate_error *error)
{
	static const char begin[] = "GET " REDIRECT_PATH "?";
	char request[REQUEST_MAX];
	int result = 1;

	if (receive(fd, request, sizeof(request), deadline) != 0)
		return 1;
	if (strncmp(request, begin, sizeof(begin) - 1) == 0) {
		request[strcspn(request, "\r\n")] = '\0';
		result = redirect_read(request + sizeof(begin) - 1, state, code_r, error);
	}
	if (result == 0)
		answer(fd, "200 OK", "<p>popgate has the answer. You may close this page; the terminal goes on.</p>");
	else if (result < 0)
		answer(fd, "200 OK", "<p>popgate was told that access is denied. The terminal says more.</p>");
	else
		answer(fd, "404 Not Found", "<p>This is not the answer that popgate waits for.</p>");
	secret_wipe(request, sizeof(request));
	return result;
}

static int take_connection(int listener, const char *state, int64_t deadline, char code_r[REDIRECT_CODE],
			   struct popgate_error *error)
{
	const int64_t soon = deadline_in(CONNECTION_TIME);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), result = 1;

	if (fd < 0)
		return 1;
	result = serve(fd, state, soon < deadline ? soon : deadline, code_r, error);
	(void)shutdown(fd, SHUT_WR);
	close(fd);
	return result;
}

/* A line that was pasted: the address at which the browser ended, or its query alone. */
static int read_line(char *line, const char *state, char code_r[REDIRECT_CODE], struct popgate_error *error)
{
	const char *query;
	int result;

	line[strcspn(line, " \t\r")] = '\0';
	query = strchr(line, '?');
	result = redirect_read(query == NULL ? line : query + 1, state, code_r, error);
	if (result == 1)
		printf(
		    "That is not the address that the browser showed at the end; it has `code=` and `state=` in it.\n");
	return result;
}

/* As redirect_read, of the lines that have come. 2: the input has ended. */
static int take_lines(int input, const char *state, char code_r[REDIRECT_CODE], struct popgate_error *error)
{
	char lines[REQUEST_MAX];
	const ssize_t got = read(input, lines, sizeof(lines) - 1);
	int result = 1;

	if (got <= 0)
		return got < 0 && (errno == EINTR || errno == EAGAIN) ? 1 : 2;
	lines[got] = '\0';
	for (char *line = lines; *line != '\0' && result == 1;) {
		const size_t size = strcspn(line, "\n");
		char *next = line + size + (line[size] == '\n');

		line[size] = '\0';
		result = read_line(line, state, code_r, error);
		line = next;
	}
	secret_wipe(lines, sizeof(lines));
	return result;
}

int redirect_await(int listener, int input, const char *state, int64_t deadline, char code_r[REDIRECT_CODE],
		   struct popgate_error *error)
{
	struct pollfd fds[] = {{.fd = listener, .events = POLLIN}, {.fd = input, .events = POLLIN}};

	while (deadline_poll(fds, 2, deadline) > 0) {
		int result = 1;

		if (fds[0].revents != 0)
			result = take_connection(listener, state, deadline, code_r, error);
		if (result == 1 && fds[1].fd >= 0 && fds[1].revents != 0)
			result = take_lines(input, state, code_r, error);
		if (result <= 0)
			return result;
		if (result == 2)
			fds[1].fd = -1;
	}
	return fault_set(error, POPGATE_TEMP, "nobody has answered in time: start again");
}
