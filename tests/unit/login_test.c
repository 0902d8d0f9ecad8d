/* Tests of logins in the broker, whose neighbours are played here: answers that come late are for the login that they
 * were asked about, whoever has its id by then.
 */
#include "conf_support.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <popgate/plugin.h>

#include "broker/broker.h"
#include "broker/login.h"

#define HASH "$y$j9T$abcdefghijklmnopqrstu/$GOBj9MnQX2XXRYb4Fyz9668D5epsKc/lpFQOxVhyXjA"
#define ID   7

static struct process process;
static struct broker broker;
static struct broker_front front;
static int at_front, at_helper; /* the other ends of their channels */

static void ignore(void *context, struct ipc_inbox *inbox)
{
	(void)context, (void)inbox;
}

static void ended(void *context)
{
	(void)context;
}

static int begin(void **state)
{
	struct conf_report report = {0};
	int ends[2];

	(void)state;
	support_write("a.conf", "accounts = ({ user = \"ann\"; hash = \"" HASH "\"; }, { user = \"bob\"; hash = \"" HASH
				"\"; });\n");
	assert_int_equal(chmod("a.conf", 0600), 0);
	process = (struct process){.conf = support_read("accounts = \"a.conf\";\n" LISTENERS BACKENDS ROUTES),
				   .throttle = throttle_new(),
				   .usage = usage_new()};
	broker = (struct broker){.process = &process, .base = channel_base()};
	broker.accounts = accounts_read(process.conf, &report);
	assert_non_null(broker.accounts);
	broker.tries.throttle = process.throttle;
	assert_int_equal(ipc_pair(ends), 0);
	at_front = ends[1];
	front =
	    (struct broker_front){.broker = &broker, .channel = channel_new(broker.base, ends[0], ignore, ended, NULL)};
	assert_int_equal(ipc_pair(ends), 0);
	at_helper = ends[1];
	workers_add(&broker, PROCESS_HELPER, ends[0]);
	return fcntl(at_front, F_SETFL, O_NONBLOCK) | fcntl(at_helper, F_SETFL, O_NONBLOCK);
}

static int end(void **state)
{
	struct conf *conf = (struct conf *)process.conf;

	(void)state;
	login_front_lost(&broker, &front);
	close(at_front);
	close(at_helper);
	event_base_loop(broker.base, EVLOOP_NONBLOCK);
	channel_free(&front.channel);
	event_base_free(broker.base);
	accounts_free(&broker.accounts);
	throttle_free(&process.throttle);
	usage_free(&process.usage);
	conf_free(&conf);
	return 0;
}

/* The front's LOGIN. Returns the number of the job that the helper gets. */
static uint64_t log_in(const char *user)
{
	struct ipc_inbox inbox = {.message.type = MESSAGE_LOGIN,
				  .fds = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY), -1}};
	struct message_login *login = &inbox.message.u.login;

	login->id = ID;
	login->peer = message_text("192.0.2.1");
	login->mechanism = message_text("USER");
	login->user = message_text(user);
	login->response = message_text("secret");
	login->flags = LOGIN_HAS_RESPONSE;
	login_begin(&broker, &front, &inbox);
	assert_int_equal(ipc_receive(at_helper, &inbox), IPC_OK);
	assert_int_equal(inbox.message.type, MESSAGE_CHECK);
	return inbox.message.u.check.id;
}

static void answer(uint64_t job, enum message_verdict verdict)
{
	struct message message = {.type = MESSAGE_CHECKED};

	message.u.checked.id = job;
	message.u.checked.verdict = verdict;
	assert_int_equal(ipc_send(at_helper, &message, NULL), IPC_OK);
	event_base_loop(broker.base, EVLOOP_NONBLOCK);
}

/* What the front is told; -1: nothing. Who is proved gets TEMP, since no spawner is there. */
static int verdict(void)
{
	struct ipc_inbox inbox;

	if (ipc_receive(at_front, &inbox) != IPC_OK)
		return -1;
	assert_int_equal(inbox.message.type, MESSAGE_REFUSED);
	assert_int_equal(inbox.message.u.refused.id, ID);
	return (int)inbox.message.u.refused.status;
}

static void test_the_helpers_word_counts(void **state)
{
	(void)state;
	answer(log_in("ann"), CHECK_RIGHT);
	assert_int_equal(verdict(), POPGATE_TEMP);
	answer(log_in("ann"), CHECK_WRONG);
	assert_int_equal(verdict(), POPGATE_AUTH);
}

static void test_it_proves_nobody_who_has_the_id_of_one_who_left(void **state)
{
	uint64_t own = log_in("ann"), others;

	(void)state;
	login_cancel(&broker, &front, ID);
	others = log_in("bob");
	answer(own, CHECK_RIGHT);
	assert_int_equal(verdict(), -1);
	answer(others, CHECK_WRONG);
	assert_int_equal(verdict(), POPGATE_AUTH);
}

static void test_a_helper_that_dies_refuses_whom_it_was_asked_about(void **state)
{
	(void)log_in("ann");
	(void)state;
	login_cancel(&broker, &front, ID);
	(void)log_in("bob");
	assert_int_equal(shutdown(at_helper, SHUT_RDWR), 0);
	event_base_loop(broker.base, EVLOOP_NONBLOCK);
	assert_int_equal(verdict(), POPGATE_TEMP);
	assert_int_equal(verdict(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_the_helpers_word_counts, begin, end),
	    cmocka_unit_test_setup_teardown(test_it_proves_nobody_who_has_the_id_of_one_who_left, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_helper_that_dies_refuses_whom_it_was_asked_about, begin, end),
	};

	return cmocka_run_group_tests_name("login", tests, support_enter, support_leave);
}
