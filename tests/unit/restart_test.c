/* Tests of the pauses before a process that died is started again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/deadline.h"
#include "supervisor/deaths.h"
#include "supervisor/restart.h"

static void one_that_lived_comes_back_at_once(void **state)
{
	struct restart restart = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(restart_pause(&restart, 1000, true, RESTART_MOST), 0);
		assert_true(restart_is_told(&restart));
	}
	assert_false(restart_is_failing(&restart));
}

static void first_ones_come_back_within_a_second(void **state)
{
	struct restart restart = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_in_range(restart_pause(&restart, 10, i % 2 == 0, RESTART_MOST), 1, 999);
		assert_true(restart_is_told(&restart));
		assert_false(restart_is_failing(&restart));
	}
}

static void pauses_grow_and_lines_grow_rare(void **state)
{
	static const int pauses[] = {500, 500, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
	struct restart restart = {0};
	int told = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(restart_pause(&restart, 10, false, RESTART_MOST), pauses[i]);
		assert_int_equal(restart_is_failing(&restart), i >= 3);
	}
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(restart_pause(&restart, 10, true, RESTART_MOST), RESTART_MOST);
		told += restart_is_told(&restart);
	}
	assert_in_range(told, 5, 20);
}

static void fork_that_fails_is_tried_again_soon_however_often(void **state)
{
	struct generation_process process = {.role = PROCESS_FRONT};

	(void)state;
	for (int i = 0; i < 100; i++) {
		deaths_no_fork(&process);
		assert_in_range(deadline_left(process.restart), 0, RESTART_SOON);
	}
	assert_int_equal(process.restarts.failures, 0);
}

static void one_that_was_never_ready_fails_however_long_it_took(void **state)
{
	struct restart restart = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)restart_pause(&restart, 100000, false, RESTART_MOST);
	assert_true(restart_is_failing(&restart));
	assert_int_equal(restart_pause(&restart, 100000, false, RESTART_MOST), RESTART_MOST);
}

static void pause_has_its_bound(void **state)
{
	struct restart restart = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_in_range(restart_pause(&restart, 0, true, RESTART_SOON), 1, RESTART_SOON);
}

static void long_life_makes_good(void **state)
{
	struct restart restart = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)restart_pause(&restart, 0, true, RESTART_MOST);
	assert_int_equal(restart_pause(&restart, 2000, true, RESTART_MOST), 0); /* which is not long */
	assert_int_equal(restart_pause(&restart, 0, true, RESTART_MOST), RESTART_MOST);
	assert_int_equal(restart_pause(&restart, 60000, true, RESTART_MOST), 0);
	assert_false(restart_is_failing(&restart));
	assert_int_equal(restart_pause(&restart, 0, true, RESTART_MOST), 500);
}

/* The pause after many deaths in a row, none of which it lived to a second. */
static int64_t pause_of(enum process_role role, bool came_up)
{
	struct generation_process process = {.role = role, .came_up = came_up};

	for (int i = 0; i < 20; i++) {
		process.started = deadline_now();
		deaths_take(&process, 0);
	}
	return process.restart - process.started;
}

static void those_that_others_knock_at_are_back_within_a_second(void **state)
{
	static const enum process_role roles[] = {PROCESS_FRONT, PROCESS_BROKER, PROCESS_SPAWNER};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(pause_of(roles[i], true) < RESTART_MOST);
		assert_true(pause_of(roles[i], false) >= RESTART_MOST);
	}
	assert_true(pause_of(PROCESS_AGENT, true) >= RESTART_MOST);
	assert_true(pause_of(PROCESS_HELPER, true) >= RESTART_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_lived_comes_back_at_once),
	    cmocka_unit_test(first_ones_come_back_within_a_second),
	    cmocka_unit_test(pauses_grow_and_lines_grow_rare),
	    cmocka_unit_test(fork_that_fails_is_tried_again_soon_however_often),
	    cmocka_unit_test(one_that_was_never_ready_fails_however_long_it_took),
	    cmocka_unit_test(pause_has_its_bound),
	    cmocka_unit_test(long_life_makes_good),
	    cmocka_unit_test(those_that_others_knock_at_are_back_within_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
