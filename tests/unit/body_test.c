/* Tests of what a message's octets become in a reply. A second, simple-minded
 * writing of the rules stands against the code, over every short message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "session/body.h"

#define WHOLE INT64_MAX

struct text {
	char data[1024];
	size_t size;
	int calls, fail_at; /* the call of emit that says stop; 0: none */
	size_t octets;	    /* without stuffed dots and the final line */
};

static int emit(void *context, const char *data, size_t size)
{
	struct text *text = context;

	if (++text->calls == text->fail_at)
		return -1;
	assert_true(text->fail_at == 0 || text->calls < text->fail_at);
	assert_true(size > 0 && size <= sizeof(text->data) - text->size);
	memcpy(text->data + text->size, data, size);
	text->size += size;
	return 0;
}

/* What the reply should be: line after line, nothing kept between them. */
static void expect(const char *message, size_t size, int64_t lines, struct text *out)
{
	bool in_body = false;
	int64_t body_lines = 0;

	out->size = out->octets = 0;
	for (size_t at = 0; at < size && !(in_body && body_lines >= lines);) {
		const char *lf = memchr(message + at, '\n', size - at);
		size_t end = lf == NULL ? size : (size_t)(lf - message), content = end;

		if (content > at && message[content - 1] == '\r')
			content--;
		out->octets += content - at + 2;
		if (content > at && message[at] == '.')
			out->data[out->size++] = '.';
		memcpy(out->data + out->size, message + at, content - at);
		out->size += content - at;
		memcpy(out->data + out->size, "\r\n", 2);
		out->size += 2;
		if (in_body)
			body_lines++;
		else if (content == at && lf != NULL)
			in_body = true;
		at = end + 1;
	}
	memcpy(out->data + out->size, ".\r\n", 3);
	out->size += 3;
}

/* Feeds a message in pieces that end at cut1, cut2 and its end. */
static void feed(const char *message, size_t size, size_t cut1, size_t cut2, int64_t lines, struct text *out)
{
	struct body body;
	const size_t cuts[] = {cut1, cut2, size};
	size_t at = 0;

	out->size = 0;
	out->calls = out->fail_at = 0;
	body_init(&body, lines);
	for (size_t i = 0; i < 3; i++) {
		if (cuts[i] > at)
			(void)body_feed(&body, message + at, cuts[i] - at, emit, out);
		at = cuts[i] > at ? cuts[i] : at;
	}
	out->octets = body_octets(&body);
	assert_int_equal(body_finish(&body, emit, out), 0);
}

static void feed_octets(const char *message, size_t size, int64_t lines, struct text *out)
{
	struct body body;

	out->size = 0;
	out->calls = out->fail_at = 0;
	body_init(&body, lines);
	for (size_t i = 0; i < size; i++)
		(void)body_feed(&body, message + i, 1, emit, out);
	out->octets = body_octets(&body);
	assert_int_equal(body_finish(&body, emit, out), 0);
}

static void compare(const struct text *got, const struct text *wanted, const char *message, size_t size, int64_t lines)
{
	char shown[256] = "";
	size_t used = 0;

	if (got->size == wanted->size && memcmp(got->data, wanted->data, got->size) == 0)
		return;
	for (size_t i = 0; i < size && used < sizeof(shown) - 8; i++)
		used += (size_t)snprintf(shown + used, sizeof(shown) - used, " %02x", (unsigned char)message[i]);
	fail_msg("message%s, %lld lines: %zu octets, not %zu: %.*s", shown, (long long)lines, got->size, wanted->size,
		 (int)got->size, got->data);
}

static void check(const char *message, size_t size, int64_t lines)
{
	struct text wanted, got;

	expect(message, size, lines, &wanted);
	for (size_t cut = 0; cut <= size; cut++) {
		feed(message, size, cut, cut, lines, &got);
		assert_int_equal(got.octets, wanted.octets);
		compare(&got, &wanted, message, size, lines);
	}
	for (size_t cut = 1; cut < size; cut++) {
		feed(message, size, cut, cut + 1, lines, &got);
		assert_int_equal(got.octets, wanted.octets);
		compare(&got, &wanted, message, size, lines);
	}
	feed_octets(message, size, lines, &got);
	compare(&got, &wanted, message, size, lines);
}

/* Every message of up to six octets out of those that matter, however it is cut. */
static void every_short_message(void **state)
{
	static const char alphabet[] = {'a', '.', '\r', '\n', '\0'};
	static const int64_t lines[] = {WHOLE, 0, 1, 2};
	size_t count = 1;

	(void)state;
	for (size_t size = 0; size <= 6; size++, count *= sizeof(alphabet)) {
		for (size_t number = 0; number < count; number++) {
			char message[6];
			size_t rest = number;

			for (size_t i = 0; i < size; i++, rest /= sizeof(alphabet))
				message[i] = alphabet[rest % sizeof(alphabet)];
			for (size_t i = 0; i < 4; i++)
				check(message, size, lines[i]);
		}
	}
}

static void known_messages(void **state)
{
	static const struct {
		const char *message;
		size_t size;
		int64_t lines;
		const char *reply;
		size_t reply_size;
	} cases[] = {
#define CASE(message, lines, reply) {message, sizeof(message) - 1, lines, reply, sizeof(reply) - 1}
	    CASE("", WHOLE, ".\r\n"),
	    CASE("a\r\n\r\nb\r\n", WHOLE, "a\r\n\r\nb\r\n.\r\n"),
	    CASE("a\n\nb\n", WHOLE, "a\r\n\r\nb\r\n.\r\n"),
	    CASE("a\n\nb", WHOLE, "a\r\n\r\nb\r\n.\r\n"),
	    CASE("a\r\n\r\nb\r", WHOLE, "a\r\n\r\nb\r\n.\r\n"),
	    CASE("a\rb\r\n", WHOLE, "a\rb\r\n.\r\n"),
	    CASE("a\r\r\n", WHOLE, "a\r\r\n.\r\n"),
	    CASE("\r", WHOLE, "\r\n.\r\n"),
	    CASE(".\r\n..\r\n.a\n", WHOLE, "..\r\n...\r\n..a\r\n.\r\n"),
	    CASE("a\r.\r\n", WHOLE, "a\r.\r\n.\r\n"), /* no line begins after a CR alone */
	    CASE(".", WHOLE, "..\r\n.\r\n"),
	    CASE("a\r\n\r\nb\0", WHOLE, "a\r\n\r\nb\0\r\n.\r\n"),
	    CASE("\0", WHOLE, "\0\r\n.\r\n"),
	    CASE("h\r\n\r\n1\r\n2\r\n", 0, "h\r\n\r\n.\r\n"),
	    CASE("h\r\n\r\n1\r\n2\r\n", 1, "h\r\n\r\n1\r\n.\r\n"),
	    CASE("h\r\n\r\n.1\r\n.2\r\n", 1, "h\r\n\r\n..1\r\n.\r\n"),
	    CASE("h\r\n\r\n1\r\n2\r\n", 2, "h\r\n\r\n1\r\n2\r\n.\r\n"),
	    CASE("h\r\n\r\n1\r\n2", 3, "h\r\n\r\n1\r\n2\r\n.\r\n"),
	    CASE("h\r\n", 0, "h\r\n.\r\n"),			     /* a header without its end */
	    CASE("\r\nb\r\n", 0, "\r\n.\r\n"),			     /* no header at all */
	    CASE("h\r\n\r\r\n\r\nb\r\n", 0, "h\r\n\r\r\n\r\n.\r\n"), /* CR CR LF is no empty line */
	    CASE("h\r\n\0\r\n\nb\n", 0, "h\r\n\0\r\n\r\n.\r\n"),
	    CASE("h\n\n\n\nb\n", 2, "h\r\n\r\n\r\n\r\n.\r\n"), /* empty lines of the body count */
#undef CASE
	};
	struct text got;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text wanted;

		memcpy(wanted.data, cases[i].reply, cases[i].reply_size);
		wanted.size = cases[i].reply_size;
		feed(cases[i].message, cases[i].size, 0, 0, cases[i].lines, &got);
		compare(&got, &wanted, cases[i].message, cases[i].size, cases[i].lines);
		check(cases[i].message, cases[i].size, cases[i].lines);
	}
}

/* However the message is cut, TOP is told to stop at the same octet. */
static void enough_is_told_once_the_lines_are_through(void **state)
{
	static const char message[] = "h\r\n\r\n1\r\n2\r\n";
	struct text out = {.size = 0};
	struct body body;

	(void)state;
	body_init(&body, 1);
	assert_int_equal(body_feed(&body, message, 7, emit, &out), 0);
	assert_int_equal(body_feed(&body, message + 7, 1, emit, &out), 1);
	assert_int_equal(body_feed(&body, message + 8, 3, emit, &out), 1);
	assert_int_equal(body_finish(&body, emit, &out), 0);
	assert_int_equal(out.size, 11);
	assert_memory_equal(out.data, "h\r\n\r\n1\r\n.\r\n", 11);

	body_init(&body, WHOLE);
	out.size = 0;
	assert_int_equal(body_feed(&body, message, sizeof(message) - 1, emit, &out), 0);
}

static void an_empty_piece_changes_nothing(void **state)
{
	struct text out = {.size = 0};
	struct body body;

	(void)state;
	body_init(&body, WHOLE);
	assert_int_equal(body_feed(&body, "", 0, emit, &out), 0);
	assert_int_equal(body_finish(&body, emit, &out), 0);
	assert_int_equal(out.size, 3);

	body_init(&body, WHOLE);
	out.size = 0;
	assert_int_equal(body_feed(&body, "a\r", 2, emit, &out), 0);
	assert_int_equal(body_feed(&body, "", 0, emit, &out), 0);
	assert_int_equal(body_feed(&body, "\n.", 2, emit, &out), 0);
	assert_int_equal(body_feed(&body, "", 0, emit, &out), 0);
	assert_int_equal(body_finish(&body, emit, &out), 0);
	assert_int_equal(out.size, 10);
	assert_memory_equal(out.data, "a\r\n..\r\n.\r\n", 10);
}

/* Whichever piece of the reply cannot be sent, nothing is sent after it. */
static void a_stop_is_handed_on(void **state)
{
	static const char message[] = "a\n.b\n\n.c\r\nd";
	struct text all = {.size = 0};
	struct body body;
	int calls;

	(void)state;
	body_init(&body, WHOLE);
	assert_int_equal(body_feed(&body, message, sizeof(message) - 1, emit, &all), 0);
	calls = all.calls;
	assert_true(calls > 5);
	assert_int_equal(body_finish(&body, emit, &all), 0);
	for (int fail_at = 1; fail_at <= calls; fail_at++) {
		struct text out = {.fail_at = fail_at};

		body_init(&body, WHOLE);
		assert_int_equal(body_feed(&body, message, sizeof(message) - 1, emit, &out), -1);
		assert_int_equal(out.calls, fail_at);
		assert_memory_equal(out.data, all.data, out.size);
	}
	all.calls = 0;
	all.fail_at = 1;
	assert_int_equal(body_finish(&body, emit, &all), -1);
}

/* Octets that need no change leave in one piece. */
static void a_clean_run_is_not_cut_up(void **state)
{
	static const char message[] = "Subject: x\r\n\r\none\r\ntwo\r\nthree\r\n";
	struct text out = {.size = 0};
	struct body body;

	(void)state;
	body_init(&body, WHOLE);
	assert_int_equal(body_feed(&body, message, sizeof(message) - 1, emit, &out), 0);
	assert_int_equal(out.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_messages),
	    cmocka_unit_test(every_short_message),
	    cmocka_unit_test(enough_is_told_once_the_lines_are_through),
	    cmocka_unit_test(an_empty_piece_changes_nothing),
	    cmocka_unit_test(a_stop_is_handed_on),
	    cmocka_unit_test(a_clean_run_is_not_cut_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
