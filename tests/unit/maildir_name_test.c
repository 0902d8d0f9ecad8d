/* File names of messages: base name, delivery time, sizes that can be true, flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/maildir/name.h"

static void takes_names_apart(void **state)
{
	static const struct {
		const char *name;
		size_t base;
		uint64_t time, octets;
		bool seen;
	} names[] = {
	    {"1700000000.M1P2.host", 20, 1700000000, NAME_UNKNOWN, false},
	    {"1700000000.M1P2.host:2,", 20, 1700000000, NAME_UNKNOWN, false},
	    {"1700000000.M1P2.host:2,FS", 20, 1700000000, NAME_UNKNOWN, true},
	    {"1700000000.M1P2.host:1,S", 20, 1700000000, NAME_UNKNOWN, false},
	    {"mail-12:30:01", 13, 0, NAME_UNKNOWN, false},
	    {"mail-12:30:01:2,S", 13, 0, NAME_UNKNOWN, true},
	    {"mail-12:2", 9, 0, NAME_UNKNOWN, false},
	    {"mail:", 5, 0, NAME_UNKNOWN, false},
	    {"mail:3,S:1,:2,S", 8, 0, NAME_UNKNOWN, false},
	    {"1.host,S=100,W=104:2,S", 18, 1, 104, true},
	    {"1.host,W=104,S=100", 18, 1, 104, false},
	    {"1.host,W=104,X=1", 16, 1, 104, false},
	    {"1.host,S=100:2,W=7", 12, 1, NAME_UNKNOWN, false},
	    {"host", 4, 0, NAME_UNKNOWN, false},
	    {"99999999999999999999.host", 25, 0, NAME_UNKNOWN, false},
	    {"a,W=9223372036854775807", 23, 0, INT64_MAX, false},
	    {"a,W=9223372036854775808", 23, 0, NAME_UNKNOWN, false},
	    {"a,W=", 4, 0, NAME_UNKNOWN, false},
	    {"a,W=1x", 6, 0, NAME_UNKNOWN, false},
	    {"a,W", 3, 0, NAME_UNKNOWN, false},
	    {"a,", 2, 0, NAME_UNKNOWN, false},
	    {"a,,W=5", 6, 0, 5, false},
	    {",W=5", 4, 0, 5, false},
	    {":2,S", 0, 0, NAME_UNKNOWN, true},
	    {"", 0, 0, NAME_UNKNOWN, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct name name;

		name_parse(names[i].name, strlen(names[i].name), &name);
		assert_int_equal(name.base, names[i].base);
		assert_int_equal(name.time, names[i].time);
		assert_int_equal(name.octets, names[i].octets);
		assert_int_equal(name.seen, names[i].seen);
	}
}

static void believes_what_can_be_true(void **state)
{
	(void)state;
	assert_int_equal(name_believe(100, NAME_UNKNOWN), 100);
	assert_int_equal(name_believe(100, 100), 100);
	assert_int_equal(name_believe(99, 100), NAME_UNKNOWN);
	assert_int_equal(name_believe(202, 100), 202);
	assert_int_equal(name_believe(203, 100), NAME_UNKNOWN);
	assert_int_equal(name_believe(0, 0), 0);
	assert_int_equal(name_believe((uint64_t)INT64_MAX + 1, NAME_UNKNOWN), NAME_UNKNOWN);
	assert_int_equal(name_believe(INT64_MAX, INT64_MAX), INT64_MAX);
}

static void adds_a_flag_in_its_place(void **state)
{
	static const char *const pairs[][2] = {
	    {"1.host", "1.host:2,T"},	     {"1.host:2,", "1.host:2,T"},     {"1.host:2,S", "1.host:2,ST"},
	    {"1.host:2,SZ", "1.host:2,STZ"}, {"1.host:2,Fa", "1.host:2,FTa"}, {"1.host:2,ST", "1.host:2,ST"},
	    {"1.T,S=1:2,D", "1.T,S=1:2,DT"}, {"1.host:1,x", "1.host:2,T"},    {"1-12:30", "1-12:30:2,T"},
	};
	char name[NAME_ROOM], longest[NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(name_with_flag(pairs[i][0], 'T', name), 0);
		assert_string_equal(name, pairs[i][1]);
	}
	memset(longest, 'x', sizeof(longest));
	longest[251] = '\0';
	assert_int_equal(name_with_flag(longest, 'T', name), 0);
	assert_int_equal(strlen(name), 255);
	longest[251] = 'x';
	longest[252] = '\0';
	assert_int_equal(name_with_flag(longest, 'T', name), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_names_apart),
	    cmocka_unit_test(believes_what_can_be_true),
	    cmocka_unit_test(adds_a_flag_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
