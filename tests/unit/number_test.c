/* Tests of the parser of decimal numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/number.h"

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t most;
		int result;
		uint64_t value;
	} cases[] = {
	    {"0", 0, 0, 0},
	    {"0", 9, 0, 0},
	    {"00000000000000000000000000007", 9, 0, 7},
	    {"1", 0, -1, 0},
	    {"9", 0, -1, 0},
	    {"9", 8, -1, 0},
	    {"9", 9, 0, 9},
	    {"5", 3, -1, 0},
	    {"10", 9, -1, 0},
	    {"4294967295", UINT32_MAX, 0, UINT32_MAX},
	    {"4294967296", UINT32_MAX, -1, 0},
	    {"9223372036854775807", INT64_MAX, 0, INT64_MAX},
	    {"9223372036854775808", INT64_MAX, -1, 0},
	    {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, -1, 0},
	    {"18446744073709551625", UINT64_MAX, -1, 0},
	    {"99999999999999999999999999999999", UINT64_MAX, -1, 0},
	    {"", 9, -1, 0},
	    {"-1", UINT64_MAX, -1, 0},
	    {"+1", UINT64_MAX, -1, 0},
	    {" 1", UINT64_MAX, -1, 0},
	    {"1 ", UINT64_MAX, -1, 0},
	    {"0x1", UINT64_MAX, -1, 0},
	    {"1e3", UINT64_MAX, -1, 0},
	    {"/", UINT64_MAX, -1, 0},
	    {":", UINT64_MAX, -1, 0},
	    {"\xb1", UINT64_MAX, -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 77;

		if (number_parse(cases[i].text, strlen(cases[i].text), cases[i].most, &value) != cases[i].result)
			fail_msg("\"%s\" with at most %llu", cases[i].text, (unsigned long long)cases[i].most);
		assert_true(value == (cases[i].result == 0 ? cases[i].value : 77));
	}
}

/* Every number of three digits against every bound near it. */
static void the_bound_is_exact(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 300; number++) {
		char text[8];
		size_t size = (size_t)snprintf(text, sizeof(text), "%u", number);

		for (unsigned most = 0; most < 300; most++) {
			uint64_t value = 0;

			assert_int_equal(number_parse(text, size, most, &value), number <= most ? 0 : -1);
			if (number <= most)
				assert_int_equal(value, number);
		}
	}
}

static void only_the_given_octets_are_read(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(number_parse("123", 2, 1000, &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(number_parse("1\0", 2, 1000, &value), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(the_bound_is_exact),
	    cmocka_unit_test(only_the_given_octets_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
