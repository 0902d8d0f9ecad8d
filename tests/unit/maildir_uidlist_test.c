/* dovecot-uidlist, and the unique ids that Dovecot made: as it writes and formats them, and nothing hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/maildir/name.h"
#include "../../plugins/maildir/uidl.h"
#include "../../plugins/maildir/uidlist.h"

static bool take(struct uidlist *list, const char *line, struct uidlist_record *record)
{
	return uidlist_take(list, line, strlen(line), record);
}

static void check_text(const char *text, size_t size, const char *expected)
{
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(text, expected, size);
}

static void reads_what_dovecot_writes(void **state)
{
	struct uidlist list = {.last = 0};
	struct uidlist_record record;

	(void)state;
	assert_false(take(&list, "3 V1700000000 N12 G0123456789abcdef0123456789abcdef", &record));
	assert_true(list.sound);
	assert_int_equal(list.uidvalidity, 1700000000);
	assert_true(take(&list, "1 :1700000000.M1P2.host,S=100,W=104:2,S", &record));
	assert_int_equal(record.uid, 1);
	assert_null(record.uidl);
	assert_int_equal(record.octets, NAME_UNKNOWN);
	check_text(record.base, record.base_size, "1700000000.M1P2.host,S=100,W=104");
	assert_true(take(&list, "5 W104 S100 G12345 Pold-id :1700000001.M1P2.a b", &record));
	assert_int_equal(record.uid, 5);
	assert_int_equal(record.octets, 104);
	check_text(record.uidl, record.uidl_size, "old-id");
	check_text(record.base, record.base_size, "1700000001.M1P2.a b");
	assert_true(take(&list, "7 P :x", &record));
	assert_non_null(record.uidl);
	assert_int_equal(record.uidl_size, 0);
}

static void leaves_out_what_makes_no_sense(void **state)
{
	static const char *const lines[] = {
	    "",	   "x",	      "6",	 "6 ",	 "6 W5",	  "0 :a",  "-6 :a", "6x :a",
	    "6 :", "6 ::2,S", "5 :late", "4 :a", "4294967296 :a", " 6 :a", "6:a",   "99999999999999999999 :a"};
	struct uidlist list = {.last = 0};
	struct uidlist_record record;

	(void)state;
	assert_false(take(&list, "3 V1 N9", &record));
	assert_true(take(&list, "5 :first", &record));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(take(&list, lines[i], &record));
	assert_true(take(&list, "6 W99 S100 :b", &record));
	assert_int_equal(record.octets, NAME_UNKNOWN);
	assert_true(take(&list, "4294967295 Wx :c", &record));
	assert_int_equal(record.octets, NAME_UNKNOWN);
}

static void believes_no_other_header(void **state)
{
	static const char *const headers[] = {
	    "", "3", "3 ", "1 5 6", "2 V1 N2", "3 N5", "3 V0 N5", "3 V4294967296 N5", "3 Vx", "3 V", "4 V1 N2"};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct uidlist list = {.last = 0};
		struct uidlist_record record;

		assert_false(take(&list, headers[i], &record));
		assert_false(list.sound);
		assert_false(take(&list, "1 :a", &record));
	}
}

static void check_format(const char *format, const char *expected)
{
	const struct uidl_parts parts = {.uid = 0xab12, .uidvalidity = 0x6553F100, .base = "17.host", .size = 7};
	char uidl[UIDL_ROOM];

	assert_null(uidl_format_fault(format));
	assert_int_equal(uidl_by_format(format, &parts, uidl), expected == NULL ? -1 : 0);
	if (expected != NULL)
		assert_string_equal(uidl, expected);
}

static void formats_like_dovecot(void **state)
{
	static const char *const wrong[] = {"%m",    "%g",  "%u%",   "%",     "x",    "%v",   "%Xf",
					    "%08Lu", "%8u", "%099u", "%u %v", "%u\n", "%-8u", "%{uid}"};

	(void)state;
	check_format("%08Xu%08Xv", "0000ab126553f100");
	check_format("%08xu%08xv", "0000ab126553f100");
	check_format("%v.%u", "1700000000.43794");
	check_format("%010u", "0000043794");
	check_format("%02u", "43794");
	check_format("%0u", "43794");
	check_format("%Xu", "ab12");
	check_format("%f", "17.host");
	check_format("%012f-%%", "0000017.host-%");
	check_format("%060u%010v", "0000000000000000000000000000000000000000000000000000000437941700000000");
	check_format("%060u%011v", NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(uidl_format_fault(wrong[i]));
}

static void ids_are_names_or_digests(void **state)
{
	char uidl[UIDL_ROOM], other[UIDL_ROOM], longest[100];

	(void)state;
	uidl_by_name("1700000000.M1P2.host,S=1", 24, uidl);
	assert_string_equal(uidl, "1700000000.M1P2.host,S=1");
	memset(longest, 'x', sizeof(longest));
	uidl_by_name(longest, 70, uidl);
	assert_int_equal(strlen(uidl), 70);
	/* sha256sum knows the same */
	uidl_by_name("a b", 3, uidl);
	assert_string_equal(uidl, "c8687a08aa5d6ed2044328fa6a697ab8e96dc342");
	uidl_by_name(longest, 71, uidl);
	assert_int_equal(strlen(uidl), 40);
	uidl_digest(longest, 71, 1, other);
	assert_int_equal(strlen(other), 40);
	assert_string_not_equal(uidl, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_dovecot_writes), cmocka_unit_test(leaves_out_what_makes_no_sense),
	    cmocka_unit_test(believes_no_other_header),	 cmocka_unit_test(formats_like_dovecot),
	    cmocka_unit_test(ids_are_names_or_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
