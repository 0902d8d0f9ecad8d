/* Tests of a channel: its queue when the peer reads slowly, and its end inside its own callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel.h"

#define QUEUE 16384 /* messages that a channel holds back at most */

struct end {
	struct event_base *base;
	struct channel *channel;
	int peer; /* the other end, blocking */
	unsigned messages, closed;
	uint64_t last_id;
	unsigned free_at; /* the message in whose callback the channel is freed; 0: none */
	bool free_on_close;
	struct end *victim; /* freed along with this one */
};

static void end_free(struct end *end)
{
	channel_free(&end->channel);
	assert_null(end->channel);
	if (end->victim != NULL)
		channel_free(&end->victim->channel);
}

static void on_message(void *context, struct ipc_inbox *inbox)
{
	struct end *end = context;

	end->messages++;
	if (inbox->message.type == MESSAGE_CANCEL)
		end->last_id = inbox->message.u.cancel.id;
	if (end->messages == end->free_at) {
		end_free(end);
		/* The message outlives the channel. */
		assert_int_equal(inbox->message.u.cancel.id, end->last_id);
	}
}

static void on_closed(void *context)
{
	struct end *end = context;

	end->closed++;
	if (end->free_on_close)
		end_free(end);
}

/* How many descriptors are open tells whether any was leaked. */
static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void begin(struct end *end, struct event_base *base)
{
	int ends[2];

	memset(end, 0, sizeof(*end));
	assert_int_equal(ipc_pair(ends), 0);
	end->base = base;
	end->peer = ends[1];
	end->channel = channel_new(base, ends[0], on_message, on_closed, end);
	assert_non_null(end->channel);
}

static void finish(struct end *end)
{
	channel_free(&end->channel);
	if (end->peer >= 0)
		close(end->peer);
}

static void turn(struct end *end)
{
	assert_true(event_base_loop(end->base, EVLOOP_NONBLOCK) >= 0);
}

static int base_new(void **state)
{
	*state = event_base_new();
	return *state == NULL ? -1 : 0;
}

static int base_free(void **state)
{
	event_base_free(*state);
	return 0;
}

static int send_id(struct end *end, uint64_t id)
{
	struct message message = {.type = MESSAGE_CANCEL, .u.cancel.id = id};

	return channel_send(end->channel, &message, NULL);
}

static void peer_says(struct end *end, uint64_t id)
{
	struct message message = {.type = MESSAGE_CANCEL, .u.cancel.id = id};

	assert_int_equal(ipc_send(end->peer, &message, NULL), IPC_OK);
}

static void assert_peer_hears(struct end *end, uint64_t id)
{
	static struct ipc_inbox inbox;

	assert_int_equal(ipc_receive(end->peer, &inbox), IPC_OK);
	assert_int_equal(inbox.message.u.cancel.id, id);
	ipc_inbox_clear(&inbox);
}

static void messages_come_and_go(void **state)
{
	struct end end;

	begin(&end, *state);
	assert_int_equal(send_id(&end, 1), 0);
	assert_peer_hears(&end, 1);
	turn(&end);
	assert_int_equal(end.messages, 0);
	for (uint64_t i = 1; i <= 5; i++)
		peer_says(&end, i);
	turn(&end);
	assert_int_equal(end.messages, 5);
	assert_int_equal(end.last_id, 5);
	assert_int_equal(end.closed, 0);
	finish(&end);
}

/* A peer that does not read costs a bounded queue; when it reads again it gets everything, in order. */
static void a_slow_peer(void **state)
{
	struct end end;
	uint64_t sent = 0, first;

	begin(&end, *state);
	for (; channel_queued(end.channel) < QUEUE; sent++)
		assert_int_equal(send_id(&end, sent), 0);
	assert_true(sent > QUEUE);
	/* Once it has read some, more can be sent, behind the others. */
	for (first = 0; channel_queued(end.channel) == QUEUE; first++) {
		assert_true(first < 1000);
		assert_peer_hears(&end, first);
		turn(&end);
	}
	assert_int_equal(send_id(&end, sent), 0);
	assert_int_equal(end.closed, 0);
	sent++;
	for (; first < sent; first++) {
		turn(&end);
		assert_peer_hears(&end, first);
	}
	turn(&end);
	assert_int_equal(fcntl(end.peer, F_SETFL, O_NONBLOCK), 0);
	{
		struct ipc_inbox inbox;

		assert_int_equal(ipc_receive(end.peer, &inbox), IPC_AGAIN);
	}
	assert_int_equal(send_id(&end, 7), 0);
	assert_peer_hears(&end, 7);
	finish(&end);
}

/* A message that would be lost, such as that a login is to be forgotten, ends the channel for both. */
static void a_peer_that_reads_nothing(void **state)
{
	struct message message = {.type = MESSAGE_LOG};
	struct ipc_inbox inbox;
	struct end end;
	uint64_t heard = 0;
	int zero = open("/dev/zero", O_RDONLY);

	begin(&end, *state);
	while (channel_queued(end.channel) < QUEUE)
		assert_int_equal(send_id(&end, 0), 0);
	assert_int_equal(channel_send(end.channel, &message, &zero), -1); /* that, its sender sees to */
	turn(&end);
	assert_int_equal(end.closed, 0);
	assert_int_equal(send_id(&end, 0), -1);
	assert_int_equal(end.closed, 0); /* never inside a send */
	turn(&end);
	assert_int_equal(end.closed, 1);
	while (ipc_receive(end.peer, &inbox) == IPC_OK)
		heard++;
	assert_in_range(heard, 1, QUEUE);
	assert_int_equal(ipc_receive(end.peer, &inbox), IPC_CLOSED);
	close(zero);
	finish(&end);
}

/* Nothing overtakes the queue, though the socket may have room by then. */
static void the_queue_keeps_its_order(void **state)
{
	struct end end;
	uint64_t sent, heard = 0;

	begin(&end, *state);
	for (sent = 0; sent < 2000; sent++)
		assert_int_equal(send_id(&end, sent), 0);
	for (; heard < 100; heard++)
		assert_peer_hears(&end, heard);
	for (; sent < 2100; sent++)
		assert_int_equal(send_id(&end, sent), 0);
	for (; heard < sent; heard++) {
		turn(&end);
		assert_peer_hears(&end, heard);
	}
	finish(&end);
}

/* Queued descriptors are the channel's own copies, closed when they are sent, or with it. */
static void queued_descriptors(void **state)
{
	struct message message = {.type = MESSAGE_LOG};
	struct end end;
	int open, pipe_ends[2];
	char octet;

	begin(&end, *state);
	open = open_descriptors();
	for (int i = 0; i < 400; i++)
		assert_int_equal(send_id(&end, 0), 0);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(channel_send(end.channel, &message, &pipe_ends[1]), 0);
	assert_int_equal(channel_send(end.channel, &message, &pipe_ends[1]), 0);
	close(pipe_ends[1]);
	for (int i = 0; i < 400; i++) {
		turn(&end);
		assert_peer_hears(&end, 0);
	}
	turn(&end);
	{
		static struct ipc_inbox inbox;

		assert_int_equal(ipc_receive(end.peer, &inbox), IPC_OK);
		assert_int_equal(inbox.message.type, MESSAGE_LOG);
		assert_int_equal(write(inbox.fds[0], "x", 1), 1);
		ipc_inbox_clear(&inbox);
		assert_int_equal(ipc_receive(end.peer, &inbox), IPC_OK);
		ipc_inbox_clear(&inbox);
	}
	assert_int_equal(read(pipe_ends[0], &octet, 1), 1);
	assert_int_equal(read(pipe_ends[0], &octet, 1), 0); /* no copy is left */
	/* And with the channel. */
	for (int i = 0; i < 400; i++)
		assert_int_equal(send_id(&end, 0), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(channel_send(end.channel, &message, &pipe_ends[0]), 0);
	close(pipe_ends[0]);
	channel_free(&end.channel);
	close(end.peer);
	assert_int_equal(open_descriptors(), open - 2); /* its own two ends have gone, too */
}

static void freed_in_a_message(void **state)
{
	struct end end;

	for (unsigned at = 1; at <= 3; at++) {
		begin(&end, *state);
		end.free_at = at;
		for (uint64_t i = 1; i <= 3; i++)
			peer_says(&end, i);
		turn(&end);
		turn(&end);
		assert_null(end.channel);
		assert_int_equal(end.messages, at);
		assert_int_equal(end.last_id, at);
		assert_int_equal(end.closed, 0);
		finish(&end);
	}
}

/* One callback may end other channels, too, whose events are due in the same turn. */
static void freed_by_a_neighbour(void **state)
{
	struct end one, two;

	for (int which = 0; which < 2; which++) {
		begin(&one, *state);
		begin(&two, *state);
		one.free_at = two.free_at = 1;
		one.victim = &two;
		two.victim = &one;
		peer_says(which == 0 ? &one : &two, 1);
		peer_says(which == 0 ? &two : &one, 1);
		turn(&one);
		turn(&one);
		assert_int_equal(one.messages + two.messages, 1);
		assert_null(one.channel);
		assert_null(two.channel);
		finish(&one);
		finish(&two);
	}
}

static void freed_when_closed(void **state)
{
	struct end end;

	begin(&end, *state);
	end.free_on_close = true;
	peer_says(&end, 1);
	close(end.peer);
	end.peer = -1;
	turn(&end);
	turn(&end);
	assert_int_equal(end.messages, 1);
	assert_int_equal(end.closed, 1);
	assert_null(end.channel);
	finish(&end);
}

/* With a queue, the departure shows when writing, too: it is told once. */
static void closed_with_a_queue(void **state)
{
	struct end end;

	for (int keep = 0; keep < 2; keep++) {
		begin(&end, *state);
		end.free_on_close = keep == 0;
		for (int i = 0; i < 1000; i++)
			assert_int_equal(send_id(&end, 0), 0);
		close(end.peer);
		end.peer = -1;
		turn(&end);
		turn(&end);
		assert_int_equal(end.closed, 1);
		assert_int_equal(send_id(&end, 0), -1);
		finish(&end);
	}
}

/* A send that fails calls nobody back; the loop tells it afterwards. */
static void a_send_never_calls_back(void **state)
{
	struct end end;

	begin(&end, *state);
	close(end.peer);
	end.peer = -1;
	assert_int_equal(send_id(&end, 0), -1);
	assert_int_equal(end.closed, 0);
	turn(&end);
	assert_int_equal(end.closed, 1);
	assert_int_equal(send_id(&end, 0), -1);
	finish(&end);
}

static void nonsense_closes(void **state)
{
	struct end end;

	begin(&end, *state);
	peer_says(&end, 1);
	assert_int_equal(write(end.peer, "nonsense", 8), 8);
	peer_says(&end, 2);
	turn(&end);
	turn(&end);
	assert_int_equal(end.messages, 1);
	assert_int_equal(end.closed, 1);
	finish(&end);
}

/* What a callback leaves in the inbox is closed. */
static void descriptors_that_nobody_takes(void **state)
{
	struct message message = {.type = MESSAGE_SPAWN};
	const int fds[] = {0, 0, 0};
	struct end end;
	int open;

	begin(&end, *state);
	open = open_descriptors();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(ipc_send(end.peer, &message, fds), IPC_OK);
		turn(&end);
	}
	assert_int_equal(end.messages, 10);
	assert_int_equal(open_descriptors(), open);
	end.free_at = 11;
	assert_int_equal(ipc_send(end.peer, &message, fds), IPC_OK);
	end.last_id = 0;
	turn(&end);
	assert_null(end.channel);
	close(end.peer);
	end.peer = -1;
	assert_int_equal(open_descriptors(), open - 2); /* its own two ends have gone, too */
	finish(&end);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	struct message message = {.type = MESSAGE_OPENED};
	struct channel *none = NULL;
	struct end end;

	begin(&end, *state);
	message.u.opened.text = message_text("no\nno");
	assert_int_equal(channel_send(end.channel, &message, NULL), -1);
	assert_int_equal(channel_send(NULL, &message, NULL), -1);
	channel_free(&none);
	turn(&end);
	assert_int_equal(end.closed, 0);
	finish(&end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_and_go),
	    cmocka_unit_test(a_slow_peer),
	    cmocka_unit_test(a_peer_that_reads_nothing),
	    cmocka_unit_test(the_queue_keeps_its_order),
	    cmocka_unit_test(queued_descriptors),
	    cmocka_unit_test(freed_in_a_message),
	    cmocka_unit_test(freed_by_a_neighbour),
	    cmocka_unit_test(freed_when_closed),
	    cmocka_unit_test(closed_with_a_queue),
	    cmocka_unit_test(a_send_never_calls_back),
	    cmocka_unit_test(nonsense_closes),
	    cmocka_unit_test(descriptors_that_nobody_takes),
	    cmocka_unit_test(what_cannot_be_sent_is_refused),
	};

	return cmocka_run_group_tests(tests, base_new, base_free);
}
