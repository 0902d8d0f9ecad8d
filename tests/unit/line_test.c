/* Tests of how octets become command lines: whatever pieces they come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/line.h"

/* What came out of a stream: "C:text|" for a line, "L|" too long, "N|" NUL, "F|" flood. */
struct record {
	char text[65536];
	size_t size;
};

static void note(struct record *record, enum line_event event, const struct line_reader *reader)
{
	static const char *const names[] = {
	    [LINE_TOO_LONG] = "L|", [LINE_NUL] = "N|", [LINE_FLOOD] = "F|", [LINE_NO_MEMORY] = "M|"};

	assert_true(record->size + reader->size + 8 < sizeof(record->text));
	if (event == LINE_COMPLETE) {
		assert_int_equal(reader->data[reader->size], '\0');
		memcpy(record->text + record->size, "C:", 2);
		memcpy(record->text + record->size + 2, reader->data, reader->size);
		record->text[record->size + 2 + reader->size] = '|';
		record->size += reader->size + 3;
	} else {
		memcpy(record->text + record->size, names[event], 2);
		record->size += 2;
	}
	record->text[record->size] = '\0';
}

/* Feeds one piece whole; ends at a flood, as the callers do. */
static bool feed(struct line_reader *reader, const char *data, size_t size, struct record *record)
{
	while (size > 0) {
		size_t used = 0;
		enum line_event event = line_feed(reader, data, size, &used);

		assert_true(used > 0 && used <= size);
		if (event == LINE_MORE)
			assert_int_equal(used, size);
		else
			note(record, event, reader);
		if (event == LINE_FLOOD)
			return false;
		data += used;
		size -= used;
	}
	return true;
}

/* The same record must come out in one piece, in pieces of each size up to 9, and cut in two anywhere nearby. */
static void check(const char *data, size_t size, bool response, const char *expected)
{
	static struct record record;

	for (size_t piece = 0; piece <= 9; piece++) {
		struct line_reader reader = {.response = response};

		record.size = 0;
		record.text[0] = '\0';
		for (size_t at = 0, step; at < size; at += step) {
			step = piece == 0 || piece > size - at ? size - at : piece;
			if (!feed(&reader, data + at, step, &record))
				break;
		}
		assert_string_equal(record.text, expected);
		line_clear(&reader);
		assert_null(reader.data);
	}
	for (size_t cut = 1; cut < size && cut < 600; cut++) {
		struct line_reader reader = {.response = response};

		record.size = 0;
		record.text[0] = '\0';
		if (feed(&reader, data, cut, &record))
			feed(&reader, data + cut, size - cut, &record);
		assert_string_equal(record.text, expected);
		line_clear(&reader);
	}
}

#define CHECK(data, expected) check(data, sizeof(data) - 1, false, expected)

static void line_ends(void **state)
{
	(void)state;
	CHECK("", "");
	CHECK("QUIT", "");
	CHECK("QUIT\r", "");
	CHECK("QUIT\r\n", "C:QUIT|");
	CHECK("QUIT\n", "C:QUIT|");
	CHECK("\n", "C:|");
	CHECK("\r\n", "C:|");
	CHECK("\r\r\n", "C:\r|");
	CHECK("QUIT\r\r\n", "C:QUIT\r|");
	CHECK("STAT\rQUIT\r\n", "C:STAT\rQUIT|");
	CHECK("\rSTAT\n", "C:\rSTAT|");
	CHECK("a\r\nb\nc\r\n\r\nd", "C:a|C:b|C:c|C:|");
	CHECK(" a \r\n", "C: a |");
	CHECK("\xff\xfe\r\n", "C:\xff\xfe|");
}

static void nul_is_told(void **state)
{
	(void)state;
	CHECK("\0\n", "N|");
	CHECK("QU\0IT\r\n", "N|");
	CHECK("QUIT\0\r\nQUIT\r\n", "N|C:QUIT|");
	CHECK("QUIT\r\0\nQUIT\n\0", "N|C:QUIT|");
}

/* `size` octets with their line end, the first of them `start`. */
static size_t fill(char *out, const char *start, size_t size, const char *end)
{
	size_t first = strlen(start), last = strlen(end);

	memset(out, 'x', size);
	memcpy(out, start, first);
	memcpy(out + size - last, end, last);
	return size;
}

static void check_bound(const char *start, const char *end, size_t most, bool response)
{
	static char data[40000], expected[40000];
	size_t size;

	size = fill(data, start, most, end);
	snprintf(expected, sizeof(expected), "C:%.*s|C:Q|", (int)(most - strlen(end)), data);
	memcpy(data + size, "Q\n", 2);
	check(data, size + 2, response, expected);
	size = fill(data, start, most + 1, end);
	memcpy(data + size, "Q\n", 2);
	check(data, size + 2, response, "L|C:Q|");
}

static void commands_have_255_octets(void **state)
{
	(void)state;
	check_bound("USER ", "\r\n", LINE_COMMAND_MAX, false);
	check_bound("USER ", "\n", LINE_COMMAND_MAX, false);
	check_bound("AUTHX", "\r\n", LINE_COMMAND_MAX, false);
	check_bound("AUTH\t", "\r\n", LINE_COMMAND_MAX, false);
	check_bound(" AUTH ", "\r\n", LINE_COMMAND_MAX, false);
}

static void auth_may_be_longer(void **state)
{
	(void)state;
	check_bound("AUTH ", "\r\n", LINE_AUTH_MAX, false);
	check_bound("auTH ", "\n", LINE_AUTH_MAX, false);
	check_bound("", "\r\n", LINE_AUTH_MAX, true);
}

/* The wider bound ends with its line. */
static void the_bound_is_the_lines_own(void **state)
{
	static char data[2000];
	size_t size = fill(data, "AUTH ", 600, "\r\n");

	(void)state;
	size += fill(data + size, "USER ", 600, "\r\n");
	memcpy(data + size, "Q\n", 2);
	{
		static struct record record;
		struct line_reader reader = {0};

		record.size = 0;
		feed(&reader, data, size + 2, &record);
		assert_int_equal(record.size, 2 + 598 + 1 + 2 + 4);
		assert_string_equal(record.text + 601, "L|C:Q|");
		line_clear(&reader);
	}
}

static void an_endless_line_is_given_up(void **state)
{
	static char data[LINE_SKIP_MAX + 100];

	(void)state;
	memset(data, 'x', sizeof(data));
	check(data, LINE_SKIP_MAX, false, "");
	check(data, LINE_SKIP_MAX + 1, false, "F|");
	data[LINE_SKIP_MAX - 1] = '\n';
	check(data, LINE_SKIP_MAX, false, "L|");
	memcpy(data, "AUTH ", 5);
	check(data, LINE_SKIP_MAX, false, "L|");
}

/* A megabyte of base64 is a fault of its line, and not of the connection. */
static void input_16_a_long_response_is_skipped(void **state)
{
	static char data[LINE_AUTH_SKIP_MAX + 100];

	(void)state;
	memset(data, 'x', sizeof(data));
	check(data, LINE_AUTH_SKIP_MAX, true, "");
	check(data, LINE_AUTH_SKIP_MAX + 1, true, "F|");
	data[LINE_AUTH_SKIP_MAX - 1] = '\n';
	check(data, LINE_AUTH_SKIP_MAX, true, "L|");
	memcpy(data, "AUTH PLAIN ", 11);
	check(data, LINE_AUTH_SKIP_MAX, false, "L|");
}

/* No octet of a line is left in memory when the next begins, or the reader is cleared. */
static void lines_are_wiped(void **state)
{
	struct line_reader reader = {0};
	size_t used;

	(void)state;
	assert_int_equal(line_feed(&reader, "PASS secret\r\n", 13, &used), LINE_COMPLETE);
	assert_string_equal(reader.data, "PASS secret");
	assert_int_equal(line_feed(&reader, "NO", 2, &used), LINE_MORE);
	for (size_t i = 2; i < reader.room; i++)
		assert_int_equal(reader.data[i], 0);
	line_clear(&reader);
	assert_int_equal(reader.size, 0);
	line_clear(&reader);
	/* A cleared reader is a fresh one. */
	assert_int_equal(line_feed(&reader, "X\n", 2, &used), LINE_COMPLETE);
	assert_string_equal(reader.data, "X");
	line_clear(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(line_ends),
	    cmocka_unit_test(nul_is_told),
	    cmocka_unit_test(commands_have_255_octets),
	    cmocka_unit_test(auth_may_be_longer),
	    cmocka_unit_test(the_bound_is_the_lines_own),
	    cmocka_unit_test(an_endless_line_is_given_up),
	    cmocka_unit_test(input_16_a_long_response_is_skipped),
	    cmocka_unit_test(lines_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
