/* Tests of how long logins wait after refused ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "common/throttle.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define DAY    (24 * 60 * MINUTE)
#define MOST   (15 * SECOND)
#define START  (1000 * SECOND)
#define ROOM   16384 /* users that the table has room for */

static struct throttle *throttle;
static int64_t now;

static int begin(void **state)
{
	(void)state;
	now = START;
	throttle = throttle_new();
	return throttle == NULL ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	throttle_free(&throttle);
	return throttle == NULL ? 0 : -1;
}

static struct throttle_keys keys_of(const char *peer, const char *user)
{
	return throttle_identify(throttle, peer, "main", user);
}

static int64_t due(const char *peer, const char *user)
{
	struct throttle_keys keys = keys_of(peer, user);
	int64_t when = throttle_look(throttle, &keys, now).due;

	return when > now ? when - now : 0;
}

static bool is_proven(const char *peer, const char *user)
{
	struct throttle_keys keys = keys_of(peer, user);

	return throttle_look(throttle, &keys, now).proven;
}

/* A credential that comes now, and that the upstream refuses at once. Returns how long the verdict takes. */
static int64_t refuse(const char *peer, const char *user)
{
	struct throttle_keys keys = keys_of(peer, user);

	return throttle_refused(throttle, &keys, now, now, true, now, MOST) - now;
}

static void accept(const char *peer, const char *user)
{
	struct throttle_keys keys = keys_of(peer, user);

	throttle_accepted(throttle, &keys, now);
}

static void input_21_penalties_grow_up_to_the_most(void **state)
{
	static const int64_t wanted[] = {2, 4, 8, 15, 15, 15};

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(throttle_penalty(i + 1, MOST), wanted[i] * SECOND);
	assert_int_equal(throttle_penalty(1, SECOND), SECOND);
	assert_int_equal(throttle_penalty(UINT32_MAX, 30 * SECOND), 30 * SECOND);
	assert_int_equal(throttle_penalty(7, 0), 0);
}

static void input_21_verdicts_and_the_tries_after_them_wait_by_address(void **state)
{
	static const int64_t wanted[] = {2, 4, 8, 15, 15};
	char user[] = "user0";

	(void)state;
	for (int i = 0; i < 5; i++, user[4]++) {
		assert_int_equal(due("192.0.2.1", "other"), 0);
		assert_int_equal(refuse("192.0.2.1", user), wanted[i] * SECOND);
		assert_int_equal(due("192.0.2.1", "other"), wanted[i] * SECOND);
		assert_int_equal(due("192.0.2.2", "other"), 0);
		now += wanted[i] * SECOND;
	}
}

static void input_21_verdicts_and_the_tries_after_them_wait_by_user(void **state)
{
	static const int64_t wanted[] = {2, 4, 8, 15, 15};
	char peer[] = "192.0.2.0";

	(void)state;
	for (int i = 0; i < 5; i++, peer[8]++) {
		assert_int_equal(refuse(peer, i % 2 == 0 ? "ann" : "ANN"), wanted[i] * SECOND);
		assert_int_equal(due("198.51.100.1", "ann"), wanted[i] * SECOND);
		assert_int_equal(due("198.51.100.1", "bob"), 0);
		now += wanted[i] * SECOND;
	}
}

static void a_slow_upstream_counts_as_part_of_the_penalty(void **state)
{
	struct throttle_keys keys = keys_of("192.0.2.1", "ann");

	(void)state;
	assert_int_equal(throttle_refused(throttle, &keys, now - 500, now - 500, true, now, MOST), now + 1500);
	now += 100 * SECOND;
	assert_int_equal(throttle_refused(throttle, &keys, now - 9 * SECOND, now - SECOND, true, now, MOST), now);
}

/* Else all that wait for their turn would go at once. */
static void input_21_who_has_waited_makes_the_next_one_wait_as_long(void **state)
{
	struct throttle_keys keys = keys_of("192.0.2.1", "ann");

	(void)state;
	refuse("192.0.2.1", "ann");
	refuse("192.0.2.1", "ann");
	now += 4 * SECOND;
	assert_int_equal(due("192.0.2.1", "ann"), 0);
	assert_int_equal(throttle_refused(throttle, &keys, now - 6 * SECOND, now, true, now, MOST), now + 2 * SECOND);
	assert_int_equal(due("192.0.2.1", "ann"), 8 * SECOND);
}

static void the_count_is_forgotten_after_a_while(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		refuse("192.0.2.1", "ann");
	now += 9 * MINUTE;
	assert_int_equal(refuse("192.0.2.1", "ann"), 15 * SECOND);
	now += 11 * MINUTE;
	assert_int_equal(due("192.0.2.1", "ann"), 0);
	assert_int_equal(refuse("192.0.2.1", "ann"), 2 * SECOND);
}

static void input_21_a_pair_that_succeeded_does_not_wait_for_others(void **state)
{
	(void)state;
	accept("192.0.2.1", "ann");
	for (int i = 0; i < 5; i++) {
		refuse("192.0.2.1", "bob");
		refuse("203.0.113.5", "ann");
	}
	assert_true(is_proven("192.0.2.1", "Ann"));
	assert_int_equal(due("192.0.2.1", "ann"), 0);
	assert_int_equal(due("192.0.2.1", "carol"), 15 * SECOND);
	assert_int_equal(due("203.0.113.7", "ann"), 15 * SECOND);
	now += DAY;
	assert_true(is_proven("192.0.2.1", "ann"));
	now += 8 * DAY;
	assert_false(is_proven("192.0.2.1", "ann"));
}

static void input_21_its_own_wrong_passwords_count_all_the_same(void **state)
{
	static const int64_t wanted[] = {2, 4, 8, 15};

	(void)state;
	accept("192.0.2.1", "ann");
	for (int i = 0; i < 9; i++)
		refuse("192.0.2.1", "bob");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(refuse("192.0.2.1", "ann"), wanted[i] * SECOND);
		assert_int_equal(due("192.0.2.1", "ann"), wanted[i] * SECOND);
		now += wanted[i] * SECOND;
	}
	/* and a success in between takes nothing back */
	accept("192.0.2.1", "ann");
	assert_int_equal(refuse("192.0.2.1", "ann"), 15 * SECOND);
}

static void a_success_of_ones_own_does_not_clear_the_address(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		refuse("192.0.2.1", "ann");
	accept("192.0.2.1", "mallory");
	now += 20 * SECOND;
	assert_int_equal(refuse("192.0.2.1", "bob"), 15 * SECOND);
}

static void a_client_that_left_costs_the_next_try_a_first_penalty(void **state)
{
	struct throttle_keys keys = keys_of("192.0.2.1", "ann");

	(void)state;
	for (int i = 0; i < 9; i++)
		throttle_left(throttle, &keys, now, MOST);
	assert_int_equal(due("192.0.2.1", "bob"), 2 * SECOND);
	assert_int_equal(due("192.0.2.9", "ann"), 2 * SECOND);
	now += 2 * SECOND;
	assert_int_equal(refuse("192.0.2.1", "ann"), 2 * SECOND);
}

static void input_22_what_no_upstream_was_asked_for_takes_as_long(void **state)
{
	struct throttle_keys known = keys_of("192.0.2.1", "ann"), unknown = keys_of("192.0.2.2", "nobody");

	(void)state;
	assert_int_equal(throttle_refused(throttle, &unknown, now, 0, false, now, MOST), now + 2 * SECOND);
	now += 11 * MINUTE;
	for (int i = 0; i < 16; i++)
		throttle_refused(throttle, &known, now, now, true, now + 3 * SECOND, MOST);
	assert_int_equal(throttle_refused(throttle, &unknown, now, 0, false, now, MOST), now + 3 * SECOND);
	/* the work that it was here is no work upstream, but takes its own part of that time */
	now += 11 * MINUTE;
	for (int i = 0; i < 100; i++, now += 11 * MINUTE)
		assert_int_equal(throttle_refused(throttle, &unknown, now, now, false, now + SECOND, MOST),
				 now + 3 * SECOND);
	assert_int_equal(throttle_refused(throttle, &unknown, now, now, false, now + 5 * SECOND, MOST),
			 now + 5 * SECOND);
}

static void networks(void **state)
{
	(void)state;
	assert_true(keys_of("192.0.2.1", "a").address != keys_of("192.0.2.2", "a").address);
	assert_true(keys_of("2001:db8:1::1", "a").address == keys_of("2001:db8:1:ffff:9::2", "a").address);
	assert_true(keys_of("2001:db8:1::1", "a").address != keys_of("2001:db8:2::1", "a").address);
	assert_true(keys_of("fe80::1%eth0", "a").address == keys_of("fe80::2", "a").address);
	assert_int_equal(keys_of("127.0.0.1", "a").address, 0);
	assert_int_equal(keys_of("::1", "a").address, 0);
	assert_true(keys_of("127.0.0.2", "a").address != 0);
	assert_true(keys_of("unknown", "a").address != 0);
	assert_true(keys_of("127.0.0.1", "a").pair != keys_of("192.0.2.1", "a").pair);
}

/* Of this machine only the user counts. */
static void this_machine_waits_for_the_user_alone(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		refuse("127.0.0.1", "ann");
	assert_int_equal(due("127.0.0.1", "ann"), 15 * SECOND);
	assert_int_equal(due("127.0.0.1", "bob"), 0);
}

/* As a proxy tells them, they are addresses like any other. */
static void told_addresses_count(void **state)
{
	struct throttle_keys four = throttle_identify_told(throttle, "127.0.0.1", "main", "ann"),
			     six = throttle_identify_told(throttle, "::1", "main", "ann");

	(void)state;
	assert_true(four.address != 0 && six.address != 0 && four.address != six.address);
	assert_true(four.user == keys_of("127.0.0.1", "ann").user && four.pair == keys_of("127.0.0.1", "ann").pair);
	assert_true(throttle_identify_told(throttle, "192.0.2.1", "main", "ann").address ==
		    keys_of("192.0.2.1", "ann").address);
}

static void one_mailbox_is_one_user_and_others_are_others(void **state)
{
	struct throttle_keys a = throttle_identify(throttle, "192.0.2.1", "main", "ann"),
			     b = throttle_identify(throttle, "192.0.2.1", "other", "ann"),
			     c = throttle_identify(throttle, "192.0.2.1", "mai", "nann");

	(void)state;
	assert_true(a.user != b.user);
	assert_true(a.user != c.user);
}

/* Nobody can tell beforehand whose entries are neighbours. */
static void keys_are_seeded(void **state)
{
	struct throttle *other = throttle_new();
	struct throttle_keys one = keys_of("192.0.2.1", "ann"), two;

	(void)state;
	assert_non_null(other);
	two = throttle_identify(other, "192.0.2.1", "main", "ann");
	assert_true(one.address != two.address && one.user != two.user && one.pair != two.pair);
	throttle_free(&other);
}

/* Whoever makes up a crowd of names or addresses does not get one forgotten. */
static void input_21_a_crowd_does_not_wash_out_what_was_counted(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 6; i++)
		refuse("192.0.2.1", "ann");
	for (int i = 0; i < 4 * ROOM; i++) {
		snprintf(name, sizeof(name), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		refuse(name, name);
	}
	assert_int_equal(due("192.0.2.1", "bob"), 15 * SECOND);
	assert_int_equal(due("192.0.2.2", "ann"), 15 * SECOND);
}

/* In a table that is full of them, nobody begins at the beginning. */
static void input_21_a_crowd_is_no_place_to_hide(void **state)
{
	char name[32];
	unsigned waited = 0;

	(void)state;
	for (int i = 0; i < 8 * ROOM; i++) {
		snprintf(name, sizeof(name), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		refuse(name, name);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "172.16.0.%d", i);
		waited += refuse(name, name) >= 8 * SECOND;
	}
	assert_int_equal(waited, 100);
	now += 11 * MINUTE;
	assert_int_equal(refuse("172.17.0.1", "ann"), 2 * SECOND);
}

/* One who has an account, and as many addresses as he likes, forgets nobody else's success but in his own corner. */
static void an_account_does_not_wash_out_others_successes(void **state)
{
	char name[32];
	unsigned left = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		accept("192.0.2.1", name);
	}
	now += SECOND;
	for (int i = 0; i < ROOM; i++) {
		snprintf(name, sizeof(name), "10.0.%d.%d", i >> 8, i & 255);
		accept(name, "mallory");
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		left += is_proven("192.0.2.1", name);
	}
	assert_in_range(left, 980, 1000);
}

/* A broker's death, or a reload, forgets nothing. */
static void processes_share_it(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		for (int i = 0; i < 4; i++)
			refuse("192.0.2.1", "ann");
		accept("192.0.2.3", "carol");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(due("192.0.2.1", "bob"), 15 * SECOND);
	assert_true(is_proven("192.0.2.3", "carol"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(input_21_penalties_grow_up_to_the_most, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_verdicts_and_the_tries_after_them_wait_by_address, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_verdicts_and_the_tries_after_them_wait_by_user, begin, end),
	    cmocka_unit_test_setup_teardown(a_slow_upstream_counts_as_part_of_the_penalty, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_who_has_waited_makes_the_next_one_wait_as_long, begin, end),
	    cmocka_unit_test_setup_teardown(the_count_is_forgotten_after_a_while, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_a_pair_that_succeeded_does_not_wait_for_others, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_its_own_wrong_passwords_count_all_the_same, begin, end),
	    cmocka_unit_test_setup_teardown(a_success_of_ones_own_does_not_clear_the_address, begin, end),
	    cmocka_unit_test_setup_teardown(a_client_that_left_costs_the_next_try_a_first_penalty, begin, end),
	    cmocka_unit_test_setup_teardown(input_22_what_no_upstream_was_asked_for_takes_as_long, begin, end),
	    cmocka_unit_test_setup_teardown(networks, begin, end),
	    cmocka_unit_test_setup_teardown(this_machine_waits_for_the_user_alone, begin, end),
	    cmocka_unit_test_setup_teardown(told_addresses_count, begin, end),
	    cmocka_unit_test_setup_teardown(one_mailbox_is_one_user_and_others_are_others, begin, end),
	    cmocka_unit_test_setup_teardown(keys_are_seeded, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_a_crowd_does_not_wash_out_what_was_counted, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_a_crowd_is_no_place_to_hide, begin, end),
	    cmocka_unit_test_setup_teardown(an_account_does_not_wash_out_others_successes, begin, end),
	    cmocka_unit_test_setup_teardown(processes_share_it, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
