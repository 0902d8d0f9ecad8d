/* Tests of what is remembered of users: their last login, octets, sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "common/usage.h"

#define TODAY 20000
#define ROOM  65536 /* users that the table has room for */

static struct usage *usage;
static uint32_t broker;

static int begin(void **state)
{
	(void)state;
	usage = usage_new();
	if (usage != NULL)
		broker = usage_broker_new(usage);
	return usage == NULL ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	usage_free(&usage);
	return usage == NULL ? 0 : -1;
}

static uint64_t key_of(const char *user)
{
	return usage_key(usage, "main", user);
}

static unsigned sessions_of(const char *user)
{
	return usage_look(usage, key_of(user), TODAY).sessions;
}

static void test_of_a_stranger_nothing_is_known(void **state)
{
	struct usage_record record = usage_look(usage, key_of("ann"), TODAY);

	(void)state;
	assert_int_equal(record.last, 0);
	assert_int_equal(record.octets, 0);
	assert_int_equal(record.sessions, 0);
}

static void test_users_are_told_apart_but_not_by_case(void **state)
{
	(void)state;
	assert_int_equal(key_of("ann"), key_of("ANN"));
	assert_int_not_equal(key_of("ann"), key_of("bob"));
	assert_int_not_equal(key_of("ann"), usage_key(usage, "other", "ann"));
	assert_int_not_equal(usage_key(usage, "a", "bc"), usage_key(usage, "ab", "c"));
}

static void test_the_last_login_is_remembered(void **state)
{
	(void)state;
	usage_enter(usage, key_of("ann"), broker, 1000);
	usage_leave(usage, key_of("ann"), broker);
	usage_enter(usage, key_of("bob"), broker, 2000);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY).last, 1000);
	usage_enter(usage, key_of("ann"), broker, 3000);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY).last, 3000);
}

static void test_octets_add_up_until_the_day_is_over(void **state)
{
	(void)state;
	usage_add(usage, key_of("ann"), 100, TODAY);
	usage_add(usage, key_of("ann"), 23, TODAY);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY).octets, 123);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY + 1).octets, 0);
	usage_add(usage, key_of("ann"), 7, TODAY + 1);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY + 1).octets, 7);
	usage_add(usage, key_of("ann"), UINT64_MAX, TODAY + 1);
	assert_true(usage_look(usage, key_of("ann"), TODAY + 1).octets == UINT64_MAX);
}

static void test_sessions_are_counted(void **state)
{
	(void)state;
	usage_enter(usage, key_of("ann"), broker, 1);
	usage_enter(usage, key_of("ann"), broker, 2);
	assert_int_equal(sessions_of("ann"), 2);
	usage_leave(usage, key_of("ann"), broker);
	assert_int_equal(sessions_of("ann"), 1);
	usage_leave(usage, key_of("ann"), broker);
	usage_leave(usage, key_of("ann"), broker);
	assert_int_equal(sessions_of("ann"), 0);
	usage_leave(usage, key_of("bob"), broker);
	assert_int_equal(sessions_of("bob"), 0);
}

/* A reload: both brokers run. */
static void test_sessions_of_two_brokers_add_up(void **state)
{
	uint32_t newer = usage_broker_new(usage);

	(void)state;
	usage_enter(usage, key_of("ann"), broker, 1);
	usage_enter(usage, key_of("ann"), newer, 2);
	assert_int_equal(sessions_of("ann"), 2);
	usage_leave(usage, key_of("ann"), broker);
	assert_int_equal(sessions_of("ann"), 1);
	usage_broker_gone(usage, broker);
	assert_int_equal(sessions_of("ann"), 1);
}

static void test_a_dead_brokers_sessions_count_no_more(void **state)
{
	uint32_t next;

	(void)state;
	usage_enter(usage, key_of("ann"), broker, 1000);
	usage_broker_gone(usage, broker);
	assert_int_equal(sessions_of("ann"), 0);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY).last, 1000);
	for (int i = 0; i < 10; i++) {
		next = usage_broker_new(usage);
		assert_int_equal(sessions_of("ann"), 0);
		usage_enter(usage, key_of("ann"), next, 2000);
		assert_int_equal(sessions_of("ann"), 1);
		usage_broker_gone(usage, next);
	}
}

/* Users without sessions make room first. */
static void test_a_crowd_takes_the_place_of_nobody_who_is_logged_in(void **state)
{
	char name[32];

	(void)state;
	usage_enter(usage, key_of("ann"), broker, 1);
	for (int i = 0; i < 4 * ROOM; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		usage_enter(usage, key_of(name), broker, 1000 + i);
		usage_leave(usage, key_of(name), broker);
	}
	assert_int_equal(sessions_of("ann"), 1);
	assert_int_equal(usage_look(usage, key_of(name), TODAY).last, 1000 + 4 * ROOM - 1);
}

static void test_what_one_process_counts_the_next_one_knows(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		usage_enter(usage, key_of("ann"), broker, 1000);
		usage_add(usage, key_of("ann"), 5, TODAY);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(usage_look(usage, key_of("ann"), TODAY).octets, 5);
	assert_int_equal(sessions_of("ann"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_of_a_stranger_nothing_is_known),
	    TEST(test_users_are_told_apart_but_not_by_case),
	    TEST(test_the_last_login_is_remembered),
	    TEST(test_octets_add_up_until_the_day_is_over),
	    TEST(test_sessions_are_counted),
	    TEST(test_sessions_of_two_brokers_add_up),
	    TEST(test_a_dead_brokers_sessions_count_no_more),
	    TEST(test_a_crowd_takes_the_place_of_nobody_who_is_logged_in),
	    TEST(test_what_one_process_counts_the_next_one_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
