/* Tests of the log: one harmless, bounded line an event, and no sink that it waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

static int sink[2]; /* what is written to [1] is read from [0] */

static int begin(void **state)
{
	(void)state;
	if (pipe(sink) != 0 || fcntl(sink[0], F_SETFL, O_NONBLOCK) != 0)
		return -1;
	log_to(sink[1]);
	log_set_level(POPGATE_LOG_INFO);
	log_set_process("test");
	log_set_session(NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	log_to(STDERR_FILENO); /* and so closes the sink */
	close(sink[0]);
	return fcntl(sink[1], F_GETFD) < 0 ? 0 : -1;
}

/* All that was written, NUL-terminated. */
static const char *written(void)
{
	static char text[1 << 17];
	size_t size = 0;
	ssize_t got;

	while ((got = read(sink[0], text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	assert_int_equal(memchr(text, '\0', size) == NULL, 1);
	text[size] = '\0';
	return text;
}

/* What was written, from ` event=` on. */
static const char *written_event(void)
{
	const char *at = strstr(written(), " event=");

	return at == NULL ? "(no event)" : at;
}

static void a_line(void **state)
{
	struct log_line line;
	const char *text;
	char expected[128];

	(void)state;
	log_begin(&line, POPGATE_LOG_INFO, "session", "00000000000000ff");
	log_text(&line, "user", "bob");
	log_text(&line, "text", "two words");
	log_octets(&line, "octets", "a\0b", 3);
	log_number(&line, "number", UINT64_MAX);
	log_end(&line);
	text = written();
	/* time=2026-01-31T12:00:00.123Z */
	assert_int_equal(strncmp(text, "time=", 5), 0);
	assert_int_equal(strcspn(text, " "), 29);
	assert_int_equal(text[28], 'Z');
	snprintf(expected, sizeof(expected), " level=info process=test pid=%ld session=00000000000000ff event=session ",
		 (long)getpid());
	assert_int_equal(strncmp(text + 29, expected, strlen(expected)), 0);
	assert_string_equal(text + 29 + strlen(expected),
			    "user=bob text=\"two words\" octets=\"a\\x00b\" number=18446744073709551615\n");
}

static void values_cannot_forge(void **state)
{
	static const struct {
		const char *value, *shown;
	} cases[] = {
	    {"", "\"\""},
	    {"a", "a"},
	    {"a b", "\"a b\""},
	    {"a=b", "\"a=b\""},
	    {"x\nlevel=warn", "\"x\\x0alevel=warn\""},
	    {"x\" level=warn y=\"", "\"x\\x22 level=warn y=\\x22\""},
	    {"\\", "\"\\x5c\""},
	    {"\r\t\x1b[2J\x7f", "\"\\x0d\\x09\\x1b[2J\\x7f\""},
	    {"\xc3\xa4\xff", "\"\\xc3\\xa4\\xff\""},
	    {"%s%n", "%s%n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[256];
		struct log_line line;

		log_begin(&line, POPGATE_LOG_WARN, "e", NULL);
		log_text(&line, "v", cases[i].value);
		log_end(&line);
		snprintf(expected, sizeof(expected), " event=e v=%s\n", cases[i].shown);
		assert_string_equal(written_event(), expected);
	}
}

static void input_23_no_octet_but_printable_ones(void **state)
{
	char all[256];
	struct log_line line;
	const char *text;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	log_begin(&line, POPGATE_LOG_INFO, "e", NULL);
	log_octets(&line, "v", all, sizeof(all));
	log_end(&line);
	log_say(POPGATE_LOG_INFO, NULL, "%.255s", all + 1);
	text = written();
	for (; *text != '\0'; text++)
		assert_true(*text == '\n' || (*text >= 0x20 && *text < 0x7f));
}

/* However much is put into it, a line is one line and has its bound. */
static void lines_are_bounded(void **state)
{
	static char big[10000];
	const char *text;

	(void)state;
	for (int c = 'x'; c >= 0; c -= 'x' - 1) {
		memset(big, c, sizeof(big));
		for (size_t size = 0; size < sizeof(big); size += 97) {
			struct log_line line;

			log_begin(&line, POPGATE_LOG_INFO, "e", NULL);
			for (int i = 0; i < 5; i++) {
				log_octets(&line, "value", big, size);
				log_number(&line, "number", size);
			}
			log_end(&line);
			text = written();
			assert_true(strlen(text) < LOG_LINE_MAX);
			assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		}
	}
	big[sizeof(big) - 1] = '\0';
	memset(big, 'x', sizeof(big) - 1);
	log_say(POPGATE_LOG_INFO, NULL, "%s", big);
	text = written();
	assert_true(strlen(text) < LOG_LINE_MAX);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void levels(void **state)
{
	static const enum popgate_log_level all[] = {POPGATE_LOG_WARN, POPGATE_LOG_INFO, POPGATE_LOG_DEBUG};

	(void)state;
	for (size_t set = 0; set < 3; set++) {
		log_set_level(all[set]);
		for (size_t i = 0; i < 3; i++) {
			log_say(all[i], NULL, "x");
			assert_int_equal(*written() != '\0', i <= set);
		}
	}
	log_set_level(POPGATE_LOG_DEBUG);
	log_say(POPGATE_LOG_WARN, NULL, "x");
	assert_non_null(strstr(written(), " level=warn "));
	log_say(POPGATE_LOG_DEBUG, NULL, "x");
	assert_non_null(strstr(written(), " level=debug "));
}

static void sessions(void **state)
{
	char id[LOG_SESSION_SIZE];

	(void)state;
	log_session_id(255, id);
	assert_string_equal(id, "00000000000000ff");
	log_session_id(UINT64_MAX, id);
	assert_string_equal(id, "ffffffffffffffff");
	log_say(POPGATE_LOG_INFO, NULL, "x");
	assert_null(strstr(written(), "session="));
	log_set_session("0123456789abcdefTOO LONG");
	log_say(POPGATE_LOG_INFO, NULL, "x");
	assert_non_null(strstr(written(), " session=0123456789abcdef event=message msg=x\n"));
	log_say(POPGATE_LOG_INFO, "other", "x");
	assert_non_null(strstr(written(), " session=other event=message msg=x\n"));
}

/* Logs until the sink takes no more, and `more` lines beyond. Returns how many lines were logged. */
static unsigned fill(unsigned more)
{
	unsigned count = 0, full = 0;
	char text[300];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	/* A pipe holds 64 KiB by default: this is far beyond. */
	while (count < 1000 || full++ < more) {
		log_say(POPGATE_LOG_INFO, NULL, "%s", text);
		count++;
	}
	return count;
}

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/* What a blocked sink did not take is dropped, and the count of it told when it takes again. */
static void a_blocked_sink_is_not_waited_for(void **state)
{
	unsigned logged, kept;
	char expected[64];

	(void)state;
	alarm(20);
	logged = fill(500);
	alarm(0);
	kept = count_lines(written());
	assert_true(kept > 10 && kept < logged);
	log_say(POPGATE_LOG_WARN, NULL, "x");
	assert_string_equal(written_event(), " event=message msg=x\n");
	log_say(POPGATE_LOG_INFO, NULL, "x");
	snprintf(expected, sizeof(expected), " event=message msg=x dropped_lines=%u\n", logged - kept);
	assert_string_equal(written_event(), expected);
	log_say(POPGATE_LOG_INFO, NULL, "x");
	assert_string_equal(written_event(), " event=message msg=x\n");
}

/* No line is torn where the sink is full. */
static void lines_stay_whole(void **state)
{
	const char *text;

	(void)state;
	fill(0);
	text = written();
	while (*text != '\0') {
		const char *lf = strchr(text, '\n');

		assert_non_null(lf);
		assert_int_equal(strncmp(text, "time=", 5), 0);
		assert_int_equal(lf[-1], 'x');
		text = lf + 1;
	}
	log_say(POPGATE_LOG_INFO, NULL, "x"); /* takes the count away */
	(void)written();
}

static void a_sink_that_has_gone(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	close(sink[0]);
	log_say(POPGATE_LOG_INFO, NULL, "lost");
	log_to(STDERR_FILENO);
	assert_int_equal(begin(state), 0);
	assert_int_equal(log_descriptor(), sink[1]);
	log_say(POPGATE_LOG_INFO, NULL, "x");
	assert_string_equal(written_event(), " event=message msg=x dropped_lines=1\n");
	signal(SIGPIPE, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_line, begin, end),
	    cmocka_unit_test_setup_teardown(values_cannot_forge, begin, end),
	    cmocka_unit_test_setup_teardown(input_23_no_octet_but_printable_ones, begin, end),
	    cmocka_unit_test_setup_teardown(lines_are_bounded, begin, end),
	    cmocka_unit_test_setup_teardown(levels, begin, end),
	    cmocka_unit_test_setup_teardown(sessions, begin, end),
	    cmocka_unit_test_setup_teardown(a_blocked_sink_is_not_waited_for, begin, end),
	    cmocka_unit_test_setup_teardown(lines_stay_whole, begin, end),
	    cmocka_unit_test_setup_teardown(a_sink_that_has_gone, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
