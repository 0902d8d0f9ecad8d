/* Sizes: as the host sends a message, in whatever pieces; and what is remembered of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/maildir/count.h"
#include "../../plugins/maildir/lines.h"
#include "../../plugins/maildir/sizes.h"
#include "session/body.h"

static int add_up(void *context, const char *data, size_t size)
{
	(void)data;
	*(uint64_t *)context += size;
	return 0;
}

/* What the host sends, its final dot left out. */
static uint64_t sent(const char *text, size_t size)
{
	struct body body;
	uint64_t octets = 0;

	body_init(&body, INT64_MAX);
	assert_int_equal(body_feed(&body, text, size, add_up, &octets), 0);
	assert_int_equal(body_finish(&body, add_up, &octets), 0);
	return octets - strlen(".\r\n");
}

static uint64_t counted(const char *text, size_t size, size_t piece)
{
	struct count count = {.octets = 0};

	for (size_t at = 0; at < size; at += piece)
		count_feed(&count, text + at, size - at < piece ? size - at : piece);
	return count_total(&count);
}

/* All texts of up to 8 octets out of three. */
static void counts_what_the_host_sends(void **state)
{
	static const char letters[] = {'a', '\r', '\n'};
	char text[8];

	(void)state;
	for (size_t size = 0, texts = 1; size <= sizeof(text); size++, texts *= 3)
		for (size_t number = 0; number < texts; number++) {
			uint64_t octets;

			for (size_t i = 0, rest = number; i < size; i++, rest /= 3)
				text[i] = letters[rest % 3];
			octets = sent(text, size);
			for (size_t piece = 1; piece <= 3; piece++)
				assert_int_equal(counted(text, size, piece), octets);
		}
}

static bool take(struct sizes *sizes, const char *line, struct sizes_entry *entry)
{
	return sizes_take(sizes, line, strlen(line), entry);
}

static void remembers(void **state)
{
	static const struct sizes_entry entries[] = {
	    {.octets = 0, .base = "a", .base_size = 1},
	    {.octets = INT64_MAX, .named = true, .base = "1.host,S=5", .base_size = 10},
	    {.octets = NAME_UNKNOWN, .named = true, .base = "a b ", .base_size = 4},
	};
	struct sizes sizes = {.begun = false};
	struct sizes_entry entry;
	char line[SIZES_LINE];

	(void)state;
	assert_false(take(&sizes, "popgate-sizes 1", &entry));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		size_t size = sizes_line(&entries[i], line);

		assert_int_equal(line[size - 1], '\n');
		assert_true(sizes_take(&sizes, line, size - 1, &entry));
		assert_int_equal(entry.octets, entries[i].octets);
		assert_int_equal(entry.named, entries[i].named);
		assert_int_equal(entry.base_size, entries[i].base_size);
		assert_memory_equal(entry.base, entries[i].base, entry.base_size);
	}
	assert_int_equal(sizes_line(&(struct sizes_entry){.base = "a\nb", .base_size = 3}, line), 0);
}

static void leaves_damage_out(void **state)
{
	static const char *const lines[] = {
	    "",	      "1",    "1 s",   "1 s ", "1 x a",	   "x s a", "-1 s a",
	    " 1 s a", "1s a", "1 s:a", "1  a", "1 s a:2,", "- s ",  "9223372036854775808 s a"};
	struct sizes sizes = {.begun = false}, other = {.begun = false};
	struct sizes_entry entry;

	(void)state;
	assert_false(take(&sizes, "popgate-sizes 1", &entry));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(take(&sizes, lines[i], &entry));
	assert_true(take(&sizes, "5 s a", &entry));
	assert_false(take(&other, "popgate-sizes 2", &entry));
	assert_false(take(&other, "5 s a", &entry));
}

/* Collects lines, with a | behind each. */
static void collect(void *context, const char *line, size_t size)
{
	strncat(context, line, size);
	strncat(context, "|", 2);
}

static void cuts_lines_in_any_pieces(void **state)
{
	static const char text[] = "one\n\ntwo\nthree\nhalf";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct lines *lines = calloc(1, sizeof(*lines));
		char found[100] = "";

		for (size_t at = 0; at < strlen(text); at += piece)
			lines_feed(lines, text + at, strlen(text + at) < piece ? strlen(text + at) : piece, collect,
				   found);
		assert_string_equal(found, "one||two|three|");
		free(lines);
	}
}

static void leaves_out_a_line_that_is_too_long(void **state)
{
	static char text[3 * LINES_MAX];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + 2 * LINES_MAX, "\nnext\n", 6);
	for (size_t piece = 1; piece < sizeof(text); piece = piece * 2 + 1) {
		struct lines *lines = calloc(1, sizeof(*lines));
		char found[100] = "";

		for (size_t at = 0; at < sizeof(text); at += piece)
			lines_feed(lines, text + at, sizeof(text) - at < piece ? sizeof(text) - at : piece, collect,
				   found);
		assert_string_equal(found, "next|");
		free(lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_what_the_host_sends),
	    cmocka_unit_test(remembers),
	    cmocka_unit_test(leaves_damage_out),
	    cmocka_unit_test(cuts_lines_in_any_pieces),
	    cmocka_unit_test(leaves_out_a_line_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
