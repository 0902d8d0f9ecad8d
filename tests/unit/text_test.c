/* Tests of looking at octets: UTF-8, harmless copies, ASCII case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"

/* The UTF-8 of a code point, whether it is one or not; as RFC 3629 section 3 draws it. */
static size_t encode(unsigned long point, size_t length, char *out)
{
	static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc};

	if (length == 1) {
		out[0] = (char)point;
		return 1;
	}
	for (size_t i = length; i-- > 1; point >>= 6)
		out[i] = (char)(0x80 | (point & 0x3f));
	out[0] = (char)(marks[length] | point);
	return length;
}

static size_t shortest(unsigned long point)
{
	return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void every_code_point(void **state)
{
	char text[8];

	(void)state;
	for (unsigned long point = 0; point < 0x200000; point++) {
		size_t size = encode(point, shortest(point), text);
		bool good = point != 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);

		if (text_is_utf8(text, size) != good)
			fail_msg("U+%04lX", point);
	}
}

static void overlong_forms(void **state)
{
	static const unsigned long points[] = {0, 1, 0x2f, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000};
	char text[8];

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		for (size_t length = shortest(points[i]) + 1; length <= 6; length++)
			assert_false(text_is_utf8(text, encode(points[i], length, text)));
}

/* Sequences of every length, cut short or broken at each place; memory ends where they do. */
static void broken_sequences(void **state)
{
	static const unsigned long points[] = {0xe4, 0x20ac, 0x1f600};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char text[8];
		size_t size = encode(points[i], shortest(points[i]), text);

		for (size_t cut = 1; cut < size; cut++) {
			char *exact = malloc(cut);

			assert_non_null(exact);
			memcpy(exact, text, cut);
			assert_false(text_is_utf8(exact, cut));
			free(exact);
		}
		for (size_t at = 0; at < size; at++) {
			char broken[8];

			memcpy(broken, text, size);
			broken[at] = at == 0 ? (char)0x80 : 'x';
			assert_false(text_is_utf8(broken, size));
		}
		memcpy(text + size, "a", 1);
		assert_true(text_is_utf8(text, size + 1));
	}
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("\x01\x7f", 2)); /* control characters are not its business */
	assert_false(text_is_utf8("a\0b", 3));
	assert_false(text_is_utf8("\xfe", 1));
	assert_false(text_is_utf8("\xff", 1));
}

static void harmless_copies(void **state)
{
	char out[64];

	(void)state;
	text_harmless("plain text, 100%", 16, out, sizeof(out));
	assert_string_equal(out, "plain text, 100%");
	text_harmless("a\"b\\c\n\x7f\x80\xff", 9, out, sizeof(out));
	assert_string_equal(out, "a\\x22b\\x5cc\\x0a\\x7f\\x80\\xff");
	text_harmless("a\0b", 3, out, sizeof(out));
	assert_string_equal(out, "a\\x00b");
	text_harmless("", 0, out, sizeof(out));
	assert_string_equal(out, "");
}

/* For each size of the copy's room: it holds, ends, and what was left out is told. */
static void copies_are_cut(void **state)
{
	static const char octets[] = "abc\n\ndef\xff ghijklmnopqrstuvwxyz";
	char whole[256];

	(void)state;
	text_harmless(octets, sizeof(octets) - 1, whole, sizeof(whole));
	for (size_t room = 0; room < 80; room++) {
		char *out = malloc(room + 1);
		size_t size;

		assert_non_null(out);
		memset(out, '#', room + 1);
		text_harmless(octets, sizeof(octets) - 1, out, room);
		assert_int_equal(out[room], '#');
		if (room == 0) {
			free(out);
			continue;
		}
		size = strlen(out);
		assert_true(size < room);
		if (room < 8) {
			assert_int_equal(size, 0);
		} else if (strcmp(out, whole) != 0) {
			assert_true(size >= 4);
			assert_string_equal(out + size - 3, "...");
			assert_memory_equal(out, whole, size - 3);
		}
		free(out);
	}
}

static void ascii_case(void **state)
{
	(void)state;
	assert_true(text_same_case("", 0, ""));
	assert_true(text_same_case("QuIt", 4, "qUiT"));
	assert_true(text_same_case("QUITX", 4, "quit"));
	assert_false(text_same_case("QUI", 3, "quit"));
	assert_false(text_same_case("QUITX", 5, "quit"));
	assert_false(text_same_case("", 0, "q"));
	assert_false(text_same_case("q\0", 2, "q"));
	/* '@' and '`', '[' and '{' differ by the same bit as letters do. */
	assert_false(text_same_case("@", 1, "`"));
	assert_false(text_same_case("[", 1, "{"));
	assert_false(text_same_case("\xc4", 1, "\xe4"));
	for (int c = 1; c < 256; c++) {
		char a = (char)c, upper[2] = {c >= 'a' && c <= 'z' ? (char)(c - 32) : (char)c, '\0'};

		assert_true(text_same_case(&a, 1, upper));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_code_point), cmocka_unit_test(overlong_forms), cmocka_unit_test(broken_sequences),
	    cmocka_unit_test(harmless_copies),	cmocka_unit_test(copies_are_cut), cmocka_unit_test(ascii_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
