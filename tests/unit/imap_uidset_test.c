/* Sets of UIDs: exactly the given ones, cut to the room there is; folder names as IMAP writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/imap/folder.h"
#include "../../plugins/imap/uidset.h"

static void writes_exactly_the_given(void **state)
{
	static const uint32_t uids[] = {1, 2, 3, 5, 7, 8, 4294967294u, 4294967295u};
	char set[100];

	(void)state;
	assert_int_equal(uidset_write(uids, 8, set, sizeof(set)), 8);
	assert_string_equal(set, "1:3,5,7:8,4294967294:4294967295");
	assert_int_equal(uidset_write(uids + 3, 1, set, sizeof(set)), 1);
	assert_string_equal(set, "5");
	/* the last UID of all is followed by none */
	assert_int_equal(uidset_write((const uint32_t[]){4294967295u}, 1, set, sizeof(set)), 1);
	assert_string_equal(set, "4294967295");
}

static void goes_on_where_it_was_cut(void **state)
{
	uint32_t uids[500], seen = 0;
	char set[64];

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		uids[i] = 4294000000u + i * 2;
	for (size_t done = 0; done < 500;) {
		size_t n = uidset_write(uids + done, 500 - done, set, sizeof(set));

		assert_true(n > 0);
		assert_true(strlen(set) < sizeof(set));
		for (char *at = set; *at != '\0'; at += *at == ',') {
			assert_int_equal(strtoul(at, &at, 10), uids[seen]);
			seen++;
		}
		done += n;
		assert_int_equal(seen, done);
	}
}

static void fits_the_smallest_room(void **state)
{
	static const uint32_t uids[] = {4294967290u, 4294967291u, 4294967293u};
	char set[UIDSET_MIN];

	(void)state;
	assert_int_equal(uidset_write(uids, 3, set, sizeof(set)), 2);
	assert_string_equal(set, "4294967290:4294967291");
}

static void finds(void **state)
{
	static const uint32_t uids[] = {2, 4, 4294967295u};

	(void)state;
	assert_int_equal(uidset_find(uids, 3, 2), 0);
	assert_int_equal(uidset_find(uids, 3, 4294967295u), 2);
	assert_int_equal(uidset_find(uids, 3, 3), 3);
	assert_int_equal(uidset_find(uids, 3, 0), 3);
	assert_int_equal(uidset_find(uids, 0, 2), 0);
}

static void check_name(const char *name, const char *expected)
{
	char *encoded = folder_encode(name);

	assert_string_equal(encoded, expected);
	free(encoded);
}

static void encodes_folder_names(void **state)
{
	(void)state;
	check_name("INBOX", "INBOX");
	check_name("Entw\xc3\xbcrfe", "Entw&APw-rfe");
	check_name("a&b", "a&-b");
	check_name("\xc3\xa9\xc3\xa9", "&AOkA6Q-");
	/* RFC 3501, 5.1.3 */
	check_name("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		   "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
	check_name("\xf0\x9f\x98\x80", "&2D3eAA-");
}

static void checks_folder_names(void **state)
{
	(void)state;
	assert_true(folder_is_clean("a \xc3\xbc \xf0\x9f\x98\x80"));
	assert_false(folder_is_clean("a\rb"));
	assert_false(folder_is_clean("a\nb"));
	assert_false(folder_is_clean("\x7f"));
	assert_false(folder_is_clean("\xc2\x85"));
	assert_false(folder_is_clean("\xff"));
	assert_false(folder_is_clean("\xc1\x81"));
	assert_false(folder_is_clean("\xed\xa0\x80"));
	assert_false(folder_is_clean("\xe5\x8f"));
}

static void quotes(void **state)
{
	char *quoted = folder_quote("a\"b\\c");

	(void)state;
	assert_string_equal(quoted, "\"a\\\"b\\\\c\"");
	free(quoted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_exactly_the_given),
	    cmocka_unit_test(goes_on_where_it_was_cut),
	    cmocka_unit_test(fits_the_smallest_room),
	    cmocka_unit_test(finds),
	    cmocka_unit_test(encodes_folder_names),
	    cmocka_unit_test(checks_folder_names),
	    cmocka_unit_test(quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
