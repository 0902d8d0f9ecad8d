/* Tests of how a session takes its client's octets, and the client's socket with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/input.h"

static int ends[2];

static int begin(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int end(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void send_with(const char *octets, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = {.room = {0}};
	struct iovec piece = {.iov_base = (char *)octets, .iov_len = strlen(octets)};
	struct msghdr message = {.msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	assert_int_equal(sendmsg(ends[1], &message, 0), (ssize_t)strlen(octets));
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void octets_come_alone(void **state)
{
	char data[8];
	int client = 7;

	(void)state;
	assert_int_equal(send(ends[1], "NOOP\r\n", 6, 0), 6);
	assert_int_equal(input_read(ends[0], data, 4, &client), 4);
	assert_memory_equal(data, "NOOP", 4);
	assert_int_equal(client, -1);
	assert_int_equal(input_read(ends[0], data, sizeof(data), &client), 2);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(input_read(ends[0], data, sizeof(data), &client), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
	assert_int_equal(input_read(ends[0], data, sizeof(data), &client), 0);
}

static void a_descriptor_comes_with_them(void **state)
{
	int pipe_ends[2], client = -1;
	char data[8];

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	send_with("STAT\r\n", &pipe_ends[1], 1);
	assert_int_equal(input_read(ends[0], data, sizeof(data), &client), 6);
	assert_true(client >= 0 && client != pipe_ends[1]);
	assert_true((fcntl(client, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(write(client, "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], data, sizeof(data)), 1);
	close(client);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

/* Nobody sends more than one; if somebody does, it is a failure, and none stays open unnoticed. */
static void more_descriptors_than_one(void **state)
{
	int fds[4] = {ends[0], ends[1], ends[0], ends[1]}, client = -1, before = open_descriptors();
	char data[8];

	(void)state;
	send_with("x", fds, 4);
	assert_int_equal(input_read(ends[0], data, sizeof(data), &client), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(client, -1);
	assert_int_equal(open_descriptors(), before);
}

/* Where there is no front nobody may send one. */
static void a_descriptor_that_is_not_wanted(void **state)
{
	int before = open_descriptors();
	char data[8];

	(void)state;
	send_with("x", &ends[0], 1);
	assert_int_equal(input_read(ends[0], data, sizeof(data), NULL), 1);
	assert_int_equal(open_descriptors(), before);
}

/* A process without a free descriptor: the octets cannot be answered where they should. */
static void no_room_for_a_descriptor(void **state)
{
	struct rlimit limits, none;
	int client = 7;
	char data[8];

	(void)state;
	send_with("x", &ends[0], 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limits), 0);
	none = (struct rlimit){.rlim_cur = 1, .rlim_max = limits.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(input_read(ends[0], data, sizeof(data), &client), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limits), 0);
	assert_int_equal(client, -1);
}

static void a_pipe_will_do(void **state)
{
	int pipe_ends[2], client = 7;
	char data[8];

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(write(pipe_ends[1], "QUIT\r\n", 6), 6);
	assert_int_equal(input_read(pipe_ends[0], data, sizeof(data), &client), 6);
	assert_int_equal(client, -1);
	close(pipe_ends[1]);
	assert_int_equal(input_read(pipe_ends[0], data, sizeof(data), &client), 0);
	close(pipe_ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(octets_come_alone, begin, end),
	    cmocka_unit_test_setup_teardown(a_descriptor_comes_with_them, begin, end),
	    cmocka_unit_test_setup_teardown(more_descriptors_than_one, begin, end),
	    cmocka_unit_test_setup_teardown(a_descriptor_that_is_not_wanted, begin, end),
	    cmocka_unit_test_setup_teardown(no_room_for_a_descriptor, begin, end),
	    cmocka_unit_test_setup_teardown(a_pipe_will_do, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
