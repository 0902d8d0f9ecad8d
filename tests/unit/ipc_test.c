/* Tests of messages with descriptors over a socket: none is ever lost or kept by mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ipc.h"

static struct ipc_inbox inbox;

/* How many descriptors are open tells whether any was leaked. */
static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

struct pair {
	int a, b, open;
};

static struct pair open_pair(void)
{
	struct pair pair;
	int ends[2];

	assert_int_equal(ipc_pair(ends), 0);
	pair.a = ends[0];
	pair.b = ends[1];
	pair.open = open_descriptors();
	return pair;
}

static void close_pair(struct pair *pair)
{
	assert_int_equal(open_descriptors(), pair->open);
	close(pair->a);
	if (pair->b >= 0)
		close(pair->b);
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static void messages_travel(void **state)
{
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_RESPONSE};

	(void)state;
	assert_true((fcntl(pair.a, F_GETFD) & FD_CLOEXEC) != 0);
	for (uint64_t i = 0; i < 3; i++) {
		message.u.response.id = i;
		message.u.response.data = message_octets("abc", (size_t)i);
		assert_int_equal(ipc_send(pair.a, &message, NULL), IPC_OK);
	}
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(ipc_receive(pair.b, &inbox), IPC_OK);
		assert_int_equal(inbox.message.type, MESSAGE_RESPONSE);
		assert_int_equal(inbox.message.u.response.id, i);
		assert_int_equal(inbox.message.u.response.data.size, i);
		assert_memory_equal(inbox.message.u.response.data.data, "abc", (size_t)i);
		for (size_t j = 0; j < MESSAGE_FDS; j++)
			assert_int_equal(inbox.fds[j], -1);
		ipc_inbox_clear(&inbox);
	}
	close_pair(&pair);
}

static void descriptors_travel(void **state)
{
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_SPAWN, .u.spawn.id = 9};
	const int fds[] = {pair.a, pair.b, STDIN_FILENO};
	int taken;

	(void)state;
	assert_int_equal(ipc_send(pair.a, &message, fds), IPC_OK);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_OK);
	for (size_t i = 0; i < 3; i++) {
		assert_true(inbox.fds[i] >= 0 && inbox.fds[i] != fds[i]);
		assert_true(same_file(inbox.fds[i], fds[i]));
		assert_true((fcntl(inbox.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
	}
	taken = ipc_take(&inbox, 1);
	assert_true(same_file(taken, pair.b));
	assert_int_equal(inbox.fds[1], -1);
	ipc_inbox_clear(&inbox);
	assert_int_equal(inbox.fds[0], -1);
	assert_int_equal(inbox.fds[2], -1);
	assert_true(fcntl(taken, F_GETFD) >= 0);
	close(taken);
	close_pair(&pair);
}

/* Whatever the count of descriptors, only the type's own is taken, and none of the others stays open. */
static void the_count_of_descriptors_must_fit(void **state)
{
	static const enum message_type types[] = {MESSAGE_READY, MESSAGE_LOG, MESSAGE_LOGIN, MESSAGE_SPAWN};
	unsigned char buffer[MESSAGE_MAX];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct message message = {.type = types[i]};
		size_t size = message_encode(&message, buffer);

		assert_true(size > 0);
		for (size_t count = 0; count <= MESSAGE_FDS; count++) {
			struct pair pair = open_pair();
			const int fds[] = {pair.a, pair.b, STDIN_FILENO};

			assert_int_equal(ipc_send_encoded(pair.a, buffer, size, fds, count), IPC_OK);
			assert_int_equal(ipc_receive(pair.b, &inbox),
					 count == message_fds(types[i]) ? IPC_OK : IPC_FAILED);
			ipc_inbox_clear(&inbox);
			close_pair(&pair);
		}
	}
}

/* Sends what no sender of ours would: any octets, any number of descriptors. */
static void send_raw(int fd, const void *data, size_t size, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * 64)];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[64];

	memset(&control, 0, sizeof(control));
	memset(fds, 0, sizeof(fds));
	if (fd_count > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
	}
	assert_int_equal(sendmsg(fd, &header, MSG_NOSIGNAL), (ssize_t)size);
}

static void too_many_descriptors_are_closed(void **state)
{
	unsigned char buffer[MESSAGE_MAX];
	struct message message = {.type = MESSAGE_SPAWN};
	size_t size = message_encode(&message, buffer);
	const int fds[MESSAGE_FDS + 1] = {0};

	(void)state;
	for (size_t count = MESSAGE_FDS + 1; count <= 64; count *= 2) {
		struct pair pair = open_pair();

		send_raw(pair.a, buffer, size, count);
		assert_int_equal(ipc_receive(pair.b, &inbox), IPC_FAILED);
		close_pair(&pair);
	}
	{
		struct pair pair = open_pair();

		assert_int_equal(ipc_send_encoded(pair.a, buffer, size, fds, MESSAGE_FDS + 1), IPC_FAILED);
		close_pair(&pair);
	}
}

/* A process without a free descriptor keeps its channel: it gets the message and sees what is missing. */
static void without_a_free_descriptor(void **state)
{
	struct message message = {.type = MESSAGE_SPAWN, .u.spawn.id = 4};
	const int fds[] = {0, 0, 0};
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t room = 0; room <= 3; room++) {
		struct pair pair = open_pair();
		int next = dup(0);

		close(next);
		none = before;
		none.rlim_cur = (rlim_t)next + room;
		assert_int_equal(ipc_send(pair.a, &message, fds), IPC_OK);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		assert_int_equal(ipc_receive(pair.b, &inbox), IPC_OK);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(inbox.message.u.spawn.id, 4);
		for (rlim_t i = 0; i < 3; i++)
			assert_int_equal(inbox.fds[i] >= 0, i < room);
		ipc_inbox_clear(&inbox);
		close_pair(&pair);
	}
}

/* A packet of no octets looks like the other end's departure; what came with it is closed all the same. */
static void an_empty_packet_ends_the_channel(void **state)
{
	(void)state;
	for (size_t count = 0; count <= 8; count++) {
		struct pair pair = open_pair();

		send_raw(pair.a, "", 0, count);
		assert_int_equal(ipc_receive(pair.b, &inbox), IPC_CLOSED);
		for (size_t i = 0; i < MESSAGE_FDS; i++)
			assert_int_equal(inbox.fds[i], -1);
		close_pair(&pair);
	}
}

static void nonsense_is_refused(void **state)
{
	static unsigned char big[MESSAGE_MAX + 1];
	struct pair pair = open_pair();

	(void)state;
	send_raw(pair.a, "x", 1, 2);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_FAILED);
	send_raw(pair.a, big, MESSAGE_MAX, 0);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_FAILED);
	close_pair(&pair);
}

/* One octet more than a message can have is not read as the message before it. */
static void a_cut_packet_is_refused(void **state)
{
	static unsigned char big[MESSAGE_MAX + 1];
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_READY};

	(void)state;
	assert_int_equal(message_encode(&message, big), 4);
	send_raw(pair.a, big, sizeof(big), 1);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_FAILED);
	close_pair(&pair);
}

static void the_other_end_has_gone(void **state)
{
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_READY};

	(void)state;
	assert_int_equal(ipc_send(pair.b, &message, NULL), IPC_OK);
	close(pair.b);
	/* What it said before is still heard. */
	assert_int_equal(ipc_receive(pair.a, &inbox), IPC_OK);
	assert_int_equal(ipc_receive(pair.a, &inbox), IPC_CLOSED);
	assert_int_equal(ipc_send(pair.a, &message, NULL), IPC_CLOSED);
	close(pair.a);
}

static void a_full_socket_says_so(void **state)
{
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_RESPONSE};
	static char data[4096];
	unsigned sent = 0;

	(void)state;
	message.u.response.data = message_octets(data, sizeof(data));
	assert_int_equal(fcntl(pair.a, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(pair.b, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_AGAIN);
	while (ipc_send(pair.a, &message, NULL) == IPC_OK)
		assert_true(++sent < 10000);
	assert_int_equal(ipc_send(pair.a, &message, NULL), IPC_AGAIN);
	for (; sent > 0; sent--)
		assert_int_equal(ipc_receive(pair.b, &inbox), IPC_OK);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_AGAIN);
	close_pair(&pair);
}

static void what_cannot_be_encoded_is_not_sent(void **state)
{
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_OPENED};

	(void)state;
	message.u.opened.text = message_text("no\rno");
	assert_int_equal(ipc_send(pair.a, &message, NULL), IPC_FAILED);
	assert_int_equal(fcntl(pair.b, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_AGAIN);
	close_pair(&pair);
}

static bool holds(const unsigned char *memory, size_t size, const char *text)
{
	return memmem(memory, size, text, strlen(text)) != NULL;
}

static void a_cleared_inbox_is_wiped(void **state)
{
	struct pair pair = open_pair();
	struct message message = {.type = MESSAGE_RESPONSE};

	(void)state;
	message.u.response.data = message_text("the secret");
	assert_int_equal(ipc_send(pair.a, &message, NULL), IPC_OK);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_OK);
	assert_true(holds(inbox.buffer, sizeof(inbox.buffer), "the secret"));
	ipc_inbox_clear(&inbox);
	assert_false(holds(inbox.buffer, sizeof(inbox.buffer), "the secret"));
	/* Likewise when what came was no message. */
	send_raw(pair.a, "....the secret", 14, 0);
	assert_int_equal(ipc_receive(pair.b, &inbox), IPC_FAILED);
	assert_false(holds(inbox.buffer, sizeof(inbox.buffer), "the secret"));
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_travel),
	    cmocka_unit_test(descriptors_travel),
	    cmocka_unit_test(the_count_of_descriptors_must_fit),
	    cmocka_unit_test(too_many_descriptors_are_closed),
	    cmocka_unit_test(without_a_free_descriptor),
	    cmocka_unit_test(an_empty_packet_ends_the_channel),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(a_cut_packet_is_refused),
	    cmocka_unit_test(the_other_end_has_gone),
	    cmocka_unit_test(a_full_socket_says_so),
	    cmocka_unit_test(what_cannot_be_encoded_is_not_sent),
	    cmocka_unit_test(a_cleared_inbox_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
