/* Tests of logins in the broker, whose neighbours are played here: answers that come late are for the login that they
 * were asked about, whoever has its id by then; and how long refusals take.
 */
#include "conf_support.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <popgate/plugin.h>

#include "broker/broker.h"
#include "broker/login.h"
#include "broker/proving.h"
#include "common/deadline.h"

#define HASH	      "$y$j8T$abcdefghijklmnopqrstu/$GOBj9MnQX2XXRYb4Fyz9668D5epsKc/lpFQOxVhyXjA"
#define ID	      7
#define TICK	      10 /* milliseconds that a timer of libevent may be early */
#define ACCOUNTS      "accounts = \"a.conf\";\n"
#define TLS	      "tls = { certificate = \"c.pem\"; key = \"k.pem\"; };\n"
#define DOMAIN_ROUTES "routes = ({ users = \"*@example.org\"; backend = \"main\"; });\n"

static struct process process;
static struct broker broker;
static struct broker_front front;
static int at_front, at_helper; /* the other ends of their channels */
static struct ipc_inbox helped;

static void ignore(void *context, struct ipc_inbox *inbox)
{
	(void)context, (void)inbox;
}

static void ended(void *context)
{
	(void)context;
}

static int begin(const char *text)
{
	struct conf_report report = {0};
	int ends[2];

	support_write("a.conf", "accounts = ({ user = \"ann\"; hash = \"" HASH "\"; }, { user = \"bob\"; hash = \"" HASH
				"\"; });\n");
	assert_int_equal(chmod("a.conf", 0600), 0);
	process = (struct process){.conf = support_read(text), .throttle = throttle_new(), .usage = usage_new()};
	broker = (struct broker){.process = &process, .base = channel_base()};
	if (process.conf->accounts_file != NULL) {
		broker.accounts = accounts_read(process.conf, &report);
		assert_non_null(broker.accounts);
		broker.usual_hash = proving_usual_hash(broker.accounts);
	}
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

static int begin_with_accounts(void **state)
{
	(void)state;
	return begin(ACCOUNTS LISTENERS BACKENDS ROUTES);
}

/* Names without a domain have no route. */
static int begin_without(void **state)
{
	(void)state;
	return begin(LISTENERS BACKENDS DOMAIN_ROUTES);
}

/* No route is for all. */
static int begin_with_few_routes(void **state)
{
	(void)state;
	return begin(ACCOUNTS LISTENERS BACKENDS "routes = ({ users = \"ann\"; backend = \"main\"; }, "
						 "{ users = \"bob\"; backend = \"main\"; });\n");
}

static int begin_with_listeners(void **state)
{
	(void)state;
	support_write("c.pem", "");
	support_write("k.pem", "");
	assert_int_equal(chmod("k.pem", 0600), 0);
	return begin(
	    "listeners = ({ address = \"127.0.0.1\"; port = 1110; tls = \"none\"; cleartext_login = true; },\n"
	    "{ address = \"127.0.0.1\"; port = 1111; tls = \"starttls\"; },\n"
	    "{ address = \"127.0.0.1\"; port = 1112; tls = \"none\"; mechanisms = [ \"APOP\" ]; });\n" TLS ACCOUNTS
		BACKENDS ROUTES);
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

/* The front's LOGIN, with a password. 0, or -1: no front of ours would send it. */
static int log_in_by(const char *mechanism, uint32_t listener, const char *tls, const char *user)
{
	struct ipc_inbox inbox = {.message.type = MESSAGE_LOGIN,
				  .fds = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY), -1}};
	struct message_login *login = &inbox.message.u.login;

	login->id = ID;
	login->listener = listener;
	login->peer = message_text("192.0.2.1");
	login->tls = message_text(tls);
	login->mechanism = message_text(mechanism);
	login->user = message_text(user);
	login->response = message_text("secret");
	login->flags = LOGIN_HAS_RESPONSE;
	return login_begin(&broker, &front, &inbox);
}

static void log_in(const char *user)
{
	assert_int_equal(log_in_by("USER", 0, "", user), 0);
}

/* The job that the helper gets. */
static uint64_t take_check(void)
{
	const struct message_check *check = &helped.message.u.check;

	assert_int_equal(ipc_receive(at_helper, &helped), IPC_OK);
	assert_int_equal(helped.message.type, MESSAGE_CHECK);
	assert_int_equal(check->hash.size, strlen(HASH));
	assert_memory_equal(check->hash.data, HASH, strlen(HASH));
	return check->id;
}

/* A login whose password is here. Returns the number of the job. */
static uint64_t check(const char *user)
{
	log_in(user);
	return take_check();
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
	answer(check("ann"), CHECK_RIGHT);
	assert_int_equal(verdict(), POPGATE_TEMP);
	answer(check("ann"), CHECK_WRONG);
	assert_int_equal(verdict(), POPGATE_AUTH);
}

static void test_it_proves_nobody_who_has_the_id_of_one_who_left(void **state)
{
	uint64_t own = check("ann"), others;

	(void)state;
	login_cancel(&broker, &front, ID);
	others = check("bob");
	answer(own, CHECK_RIGHT);
	assert_int_equal(verdict(), -1);
	answer(others, CHECK_WRONG);
	assert_int_equal(verdict(), POPGATE_AUTH);
}

static void test_a_helper_that_dies_refuses_whom_it_was_asked_about(void **state)
{
	(void)check("ann");
	(void)state;
	login_cancel(&broker, &front, ID);
	(void)check("bob");
	assert_int_equal(shutdown(at_helper, SHUT_RDWR), 0);
	event_base_loop(broker.base, EVLOOP_NONBLOCK);
	assert_int_equal(verdict(), POPGATE_TEMP);
	assert_int_equal(verdict(), -1);
}

/* An upstream's refusal took a third of a second. */
static void note_refusal(void)
{
	struct throttle_keys keys = throttle_identify(process.throttle, "192.0.2.9", "main", "x@example.org");
	int64_t now = deadline_now();

	broker.tries.most = 1;
	(void)throttle_refused(process.throttle, &keys, now - 333, now - 333, true, now, broker.tries.most);
}

static void test_a_name_without_route_is_refused_as_late_as_others(void **state)
{
	(void)state;
	note_refusal();
	for (int i = 0; i < 3; i++) {
		int64_t begun = deadline_now();
		int told;

		log_in("stranger");
		while ((told = verdict()) < 0 && deadline_now() - begun < 3000)
			event_base_loop(broker.base, EVLOOP_ONCE);
		assert_int_equal(told, POPGATE_AUTH);
		assert_true(deadline_now() - begun >= 333 - TICK);
	}
}

/* Who is not there, or leads nowhere, is the same work as who is: one check, of a hash that is as dear. And it takes as
 * long as the upstream's refusals, since others are refused there. */
static void test_whoever_is_wrong_costs_the_same(void **state)
{
	static const char *const names[] = {"ann", "stranger", "bob", "nobody@example.com", "lost"};

	(void)state;
	note_refusal();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int64_t begun = deadline_now();
		uint64_t job = check(names[i]);
		int told;

		assert_int_equal(ipc_receive(at_helper, &helped), IPC_AGAIN);
		answer(job, CHECK_WRONG);
		while ((told = verdict()) < 0 && deadline_now() - begun < 3000)
			event_base_loop(broker.base, EVLOOP_ONCE);
		assert_int_equal(told, POPGATE_AUTH);
		assert_true(deadline_now() - begun >= 333 - TICK);
	}
}

/* What the listener does not offer comes from a front that has been taken over. */
static void test_only_what_the_listener_offers_is_a_login(void **state)
{
	static const struct {
		const char *mechanism;
		uint32_t listener;
		const char *tls;
		int result;
	} cases[] = {
	    {"USER", 0, "", 0},
	    {"user", 0, "TLSv1.3", 0},
	    {"XOAUTH2", 0, "", -1},
	    {"XOAUTH2", 0, "TLSv1.3", -1},
	    {"PLAIN", 1, "", -1},
	    {"PLAIN", 1, "TLSv1.3", 0},
	    {"SCRAM-SHA-256-PLUS", 1, "", -1},
	    {"USER", 2, "", -1},
	    {"APOP", 2, "", 0},
	    {"PLAIN", 2, "TLSv1.3", -1},
	    {"USER", 3, "", -1},
	    {"USER", UINT32_MAX, "", -1},
	    {"NONSENSE", 0, "", -1},
	    {"", 0, "", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(log_in_by(cases[i].mechanism, cases[i].listener, cases[i].tls, "ann"),
				 cases[i].result);
		login_cancel(&broker, &front, ID);
		(void)verdict();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_the_helpers_word_counts, begin_with_accounts, end),
	    cmocka_unit_test_setup_teardown(test_it_proves_nobody_who_has_the_id_of_one_who_left, begin_with_accounts,
					    end),
	    cmocka_unit_test_setup_teardown(test_a_helper_that_dies_refuses_whom_it_was_asked_about,
					    begin_with_accounts, end),
	    cmocka_unit_test_setup_teardown(test_a_name_without_route_is_refused_as_late_as_others, begin_without, end),
	    cmocka_unit_test_setup_teardown(test_whoever_is_wrong_costs_the_same, begin_with_few_routes, end),
	    cmocka_unit_test_setup_teardown(test_only_what_the_listener_offers_is_a_login, begin_with_listeners, end),
	};

	return cmocka_run_group_tests_name("login", tests, support_enter, support_leave);
}
