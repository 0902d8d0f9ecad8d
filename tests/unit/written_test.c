/* Tests of the count of octets written to a TCP socket, whoever wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "front/written.h"

static int ours = -1, theirs = -1;

static int begin(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		return -1;
	theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(theirs, (struct sockaddr *)&address, size) != 0)
		return -1;
	ours = accept(listener, NULL, NULL);
	close(listener);
	return ours < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	close(ours);
	if (theirs >= 0)
		close(theirs);
	return 0;
}

static uint64_t count(void)
{
	uint64_t octets = 0;

	assert_int_equal(written_octets(ours, &octets), 0);
	return octets;
}

#ifdef HAVE_STRUCT_TCP_INFO_TCPI_BYTES_ACKED

static void every_octet_counts_at_once(void **state)
{
	static char data[100000];
	uint64_t origin = count(), sent = 0;

	(void)state;
	assert_int_equal(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
	for (size_t size = 1;; size = size * 3 % sizeof(data) + 1) {
		ssize_t wrote = send(ours, data, size, MSG_NOSIGNAL);

		if (wrote < 0)
			break; /* nobody reads */
		sent += (uint64_t)wrote;
		assert_int_equal(count() - origin, sent);
	}
	assert_true(sent > sizeof(data));
	while (recv(theirs, data, sizeof(data), MSG_DONTWAIT) > 0)
		assert_int_equal(count() - origin, sent);
}

static void what_the_peer_sends_does_not_count(void **state)
{
	uint64_t origin = count();
	char octet;

	(void)state;
	assert_int_equal(send(theirs, "abc", 3, 0), 3);
	assert_int_equal(recv(ours, &octet, 1, 0), 1);
	assert_int_equal(count(), origin);
}

static void a_reset_takes_nothing_back(void **state)
{
	struct linger at_once = {.l_onoff = 1};
	uint64_t origin = count();
	char octet;

	(void)state;
	assert_int_equal(send(ours, "12345", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(theirs);
	theirs = -1;
	assert_true(recv(ours, &octet, 1, 0) < 0);
	assert_int_equal(count() - origin, 5);
}

static void write_without_end(void)
{
	static char data[70000];

	for (size_t size = 1;; size = size * 7 % sizeof(data) + 1)
		(void)!send(ours, data, size, MSG_NOSIGNAL);
}

/* A process that is killed in the middle of a write has written what the peer gets. */
static void a_killed_writer_leaves_the_truth(void **state)
{
	struct timespec pause = {.tv_nsec = 1000000};
	static char data[65536];

	for (int round = 0; round < 60; round++) {
		uint64_t origin = count(), got = 0, wrote;
		pid_t child = fork();
		ssize_t n;

		if (child == 0)
			write_without_end();
		for (int reads = round % 10; reads > 0; reads--)
			got += (uint64_t)recv(theirs, data, sizeof(data), 0);
		pause.tv_nsec = round * 50000;
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		wrote = count() - origin;
		shutdown(ours, SHUT_WR);
		while ((n = recv(theirs, data, sizeof(data), 0)) > 0)
			got += (uint64_t)n;
		assert_int_equal(got, wrote);
		end(state);
		assert_int_equal(begin(state), 0);
	}
}

#endif

static void what_is_no_tcp_socket_is_refused(void **state)
{
	uint64_t octets;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(written_octets(ends[0], &octets), -1);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(written_octets(-1, &octets), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef HAVE_STRUCT_TCP_INFO_TCPI_BYTES_ACKED
	    cmocka_unit_test_setup_teardown(every_octet_counts_at_once, begin, end),
	    cmocka_unit_test_setup_teardown(what_the_peer_sends_does_not_count, begin, end),
	    cmocka_unit_test_setup_teardown(a_reset_takes_nothing_back, begin, end),
	    cmocka_unit_test_setup_teardown(a_killed_writer_leaves_the_truth, begin, end),
#endif
	    cmocka_unit_test(what_is_no_tcp_socket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
