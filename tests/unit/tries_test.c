/* Tests of how many credentials go upstream at once, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/tries.h"

#define SECOND INT64_C(1000)

static struct tries tries;
static int64_t now;

static int begin(void **state)
{
	(void)state;
	memset(&tries, 0, sizeof(tries));
	now = 1000 * SECOND;
	tries.most = 15 * SECOND;
	tries.throttle = throttle_new();
	return tries.throttle == NULL ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	throttle_free(&tries.throttle);
	return 0;
}

static struct tries_one one_of(const char *peer, const char *user)
{
	struct tries_one one;

	tries_begin(&tries, &one, peer, false, "main", user, now);
	return one;
}

/* How many of `most` tries may go now. */
static unsigned going(struct tries_one *ones, unsigned most, const char *peer, const char *user)
{
	unsigned count = 0;
	char name[32];

	for (unsigned i = 0; i < most; i++) {
		if (user == NULL)
			snprintf(name, sizeof(name), "user%u", i);
		ones[count] = one_of(peer, user != NULL ? user : name);
		count += tries_ask(&tries, &ones[count], now) == 0;
	}
	return count;
}

static void end_all(struct tries_one *ones, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tries_end(&tries, &ones[i]);
}

static void refuse_one(const char *peer, const char *user)
{
	struct tries_one one = one_of(peer, user);

	assert_int_equal(tries_ask(&tries, &one, now), 0);
	now = tries_refused(&tries, &one, now);
}

static void input_21_tries_of_an_address_are_capped(void **state)
{
	struct tries_one ones[100], late;

	(void)state;
	assert_int_equal(going(ones, 100, "192.0.2.1", NULL), 16);
	late = one_of("192.0.2.1", "late");
	assert_in_range(tries_ask(&tries, &late, now), now + 1, now + SECOND);
	tries_end(&tries, &ones[3]);
	assert_int_equal(tries_ask(&tries, &late, now), 0);
	tries_end(&tries, &late);
	tries_end(&tries, &late); /* counted once only */
	end_all(ones, 16);
	refuse_one("192.0.2.1", "bad");
	assert_int_equal(going(ones, 100, "192.0.2.1", NULL), 4);
}

static void input_21_tries_of_a_user_are_capped(void **state)
{
	struct tries_one ones[100];

	(void)state;
	assert_int_equal(going(ones, 100, "127.0.0.1", "ann"), 4);
	assert_int_equal(going(ones + 4, 10, "192.0.2.1", "ann"), 0);
	end_all(ones, 4);
	refuse_one("127.0.0.1", "ann");
	assert_int_equal(going(ones, 100, "127.0.0.1", "ann"), 2);
	assert_int_equal(going(ones + 2, 10, "127.0.0.1", "bob"), 4);
}

static void input_21_few_of_one_user_wait_at_one_address(void **state)
{
	struct tries_one ones[3];

	(void)state;
	refuse_one("192.0.2.1", "ann");
	now -= SECOND;
	for (int i = 0; i < 3; i++) {
		ones[i] = one_of("192.0.2.1", "ann");
		assert_int_equal(tries_ask(&tries, &ones[i], now), i < 2 ? now + SECOND : -1);
	}
	assert_int_equal(tries_ask(&tries, &ones[1], now), now + SECOND); /* it waits already */
	tries_end(&tries, &ones[0]);
	assert_int_equal(tries_ask(&tries, &ones[2], now), now + SECOND);
	now += SECOND;
	assert_int_equal(tries_ask(&tries, &ones[1], now), 0);
	ones[0] = one_of("192.0.2.2", "ann");
	assert_int_equal(tries_ask(&tries, &ones[0], now), 0);
}

static void input_21_a_pair_that_succeeded_has_room_of_its_own(void **state)
{
	struct tries_one ones[100], ann = one_of("192.0.2.1", "ann");

	(void)state;
	assert_int_equal(tries_ask(&tries, &ann, now), 0);
	tries_accepted(&tries, &ann, now);
	assert_int_equal(going(ones, 100, "192.0.2.1", NULL), 16);
	assert_int_equal(going(ones + 16, 10, "192.0.2.9", "ann"), 4);
	assert_int_equal(going(ones + 20, 10, "192.0.2.1", "ann"), 2);
}

static void input_21_no_try_goes_before_the_verdict_of_the_last(void **state)
{
	struct tries_one one = one_of("192.0.2.1", "ann"), next = one_of("192.0.2.1", "bob");
	int64_t verdict;

	(void)state;
	assert_int_equal(tries_ask(&tries, &one, now), 0);
	one.sent = now;
	verdict = tries_refused(&tries, &one, now + 100);
	assert_int_equal(verdict, now + 2 * SECOND);
	assert_int_equal(tries_ask(&tries, &next, now + 100), verdict);
	assert_int_equal(tries_ask(&tries, &next, verdict), 0);
}

static void a_try_that_was_left_is_counted_until_it_ends(void **state)
{
	struct tries_one ones[4];

	(void)state;
	assert_int_equal(going(ones, 4, "127.0.0.1", "ann"), 4);
	for (int i = 0; i < 4; i++)
		tries_left(&tries, &ones[i]);
	now += 2 * SECOND;
	assert_int_equal(going(ones, 4, "127.0.0.1", "ann"), 0);
}

static void nothing_is_held_back_where_it_is_turned_off(void **state)
{
	struct tries_one ones[100];

	(void)state;
	tries.most = 0;
	assert_int_equal(going(ones, 100, "192.0.2.1", "ann"), 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(tries_refused(&tries, &ones[i], now), now);
	tries_left(&tries, &ones[0]);
	tries_accepted(&tries, &ones[0], now);
	assert_int_equal(going(ones, 100, "192.0.2.1", "ann"), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(input_21_tries_of_an_address_are_capped, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_tries_of_a_user_are_capped, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_few_of_one_user_wait_at_one_address, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_a_pair_that_succeeded_has_room_of_its_own, begin, end),
	    cmocka_unit_test_setup_teardown(input_21_no_try_goes_before_the_verdict_of_the_last, begin, end),
	    cmocka_unit_test_setup_teardown(a_try_that_was_left_is_counted_until_it_ends, begin, end),
	    cmocka_unit_test_setup_teardown(nothing_is_held_back_where_it_is_turned_off, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
