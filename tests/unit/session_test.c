/* Tests of a session with a plugin made for them: the idle timeout, which the
 * configuration keeps above ten minutes, and what a plugin must not get away with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/deadline.h"
#include "common/log.h"
#include "common/message.h"
#include "session/session.h"

#define IDLE 300 /* milliseconds */

static struct {
	bool locks;
	const char *ids[3]; /* NULL: no more */
	uint64_t octets;    /* of each message */
	unsigned commits, closes;
} script;

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	(void)instance;
	(void)open;
	(void)error;
	if (script.locks)
		session->lock.fd = dup(STDERR_FILENO);
	*drop_r = &script;
	return 0;
}

static int list(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	(void)drop;
	(void)deadline;
	for (size_t i = 0; i < 3 && script.ids[i] != NULL; i++) {
		const struct popgate_message message = {.uidl = script.ids[i], .octets = script.octets};

		if (add(context, &message) != 0) {
			error->status = POPGATE_STOPPED;
			return -1;
		}
	}
	return 0;
}

static int commit(void *drop, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	(void)drop;
	(void)messages;
	(void)deadline;
	(void)error;
	script.commits++;
	memset(gone, 1, count);
	return 0;
}

static void close_drop(void *drop)
{
	(void)drop;
	script.closes++;
}

static const struct popgate_plugin plugin = {.open = open_drop, .list = list, .commit = commit, .close = close_drop};

struct stage {
	struct conf conf;
	struct conf_backend backend;
	struct plugin_backend loaded;
	struct popgate_session session;
	int client;
};

/* The session's two ends; session_open is the test's to call. */
static int set_up(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	char name[] = "script";
	int ends[2];

	assert_non_null(stage);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	memset(&script, 0, sizeof(script));
	script.locks = true;
	script.ids[0] = "one";
	script.ids[1] = "two";
	script.octets = 10;
	stage->conf.limits.idle_timeout = IDLE;
	stage->conf.limits.stall_timeout = stage->conf.limits.upstream_timeout = 5000;
	stage->conf.limits.commit_timeout = 5000;
	stage->conf.limits.max_messages = 3;
	stage->backend.name = stage->backend.plugin = strdup(name);
	stage->loaded.plugin = &plugin;
	stage->session.conf = &stage->conf;
	stage->session.backend = &stage->backend;
	stage->session.plugin = &stage->loaded;
	stage->session.in = ends[0];
	stage->session.tls = strdup("");
	stage->session.peer = strdup("test");
	stage->session.user = strdup("ann");
	stage->client = ends[1];
	output_init(&stage->session.output, ends[0], 5000, NULL);
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	session_close(&stage->session);
	close(stage->session.in);
	close(stage->client);
	free(stage->backend.name);
	free(stage);
	return 0;
}

static int open_session(struct stage *stage, struct popgate_error *error)
{
	char text[400];

	return session_open(&stage->session, text, sizeof(text), error);
}

static void send_text(const struct stage *stage, const char *text)
{
	assert_int_equal(write(stage->client, text, strlen(text)), (ssize_t)strlen(text));
}

/* What the session has sent so far. */
static const char *received(const struct stage *stage)
{
	static char text[1000];
	ssize_t got = recv(stage->client, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[got < 0 ? 0 : got] = '\0';
	return text;
}

static void test_input_31_idle_session_ends_without_a_word_and_removes_nothing(void **state)
{
	struct stage *stage = *state;
	struct popgate_error error;
	int64_t start;

	assert_int_equal(open_session(stage, &error), 0);
	send_text(stage, "DELE 1\r\n");
	start = deadline_now();
	assert_int_equal(session_serve(&stage->session, NULL, 0), SESSION_IDLE);
	assert_in_range(deadline_now() - start, IDLE - 1, IDLE * 3);
	assert_string_equal(received(stage), "+OK message 1 deleted\r\n");
	session_tell_end(&stage->session, SESSION_IDLE);
	session_close(&stage->session);
	assert_string_equal(received(stage), "");
	assert_int_equal(script.commits, 0);
	assert_int_equal(script.closes, 1);
}

static void test_input_31_octets_that_are_no_command_do_not_keep_a_session_alive(void **state)
{
	struct stage *stage = *state;
	struct popgate_error error;

	assert_int_equal(open_session(stage, &error), 0);
	send_text(stage, "DELE 1");
	assert_int_equal(session_serve(&stage->session, NULL, 0), SESSION_IDLE);
	assert_string_equal(received(stage), "");
}

/* A child plays the client: four commands, each within the time, then QUIT. */
static void test_any_command_resets_the_idle_timer(void **state)
{
	static const char *const commands[] = {"NOOP\r\n", "XYZZY\r\n", "LIST x\r\n", "STAT\r\n", "QUIT\r\n"};
	struct stage *stage = *state;
	struct popgate_error error;
	int64_t start = deadline_now();

	assert_int_equal(open_session(stage, &error), 0);
	if (fork() == 0) {
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			usleep(IDLE * 1000 / 2);
			(void)!write(stage->client, commands[i], strlen(commands[i]));
		}
		_exit(0);
	}
	assert_int_equal(session_serve(&stage->session, NULL, 0), SESSION_QUIT);
	assert_in_range(deadline_now() - start, IDLE * 2, IDLE * 10);
}

static void expect_refusal(struct stage *stage, enum popgate_status status)
{
	struct popgate_error error;

	assert_int_equal(open_session(stage, &error), -1);
	assert_int_equal(error.status, status);
	session_close(&stage->session);
	assert_int_equal(script.closes, 1);
	assert_string_equal(received(stage), "");
}

static void test_drop_opened_without_its_lock_is_refused(void **state)
{
	script.locks = false;
	expect_refusal(*state, POPGATE_PERM);
}

static void test_one_id_for_two_messages_is_refused(void **state)
{
	script.ids[1] = "one";
	expect_refusal(*state, POPGATE_TEMP);
}

/* RFC 1939 section 7: 1 to 70 octets of 0x21 to 0x7e. */
static void test_ids_that_are_none_are_refused(void **state)
{
	static const char *const ids[] = {
	    "",		" ",	"a b",	    "tab\t",
	    "line\r\n", "\x7f", "\xc3\xa4", "1234567890123456789012345678901234567890123456789012345678901234567890+"};
	struct stage *stage = *state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		script.ids[0] = ids[i];
		script.closes = 0;
		expect_refusal(stage, POPGATE_TEMP);
	}
}

static void test_longest_id_is_taken(void **state)
{
	struct stage *stage = *state;
	struct popgate_error error;

	script.ids[0] = "1234567890123456789012345678901234567890123456789012345678901234567890";
	script.ids[1] = "!~";
	assert_int_equal(open_session(stage, &error), 0);
}

static void test_impossible_sizes_are_refused(void **state)
{
	script.octets = (uint64_t)1 << 63;
	expect_refusal(*state, POPGATE_TEMP);
	script.octets = INT64_MAX; /* together they are too much */
	script.closes = 0;
	expect_refusal(*state, POPGATE_TEMP);
}

static void test_more_messages_than_allowed_need_an_administrator(void **state)
{
	struct stage *stage = *state;

	stage->conf.limits.max_messages = 1;
	expect_refusal(stage, POPGATE_PERM);
}

/* Makes the session's drop one that can be kept. Returns the broker's end. */
static int make_keepable(struct stage *stage)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	stage->session.report = ends[0];
	stage->session.offers |= POPGATE_CAN_REFRESH;
	stage->conf.limits.keep_open = 60000;
	return ends[1];
}

static void end_keeping(struct stage *stage, int broker)
{
	close(broker);
	if (stage->session.report >= 0)
		close(stage->session.report);
}

static void test_a_drop_is_kept_for_a_client_that_quits(void **state)
{
	struct stage *stage = *state;
	struct popgate_error error;
	int broker;

	assert_int_equal(open_session(stage, &error), 0);
	broker = make_keepable(stage);
	send_text(stage, "QUIT\r\n");
	assert_int_equal(session_serve(&stage->session, NULL, 0), SESSION_QUIT);
	assert_true(stage->session.kept);
	assert_int_equal(script.closes, 0);
	end_keeping(stage, broker);
}

/* Whoever logs in next must not wait until the client's stall_timeout is over. */
static void test_a_drop_is_not_kept_for_a_client_that_reads_nothing(void **state)
{
	static const char junk[4096];
	struct stage *stage = *state;
	struct popgate_error error;
	char octets[64];
	int broker, status;
	pid_t pid;

	assert_int_equal(open_session(stage, &error), 0);
	broker = make_keepable(stage);
	stage->session.output.stall = IDLE;
	while (send(stage->session.in, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	send_text(stage, "QUIT\r\n");
	pid = fork();
	if (pid == 0) {
		/* what a broker sees: KEPT, and the end, before the client stalls */
		usleep(IDLE * 1000 / 3);
		close(stage->session.report);
		_exit(recv(broker, octets, sizeof(octets), 0) > 0 &&
			      recv(broker, octets, sizeof(octets), MSG_DONTWAIT) == 0
			  ? 0
			  : 1);
	}
	assert_int_equal(session_serve(&stage->session, NULL, 0), SESSION_QUIT);
	assert_true(stage->session.output.stalled);
	assert_false(stage->session.kept);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	end_keeping(stage, broker);
}

/* Whoever has read the reply may come back at once, and is not one session too many. */
static void test_the_broker_knows_of_the_end_before_the_client_does(void **state)
{
	static const char junk[4096];
	unsigned char octets[MESSAGE_MAX];
	struct stage *stage = *state;
	struct popgate_error error;
	struct message message;
	int broker, status;
	pid_t pid;

	assert_int_equal(open_session(stage, &error), 0);
	broker = make_keepable(stage);
	stage->conf.limits.keep_open = 0;
	stage->session.output.stall = IDLE;
	while (send(stage->session.in, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	send_text(stage, "QUIT\r\n");
	pid = fork();
	if (pid == 0) {
		ssize_t size;

		usleep(IDLE * 1000 / 3);
		size = recv(broker, octets, sizeof(octets), MSG_DONTWAIT);
		_exit(size > 0 && message_decode(octets, (size_t)size, &message) == 0 && message.type == MESSAGE_ENDED
			  ? 0
			  : 1);
	}
	assert_int_equal(session_serve(&stage->session, NULL, 0), SESSION_QUIT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	end_keeping(stage, broker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_input_31_idle_session_ends_without_a_word_and_removes_nothing),
	    TEST(test_input_31_octets_that_are_no_command_do_not_keep_a_session_alive),
	    TEST(test_any_command_resets_the_idle_timer),
	    TEST(test_drop_opened_without_its_lock_is_refused),
	    TEST(test_one_id_for_two_messages_is_refused),
	    TEST(test_ids_that_are_none_are_refused),
	    TEST(test_longest_id_is_taken),
	    TEST(test_impossible_sizes_are_refused),
	    TEST(test_more_messages_than_allowed_need_an_administrator),
	    TEST(test_a_drop_is_kept_for_a_client_that_quits),
	    TEST(test_a_drop_is_not_kept_for_a_client_that_reads_nothing),
	    TEST(test_the_broker_knows_of_the_end_before_the_client_does),
	};

	log_set_level(POPGATE_LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
