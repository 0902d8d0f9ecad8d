/* Tests of a maildrop's snapshot: what a backend may list, and what is marked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "session/maildrop.h"

static enum maildrop_fault add(struct maildrop *maildrop, const char *id, uint64_t octets)
{
	const struct popgate_message message = {.uidl = id, .octets = octets};

	return maildrop_add(maildrop, &message, 1000000);
}

static void numbers_sizes_and_ids(void **state)
{
	struct maildrop maildrop = {0};
	char id[32];

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		snprintf(id, sizeof(id), "id.%u", i);
		assert_int_equal(add(&maildrop, id, i), MAILDROP_FINE);
	}
	assert_int_equal(maildrop_check(&maildrop), MAILDROP_FINE);
	assert_int_equal(maildrop.count, 1000);
	assert_int_equal(maildrop.octets, 500500);
	for (unsigned i = 1; i <= 1000; i++) {
		struct maildrop_entry *entry = maildrop_find(&maildrop, i);

		assert_non_null(entry);
		snprintf(id, sizeof(id), "id.%u", i);
		assert_int_equal(entry->octets, i);
		assert_string_equal(maildrop_id(&maildrop, entry), id);
	}
	assert_null(maildrop_find(&maildrop, 0));
	assert_null(maildrop_find(&maildrop, 1001));
	assert_null(maildrop_find(&maildrop, UINT64_MAX));
	maildrop_clear(&maildrop);
	assert_int_equal(maildrop.count, 0);
	assert_null(maildrop_find(&maildrop, 1));
}

static void an_empty_maildrop(void **state)
{
	struct maildrop maildrop = {0};

	(void)state;
	assert_int_equal(maildrop_check(&maildrop), MAILDROP_FINE);
	assert_null(maildrop_find(&maildrop, 1));
	maildrop_restore(&maildrop);
	maildrop_clear(&maildrop);
}

static void input_71_which_ids_are_fit(void **state)
{
	struct maildrop maildrop = {0};
	char id[80];

	(void)state;
	assert_int_equal(add(&maildrop, NULL, 1), MAILDROP_BAD_ID);
	assert_int_equal(add(&maildrop, "", 1), MAILDROP_BAD_ID);
	memset(id, 'x', sizeof(id));
	id[71] = '\0';
	assert_int_equal(add(&maildrop, id, 1), MAILDROP_BAD_ID);
	id[70] = '\0';
	assert_int_equal(add(&maildrop, id, 1), MAILDROP_FINE);
	for (int i = 1; i < 256; i++) {
		char octets[4] = {'a', (char)i, 'b', '\0'};

		assert_int_equal(add(&maildrop, octets, 1), i >= 0x21 && i <= 0x7e ? MAILDROP_FINE : MAILDROP_BAD_ID);
	}
	assert_int_equal(maildrop.count, 1 + 0x7e - 0x20);
	assert_int_equal(maildrop.octets, maildrop.count);
	maildrop_clear(&maildrop);
}

static void input_71_which_sizes_are_possible(void **state)
{
	struct maildrop maildrop = {0};

	(void)state;
	assert_int_equal(add(&maildrop, "a", UINT64_C(1) << 63), MAILDROP_BAD_SIZE);
	assert_int_equal(add(&maildrop, "a", UINT64_MAX), MAILDROP_BAD_SIZE);
	assert_int_equal(add(&maildrop, "a", INT64_MAX - 1), MAILDROP_FINE);
	assert_int_equal(add(&maildrop, "b", 2), MAILDROP_BAD_SIZE);
	assert_int_equal(add(&maildrop, "b", 1), MAILDROP_FINE);
	assert_int_equal(add(&maildrop, "c", 1), MAILDROP_BAD_SIZE);
	assert_int_equal(add(&maildrop, "c", 0), MAILDROP_FINE);
	assert_int_equal(maildrop.count, 3);
	assert_true(maildrop.octets == INT64_MAX);
	maildrop_clear(&maildrop);
}

static void input_71_how_many_there_may_be(void **state)
{
	struct maildrop maildrop = {0};
	const struct popgate_message message = {.uidl = "a", .octets = 1};

	(void)state;
	assert_int_equal(maildrop_add(&maildrop, &message, 0), MAILDROP_TOO_MANY);
	assert_int_equal(maildrop_add(&maildrop, &message, 1), MAILDROP_FINE);
	assert_int_equal(maildrop_add(&maildrop, &message, 1), MAILDROP_TOO_MANY);
	assert_int_equal(maildrop.count, 1);
	maildrop_clear(&maildrop);
}

static void input_71_double_ids(void **state)
{
	static const unsigned counts[] = {2, 8, 9, 16, 17, 100, 5000};
	char id[32];

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct maildrop maildrop = {0};

		for (unsigned n = 0; n < counts[i]; n++) {
			snprintf(id, sizeof(id), "1.%u", n);
			assert_int_equal(add(&maildrop, id, 1), MAILDROP_FINE);
		}
		assert_int_equal(maildrop_check(&maildrop), MAILDROP_FINE);
		assert_int_equal(add(&maildrop, "1.", 1), MAILDROP_FINE); /* a beginning is another id */
		assert_int_equal(maildrop_check(&maildrop), MAILDROP_FINE);
		snprintf(id, sizeof(id), "1.%u", counts[i] / 2);
		assert_int_equal(add(&maildrop, id, 1), MAILDROP_FINE);
		assert_int_equal(maildrop_check(&maildrop), MAILDROP_DOUBLE_ID);
		maildrop_clear(&maildrop);
	}
}

/* Ids differ by case. */
static void ids_are_not_folded(void **state)
{
	struct maildrop maildrop = {0};

	(void)state;
	assert_int_equal(add(&maildrop, "a", 1), MAILDROP_FINE);
	assert_int_equal(add(&maildrop, "A", 1), MAILDROP_FINE);
	assert_int_equal(maildrop_check(&maildrop), MAILDROP_FINE);
	maildrop_clear(&maildrop);
}

static void marks(void **state)
{
	struct maildrop maildrop = {0};

	(void)state;
	add(&maildrop, "a", 1);
	add(&maildrop, "b", 10);
	add(&maildrop, "c", 100);
	maildrop_delete(&maildrop, maildrop_find(&maildrop, 2));
	assert_null(maildrop_find(&maildrop, 2));
	assert_int_equal(maildrop.octets, 101);
	assert_int_equal(maildrop.deleted, 1);
	assert_int_equal(maildrop.count, 3);
	/* The other numbers stay what they were. */
	assert_string_equal(maildrop_id(&maildrop, maildrop_find(&maildrop, 3)), "c");
	maildrop_delete(&maildrop, maildrop_find(&maildrop, 1));
	maildrop_delete(&maildrop, maildrop_find(&maildrop, 3));
	assert_int_equal(maildrop.octets, 0);
	assert_int_equal(maildrop.deleted, 3);
	maildrop_restore(&maildrop);
	assert_int_equal(maildrop.octets, 111);
	assert_int_equal(maildrop.deleted, 0);
	for (uint64_t i = 1; i <= 3; i++)
		assert_non_null(maildrop_find(&maildrop, i));
	maildrop_restore(&maildrop);
	assert_int_equal(maildrop.octets, 111);
	maildrop_clear(&maildrop);
}

static void faults_have_words(void **state)
{
	(void)state;
	for (int i = MAILDROP_FINE; i <= MAILDROP_NO_MEMORY; i++)
		assert_true(strlen(maildrop_fault_text((enum maildrop_fault)i)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_sizes_and_ids),
	    cmocka_unit_test(an_empty_maildrop),
	    cmocka_unit_test(input_71_which_ids_are_fit),
	    cmocka_unit_test(input_71_which_sizes_are_possible),
	    cmocka_unit_test(input_71_how_many_there_may_be),
	    cmocka_unit_test(input_71_double_ids),
	    cmocka_unit_test(ids_are_not_folded),
	    cmocka_unit_test(marks),
	    cmocka_unit_test(faults_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
