/* What is read out of response lines beside libetpan's parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/imap/line.h"

static struct line_fetch fetch_of(const char *line)
{
	struct line_fetch fetch;

	assert_int_equal(line_read_fetch(line, strlen(line), &fetch), 0);
	return fetch;
}

static int refused(const char *line)
{
	struct line_fetch fetch;

	return line_read_fetch(line, strlen(line), &fetch);
}

static void reads_uid_and_size(void **state)
{
	struct line_fetch fetch = fetch_of("* 7 FETCH (UID 12 RFC822.SIZE 5000000000)\r\n");

	(void)state;
	assert_int_equal(fetch.sequence, 7);
	assert_int_equal(fetch.uid, 12);
	assert_true(fetch.has_octets);
	assert_true(fetch.octets == 5000000000u);
	fetch = fetch_of("* 4294967295 fetch (FLAGS (\\Seen) RFC822.SIZE 0 X-NEW \"a)b\" UID 4294967295)\r\n");
	assert_true(fetch.sequence == UINT32_MAX && fetch.uid == UINT32_MAX);
	fetch = fetch_of("* 7 FETCH (FLAGS (\\Seen))\r\n");
	assert_true(fetch.uid == 0 && !fetch.has_octets && !fetch.has_literal);
}

static void takes_a_uid_only_where_it_is_one(void **state)
{
	(void)state;
	assert_int_equal(fetch_of("* 7 FETCH (FLAGS (UID 99) BODY[] {5}\r\n").uid, 0);
	assert_int_equal(fetch_of("* 7 FETCH (X \"UID 99\" Y (\"(\" UID 98) BODY[] {5}\r\n").uid, 0);
	assert_int_equal(fetch_of("* 7 FETCH (X \"\\\" UID 99\" BODY[HEADER.FIELDS (UID 97)] {5}\r\n").uid, 0);
	assert_int_equal(fetch_of("* 7 FETCH (FLAGS (a) UID 99 BODY[] {5}\r\n").uid, 99);
	/* after a literal that was taken out already */
	assert_int_equal(fetch_of("* 7 FETCH (BODY[HEADER] {0}\r\n UID 99 BODY[TEXT] {5}\r\n").uid, 99);
}

static void knows_the_literal_that_begins(void **state)
{
	struct line_fetch fetch = fetch_of("* 7 FETCH (UID 9 BODY[]<0> {4294967295}\r\n");

	(void)state;
	assert_true(fetch.has_literal && fetch.literal == 4294967295u);
	assert_false(fetch_of("* 7 FETCH (UID 9 BODY[] {0}\r\n)\r\n").has_literal);
}

static void knows_a_range_from_the_whole(void **state)
{
	(void)state;
	assert_true(fetch_of("* 7 FETCH (UID 9 BODY[]<0> {5}\r\n").ranged);
	assert_true(fetch_of("* 7 FETCH (body[text]<4096> \"x\" UID 9)\r\n").ranged);
	assert_false(fetch_of("* 7 FETCH (UID 9 BODY[] {5}\r\n").ranged);
	assert_false(fetch_of("* 7 FETCH (X \"BODY[]<0>\" Y (BODY[]<0>) BODY[] {5}\r\n").ranged);
}

static void refuses_what_is_no_fetch(void **state)
{
	static const char *const lines[] = {"",
					    "* 7 EXISTS\r\n",
					    "* 0 FETCH (UID 1)\r\n",
					    "* 4294967296 FETCH (UID 1)\r\n",
					    "7 FETCH (UID 1)\r\n",
					    "* FETCH (UID 1)\r\n",
					    "* 7 FETCH UID 1\r\n",
					    "* 7 FETCHED (UID 1)\r\n",
					    "* 7 FETCH (UID 0)\r\n",
					    "* 7 FETCH (UID x)\r\n",
					    "* 7 FETCH (UID 4294967296)\r\n",
					    "* 7 FETCH (UID 1 UID 2)\r\n",
					    "* 7 FETCH (RFC822.SIZE 99999999999999999999)\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (refused(lines[i]) != -1)
			fail_msg("taken: %s", lines[i]);
}

static void finds_the_last_line(void **state)
{
	static const char text[] = "* 1 EXISTS\r\n* 7 FETCH (BODY[HEADER] {0}\r\n BODY[TEXT] {9}\r\n";
	static const char closed[] = "* 7 FETCH (BODY[] {0}\r\n)\r\n";

	(void)state;
	assert_ptr_equal(line_last(text, strlen(text)), text + 12);
	assert_ptr_equal(line_last(closed, strlen(closed)), closed);
	assert_ptr_equal(line_last("", 0), "");
	assert_string_equal(line_last("* 1 EXISTS\r\n5 OK done\r\n", 23), "5 OK done\r\n");
}

static void takes_status_lines_apart(void **state)
{
	struct line_status status;

	(void)state;
	line_read_status("5 NO [Limit x] slow\x1b down\r\n", 26, &status);
	assert_int_equal(status.kind, LINE_NO);
	assert_string_equal(status.code, "LIMIT");
	assert_string_equal(status.text, "[Limit x] slow? down");
	line_read_status("* bye\r\n", 7, &status);
	assert_int_equal(status.kind, LINE_BYE);
	line_read_status("+ go\r\n", 6, &status);
	assert_int_equal(status.kind, LINE_OTHER);
	line_read_status("5 NO [ALERT: slow down\r\n", 24, &status);
	assert_string_equal(status.code, "ALERT");
	line_read_status("* 5 EXISTS\r\n", 12, &status);
	assert_int_equal(status.kind, LINE_OTHER);
	line_read_status("* OKAY\r\n", 8, &status);
	assert_int_equal(status.kind, LINE_OTHER);
}

static void cuts_long_status_lines(void **state)
{
	struct line_status status;
	char line[400];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "5 NO [", 6);
	line_read_status(line, sizeof(line), &status);
	assert_int_equal(strlen(status.code), LINE_CODE_SIZE - 1);
	assert_int_equal(strlen(status.text), LINE_TEXT_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_uid_and_size),
	    cmocka_unit_test(takes_a_uid_only_where_it_is_one),
	    cmocka_unit_test(knows_the_literal_that_begins),
	    cmocka_unit_test(knows_a_range_from_the_whole),
	    cmocka_unit_test(refuses_what_is_no_fetch),
	    cmocka_unit_test(finds_the_last_line),
	    cmocka_unit_test(takes_status_lines_apart),
	    cmocka_unit_test(cuts_long_status_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
