/* Tests of the broker as a process, whose supervisor and front are played here. */
#include "conf_support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <popgate/plugin.h>

#include "broker/broker.h"
#include "common/ipc.h"

static struct conf *conf;
static pid_t child;
static int control, front; /* the other ends of its channels */

static int begin(void **state)
{
	static struct process_identity identity;
	struct process process = {.role = PROCESS_BROKER, .identity = &identity};
	struct ipc_inbox inbox;
	int ends[2];

	(void)state;
	conf = support_read("sandbox = \"off\"; limits = { login_penalty = 0; };\n" LISTENERS BACKENDS
			    "routes = ({ users = \"*@example.org\"; backend = \"main\"; });\n");
	process.conf = conf;
	process.throttle = throttle_new();
	process.usage = usage_new();
	assert_int_equal(ipc_pair(ends), 0);
	child = fork();
	if (child == 0) {
		process.control = ends[0];
		close(ends[1]);
		_exit(broker_run(&process));
	}
	close(ends[0]);
	control = ends[1];
	assert_int_equal(ipc_receive(control, &inbox), IPC_OK);
	assert_int_equal(inbox.message.type, MESSAGE_READY);
	throttle_free(&process.throttle);
	usage_free(&process.usage);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(control);
	assert_int_equal(waitpid(child, NULL, 0), child);
	conf_free(&conf);
	return 0;
}

/* A front, which has heard what it may offer. */
static void meet_front(void)
{
	struct message message = {.type = MESSAGE_NEIGHBOUR, .u.neighbour.role = PROCESS_FRONT};
	struct ipc_inbox inbox;
	int ends[2];

	assert_int_equal(ipc_pair(ends), 0);
	assert_int_equal(ipc_send(control, &message, ends), IPC_OK);
	close(ends[0]);
	front = ends[1];
	assert_int_equal(ipc_receive(front, &inbox), IPC_OK);
	assert_int_equal(inbox.message.type, MESSAGE_FEATURES);
}

static void log_in(uint64_t id, const char *mechanism)
{
	struct message message = {.type = MESSAGE_LOGIN};
	int fds[] = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY)};

	message.u.login.id = id;
	message.u.login.peer = message_text("192.0.2.1");
	message.u.login.mechanism = message_text(mechanism);
	message.u.login.user = message_text("ann");
	message.u.login.response = message_text("secret");
	message.u.login.flags = LOGIN_HAS_RESPONSE;
	assert_int_equal(ipc_send(front, &message, fds), IPC_OK);
	close(fds[0]);
	close(fds[1]);
}

static void test_front_that_sends_what_no_listener_offers_is_left(void **state)
{
	struct ipc_inbox inbox;

	(void)state;
	for (int i = 0; i < 2; i++) { /* and whoever comes after it is served */
		meet_front();
		log_in(1, "USER");
		assert_int_equal(ipc_receive(front, &inbox), IPC_OK);
		assert_int_equal(inbox.message.type, MESSAGE_REFUSED);
		assert_int_equal(inbox.message.u.refused.status, POPGATE_AUTH);
		log_in(2, "XOAUTH2");
		assert_int_equal(ipc_receive(front, &inbox), IPC_CLOSED);
		close(front);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_front_that_sends_what_no_listener_offers_is_left, begin, end),
	};

	return cmocka_run_group_tests_name("broker", tests, support_enter, support_leave);
}
