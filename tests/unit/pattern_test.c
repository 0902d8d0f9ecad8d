/* Tests of the pattern: which clients read message after message, and what comes next for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "session/pattern.h"

#define HEADER	0
#define NOTHING (-2)

static struct maildrop maildrop;
static struct pattern pattern;

static int enter(void **state)
{
	(void)state;
	pattern = (struct pattern){0};
	for (unsigned i = 1; i <= 20; i++) {
		char id[16];
		const struct popgate_message message = {.uidl = id, .octets = 100};

		snprintf(id, sizeof(id), "id.%u", i);
		assert_int_equal(maildrop_add(&maildrop, &message, 100), MAILDROP_FINE);
	}
	return 0;
}

static int leave(void **state)
{
	(void)state;
	maildrop_clear(&maildrop);
	return 0;
}

static void mark(uint64_t number)
{
	maildrop_delete(&maildrop, maildrop_find(&maildrop, number));
}

/* By its number, as clients count. Returns what is expected to come next. */
static int64_t reads(uint64_t number, int64_t lines)
{
	int64_t next = 0;

	return pattern_note(&pattern, &maildrop, (size_t)number - 1, lines, false, &next) ? next : NOTHING;
}

static void two_in_a_row_are_a_pattern(void **state)
{
	(void)state;
	assert_int_equal(reads(1, POPGATE_WHOLE), NOTHING);
	assert_int_equal(reads(2, POPGATE_WHOLE), POPGATE_WHOLE);
	assert_int_equal(reads(3, POPGATE_WHOLE), POPGATE_WHOLE);
	assert_int_equal(reads(7, POPGATE_WHOLE), NOTHING);
	assert_int_equal(reads(8, POPGATE_WHOLE), POPGATE_WHOLE);
	assert_int_equal(reads(7, POPGATE_WHOLE), NOTHING);
	assert_int_equal(reads(7, POPGATE_WHOLE), NOTHING);
}

static void the_last_and_the_first_are_no_pattern(void **state)
{
	(void)state;
	assert_int_equal(reads(20, POPGATE_WHOLE), NOTHING);
	assert_int_equal(reads(1, POPGATE_WHOLE), NOTHING);
}

static void a_command_that_waits_is_a_pattern(void **state)
{
	int64_t next = 0;

	(void)state;
	assert_true(pattern_note(&pattern, &maildrop, 4, POPGATE_WHOLE, true, &next));
	assert_int_equal(next, POPGATE_WHOLE);
}

static void what_is_marked_is_passed_over(void **state)
{
	(void)state;
	mark(2);
	mark(3);
	assert_int_equal(reads(1, POPGATE_WHOLE), NOTHING);
	assert_int_equal(reads(4, POPGATE_WHOLE), POPGATE_WHOLE);
	/* as clients empty a mailbox */
	mark(4);
	assert_int_equal(reads(5, POPGATE_WHOLE), POPGATE_WHOLE);
}

static void tops_of_one_kind_are_a_pattern(void **state)
{
	(void)state;
	assert_int_equal(reads(1, HEADER), NOTHING);
	assert_int_equal(reads(2, HEADER), HEADER);
	assert_int_equal(reads(3, 10), NOTHING);
	assert_int_equal(reads(4, 10), 10);
}

static void a_look_before_each_message_breaks_nothing(void **state)
{
	(void)state;
	assert_int_equal(reads(1, HEADER), NOTHING);
	assert_int_equal(reads(1, POPGATE_WHOLE), NOTHING);
	assert_int_equal(reads(2, HEADER), HEADER);
	assert_int_equal(reads(2, POPGATE_WHOLE), POPGATE_WHOLE);
	/* the whole serves the look too */
	assert_int_equal(reads(3, HEADER), POPGATE_WHOLE);
	assert_int_equal(reads(3, POPGATE_WHOLE), POPGATE_WHOLE);
	assert_int_equal(reads(4, 10), POPGATE_WHOLE);
}

static void the_next_are_those_not_marked(void **state)
{
	size_t found[PATTERN_NEXT];

	(void)state;
	mark(18);
	mark(20);
	assert_int_equal(pattern_skip(&maildrop, 17), 18);
	assert_int_equal(pattern_skip(&maildrop, 19), 20);
	assert_int_equal(pattern_list(&maildrop, 16, found), 2);
	assert_int_equal(found[0], 16);
	assert_int_equal(found[1], 18);
	assert_int_equal(pattern_list(&maildrop, 19, found), 0);
	assert_int_equal(pattern_list(&maildrop, 20, found), 0);
	assert_int_equal(pattern_list(&maildrop, 0, found), 18);
}

static void no_more_are_told_than_there_is_room_for(void **state)
{
	static size_t found[PATTERN_NEXT];

	(void)state;
	for (unsigned i = 21; i <= PATTERN_NEXT + 50; i++) {
		char id[16];
		const struct popgate_message message = {.uidl = id, .octets = 100};

		snprintf(id, sizeof(id), "id.%u", i);
		assert_int_equal(maildrop_add(&maildrop, &message, 100000), MAILDROP_FINE);
	}
	assert_int_equal(pattern_list(&maildrop, 0, found), PATTERN_NEXT);
	assert_int_equal(found[PATTERN_NEXT - 1], PATTERN_NEXT - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(two_in_a_row_are_a_pattern),	     TEST(the_last_and_the_first_are_no_pattern),
	    TEST(a_command_that_waits_is_a_pattern), TEST(what_is_marked_is_passed_over),
	    TEST(tops_of_one_kind_are_a_pattern),    TEST(a_look_before_each_message_breaks_nothing),
	    TEST(the_next_are_those_not_marked),     TEST(no_more_are_told_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
