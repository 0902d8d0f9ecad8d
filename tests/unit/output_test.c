/* Tests of the way to the client: no octet is lost or sent twice, and a client that stalls is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session/output.h"

static struct output output;
static struct phase_page *page;
static int client;

static int begin(void **state)
{
	int ends[2], fd, small = 4096;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	page = phase_create(&fd);
	if (page == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	close(fd);
	/* So that writes are partial. */
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	client = ends[1];
	output_init(&output, ends[0], 10000, page);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(output.fd);
	if (client >= 0)
		close(client);
	phase_unmap(&page);
	return 0;
}

/* All that the client has got until now. */
static size_t heard(char *text, size_t size)
{
	ssize_t got = recv(client, text, size, MSG_DONTWAIT);

	return got < 0 ? 0 : (size_t)got;
}

static void lines_wait_for_the_flush(void **state)
{
	char text[64];

	(void)state;
	assert_true((fcntl(output.fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_int_equal(output_line(&output, "+OK %d", 1), 0);
	assert_int_equal(output_line(&output, "%s", ""), 0);
	assert_int_equal(heard(text, sizeof(text)), 0);
	assert_int_equal(output_flush(&output), 0);
	assert_int_equal(heard(text, sizeof(text)), 9);
	assert_memory_equal(text, "+OK 1\r\n\r\n", 9);
	assert_int_equal(output.sent, 9);
	assert_int_equal(output_flush(&output), 0);
	assert_int_equal(output.sent, 9);
}

static void lines_are_cut_to_512_octets(void **state)
{
	char long_text[1000], text[2048];

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	for (size_t size = 508; size < 516; size++) {
		size_t wanted = size > 510 ? 512 : size + 2, got;

		assert_int_equal(output_line(&output, "%.*s", (int)size, long_text), 0);
		assert_int_equal(output_flush(&output), 0);
		got = heard(text, sizeof(text));
		assert_int_equal(got, wanted);
		assert_memory_equal(text, long_text, wanted - 2);
		assert_memory_equal(text + wanted - 2, "\r\n", 2);
	}
}

/* Octet i of an endless reply. */
static char octet(size_t i)
{
	return (char)(i * 7 + i / 251);
}

/* A client that reads now and then, and tells by its exit code whether all octets came as they should. */
static pid_t slow_client(size_t total)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		char text[1500];
		size_t at = 0;
		ssize_t got;

		close(output.fd);
		while ((got = read(client, text, sizeof(text))) > 0) {
			for (ssize_t i = 0; i < got; i++)
				if (text[i] != octet(at++))
					_exit(1);
			if (at / 1500 % 50 == 0) {
				struct timespec pause = {.tv_nsec = 1000000};

				nanosleep(&pause, NULL);
			}
		}
		_exit(at == total ? 0 : 2);
	}
	close(client);
	client = -1;
	return child;
}

/* Pieces of every size around the buffer's, against a client slower than they come. */
static void a_slow_client_gets_every_octet(void **state)
{
	static const size_t pieces[] = {
	    1, 2, 100, OUTPUT_BUFFER - 1, OUTPUT_BUFFER, OUTPUT_BUFFER + 1, 7, 5000, 40000, 16000, 1000, 300000, 3, 0};
	static char data[300000];
	size_t total = 0, at = 0;
	pid_t child;
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		total += pieces[i];
	child = slow_client(total);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (size_t j = 0; j < pieces[i]; j++)
			data[j] = octet(at + j);
		at += pieces[i];
		assert_int_equal(output_write(&output, data, pieces[i]), 0);
		assert_int_equal(output.sent + output.size, at);
	}
	assert_int_equal(output_flush(&output), 0);
	assert_int_equal(output.sent, total);
	shutdown(output.fd, SHUT_WR);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_client_that_stalls(void **state)
{
	static char data[1 << 20];
	struct timespec before, after;
	uint64_t sent;

	(void)state;
	output.stall = 200;
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(output_write(&output, data, sizeof(data)), -1);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 199);
	assert_true(after.tv_sec - before.tv_sec < 10);
	assert_true(output.failed && output.stalled);
	sent = output.sent;
	assert_true(sent > 0 && sent < sizeof(data));
	/* What has been torn stays torn, even if the client wakes up. */
	while (heard(data, sizeof(data)) > 0)
		continue;
	assert_int_equal(output_write(&output, "x", 1), -1);
	assert_int_equal(output_line(&output, "x"), -1);
	assert_int_equal(output_flush(&output), -1);
	assert_int_equal(heard(data, sizeof(data)), 0);
	assert_int_equal(output.sent, sent);
	assert_true(phase_debt(page, sent).cut);
}

/* Slow is not stalled: each octet taken begins the time anew. */
static void a_client_that_only_crawls(void **state)
{
	static char data[100000];
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		char text[8192];
		ssize_t got;

		close(output.fd);
		do {
			struct timespec pause = {.tv_nsec = 60000000};

			nanosleep(&pause, NULL);
			got = read(client, text, sizeof(text));
		} while (got > 0);
		_exit(0);
	}
	output.stall = 400; /* the whole takes longer */
	assert_int_equal(output_write(&output, data, sizeof(data)), 0);
	assert_int_equal(output_flush(&output), 0);
	assert_false(output.stalled);
	shutdown(output.fd, SHUT_WR);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static void a_client_that_has_gone(void **state)
{
	(void)state;
	close(client);
	client = -1;
	assert_int_equal(output_line(&output, "+OK"), 0); /* it is only buffered */
	assert_int_equal(output_flush(&output), -1);
	assert_true(output.failed);
	assert_false(output.stalled);
	assert_int_equal(output_line(&output, "+OK"), -1);
}

/* Each write has been noted before its first octet leaves. */
static void the_page_knows_each_write(void **state)
{
	static char data[OUTPUT_BUFFER];
	struct phase_debt debt;

	(void)state;
	output_line(&output, "+OK"); /* 5 octets */
	output.settled = 6;
	assert_true(phase_debt(page, 5).cut); /* not noted before it is flushed */
	output_flush(&output);
	debt = phase_debt(page, 5);
	assert_false(debt.cut);
	assert_int_equal(debt.settled, 6);
	assert_true(phase_debt(page, 4).cut);

	output.inside = true;
	output_line(&output, "+OK message follows"); /* 21 octets */
	output_flush(&output);
	assert_true(phase_debt(page, 26).cut);
	output_write(&output, data, 100);
	output_write(&output, ".\r\n", 3);
	output.inside = false;
	output.settled = 14;
	output_flush(&output);
	debt = phase_debt(page, 129);
	assert_false(debt.cut);
	assert_int_equal(debt.settled, 14);
	assert_true(phase_debt(page, 128).cut);
}

static void a_pipe_will_do(void **state)
{
	int pipe_ends[2];
	char text[16];

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	close(output.fd);
	output_init(&output, pipe_ends[1], 1000, NULL);
	assert_int_equal(output_line(&output, "+OK"), 0);
	assert_int_equal(output_flush(&output), 0);
	assert_int_equal(read(pipe_ends[0], text, sizeof(text)), 5);
	close(pipe_ends[0]);
	assert_int_equal(output_line(&output, "+OK"), 0);
	assert_int_equal(output_flush(&output), -1);
}

/* The descriptor may be shared with who started us: it goes back as it was. */
static void the_descriptor_is_given_back(void **state)
{
	int flags;

	(void)state;
	assert_int_equal(fcntl(client, F_SETFL, O_RDWR), 0);
	flags = fcntl(client, F_GETFL);
	close(output.fd);
	output_init(&output, client, 1000, NULL);
	assert_true((fcntl(client, F_GETFL) & O_NONBLOCK) != 0);
	output_end(&output);
	assert_int_equal(fcntl(client, F_GETFL), flags);
	assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	flags = fcntl(client, F_GETFL);
	output_init(&output, client, 1000, NULL);
	output_end(&output);
	assert_int_equal(fcntl(client, F_GETFL), flags);
	output.fd = dup(client); /* for the teardown */
}

/* What stands behind the mark can be taken back until some of it has left, whatever was before it. */
static void what_has_not_left_is_taken_back(void **state)
{
	static char much[OUTPUT_BUFFER - 10], got[OUTPUT_BUFFER + 100];
	int room = 4 * OUTPUT_BUFFER;
	uint64_t mark;

	(void)state;
	assert_int_equal(setsockopt(output.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	memset(much, 'x', sizeof(much));
	assert_int_equal(output_write(&output, much, sizeof(much)), 0);
	mark = output_mark(&output);
	/* no room: what was before the mark leaves */
	assert_int_equal(output_line(&output, "+OK 12345 octets"), 0);
	assert_int_equal(output.sent, sizeof(much));
	assert_int_equal(output_rewind(&output, mark), 0);
	assert_int_equal(output_line(&output, "-ERR no"), 0);
	assert_int_equal(output_flush(&output), 0);
	assert_int_equal(heard(got, sizeof(got)), sizeof(much) + 9);
	assert_memory_equal(got + sizeof(much), "-ERR no\r\n", 9);
	assert_int_equal(output_rewind(&output, mark), -1);
}

static void it_moves_and_counts_on(void **state)
{
	int ends[2], old = output.fd;
	char text[32];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(output_line(&output, "+OK"), 0);
	assert_int_equal(output_flush(&output), 0);
	output_move(&output, ends[0]);
	output.settled = 6;
	assert_int_equal(output_line(&output, "+OK 2"), 0);
	assert_int_equal(output_flush(&output), 0);
	assert_int_equal(heard(text, sizeof(text)), 5);
	assert_int_equal(recv(ends[1], text, sizeof(text), MSG_DONTWAIT), 7);
	assert_int_equal(phase_debt(page, 12).settled, 6);
	assert_false(phase_debt(page, 12).cut);
	close(old);
	close(ends[1]);
}

/* Moved, a client that takes nothing is left when whoever watches it goes. */
static void it_ends_with_the_watcher(void **state)
{
	static char much[4 * 1024 * 1024];
	int ends[2], old = output.fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	output_move(&output, ends[0]);
	close(client);
	client = -1;
	assert_int_equal(output_write(&output, much, sizeof(much)), -1);
	assert_false(output.stalled);
	close(old);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(lines_wait_for_the_flush, begin, end),
	    cmocka_unit_test_setup_teardown(lines_are_cut_to_512_octets, begin, end),
	    cmocka_unit_test_setup_teardown(a_slow_client_gets_every_octet, begin, end),
	    cmocka_unit_test_setup_teardown(a_client_that_stalls, begin, end),
	    cmocka_unit_test_setup_teardown(a_client_that_only_crawls, begin, end),
	    cmocka_unit_test_setup_teardown(a_client_that_has_gone, begin, end),
	    cmocka_unit_test_setup_teardown(the_page_knows_each_write, begin, end),
	    cmocka_unit_test_setup_teardown(a_pipe_will_do, begin, end),
	    cmocka_unit_test_setup_teardown(what_has_not_left_is_taken_back, begin, end),
	    cmocka_unit_test_setup_teardown(the_descriptor_is_given_back, begin, end),
	    cmocka_unit_test_setup_teardown(it_moves_and_counts_on, begin, end),
	    cmocka_unit_test_setup_teardown(it_ends_with_the_watcher, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
