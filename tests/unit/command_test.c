/* Tests of the command table and of the parser of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop3/command.h"

#define A COMMAND_AUTHORIZATION
#define T COMMAND_TRANSACTION

static enum command_result parse(const char *line, unsigned where, struct command_call *call)
{
	return command_parse(line, strlen(line), where, call);
}

/* Which state knows which command, with the least of arguments that it needs. */
static void every_command_in_its_states(void **state)
{
	static const struct {
		const char *line;
		enum command_verb verb;
		unsigned states;
		bool needs_tls;
	} cases[] = {
	    {"AUTH", VERB_AUTH, A, false},     {"CAPA", VERB_CAPA, A | T, false}, {"DELE 1", VERB_DELE, T, false},
	    {"LANG", VERB_LANG, A | T, false}, {"LIST", VERB_LIST, T, false},	  {"NOOP", VERB_NOOP, T, false},
	    {"PASS x", VERB_PASS, A, true},    {"QUIT", VERB_QUIT, A | T, false}, {"RETR 1", VERB_RETR, T, false},
	    {"RSET", VERB_RSET, T, false},     {"STAT", VERB_STAT, T, false},	  {"STLS", VERB_STLS, A, false},
	    {"TOP 1 0", VERB_TOP, T, false},   {"UIDL", VERB_UIDL, T, false},	  {"USER x", VERB_USER, A, true},
	    {"UTF8", VERB_UTF8, A, false},     {"APOP x y", VERB_APOP, A, false},
	};

	(void)state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), VERB_COUNT);
	for (size_t i = 0; i < VERB_COUNT; i++) {
		for (unsigned where = A; where <= T; where <<= 1) {
			struct command_call call = {0};
			bool known = (cases[i].states & where) != 0;

			assert_int_equal(parse(cases[i].line, where, &call), known ? COMMAND_OK : COMMAND_WRONG_STATE);
			assert_int_equal(call.command->verb, cases[i].verb);
			assert_int_equal((call.command->flags & COMMAND_NEEDS_TLS) != 0, cases[i].needs_tls);
		}
	}
}

static void keywords(void **state)
{
	static const char *const unknown[] = {"",
					      " QUIT",
					      "QUI",
					      "QUITX",
					      "QUIT\t",
					      "QUIT\r",
					      "\rQUIT",
					      "XTND",
					      "TO",
					      "TOPS 1",
					      "=",
					      "Q\xfc"
					      "it"};
	struct command_call call;

	(void)state;
	assert_int_equal(parse("quit", A, &call), COMMAND_OK);
	assert_int_equal(parse("qUiT", T, &call), COMMAND_OK);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(parse(unknown[i], A | T, &call), COMMAND_UNKNOWN);
}

static void without_arguments(void **state)
{
	static const char *const bad[] = {"STAT 1",   "NOOP x", "RSET 0",  "CAPA IMAP",
					  "QUIT now", "STLS 1", "UTF8 on", "STAT \t"};
	struct command_call call;

	(void)state;
	assert_int_equal(parse("STAT", T, &call), COMMAND_OK);
	assert_false(call.has_message);
	assert_null(call.text);
	assert_int_equal(parse("STAT   ", T, &call), COMMAND_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], A | T, &call), COMMAND_BAD_ARGUMENTS);
}

static void message_numbers(void **state)
{
	static const struct {
		const char *line;
		uint64_t message; /* 0: refused */
	} cases[] = {
	    {"RETR 1", 1},
	    {"RETR  1", 1},
	    {"RETR 1 ", 1},
	    {"RETR 0001", 1},
	    {"RETR 4294967295", 4294967295u},
	    {"RETR 4294967296", 0},
	    {"RETR 18446744073709551617", 0},
	    {"RETR 0", 0},
	    {"RETR 000", 0},
	    {"RETR -1", 0},
	    {"RETR +1", 0},
	    {"RETR 1x", 0},
	    {"RETR 0x1", 0},
	    {"RETR", 0},
	    {"RETR ", 0},
	    {"RETR 1 2", 0},
	    {"RETR \t1", 0},
	    {"RETR 1\r", 0},
	    {"RETR 1\t", 0},
	    {"DELE 7", 7},
	    {"DELE 1.", 0},
	    {"DELE", 0},
	    {"LIST 3", 3},
	    {"LIST x", 0},
	    {"LIST 1 1", 0},
	    {"UIDL 9", 9},
	    {"UIDL 0", 0},
	    {"RETR \xd9\xa1", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command_call call = {0};
		enum command_result result = parse(cases[i].line, T, &call);

		if (result != (cases[i].message == 0 ? COMMAND_BAD_ARGUMENTS : COMMAND_OK))
			fail_msg("\"%s\"", cases[i].line);
		if (result == COMMAND_OK)
			assert_true(call.has_message && call.message == cases[i].message);
	}
}

static void optional_messages(void **state)
{
	struct command_call call = {0};

	(void)state;
	assert_int_equal(parse("LIST", T, &call), COMMAND_OK);
	assert_false(call.has_message);
	assert_int_equal(parse("UIDL  ", T, &call), COMMAND_OK);
	assert_false(call.has_message);
}

static void top(void **state)
{
	static const struct {
		const char *line;
		uint64_t message; /* 0: refused */
		int64_t lines;
	} cases[] = {
	    {"TOP 1 0", 1, 0},
	    {"TOP 2 10", 2, 10},
	    {"TOP  2   10  ", 2, 10},
	    {"TOP 1 9223372036854775807", 1, INT64_MAX},
	    {"TOP 1 9223372036854775808", 1, INT64_MAX},
	    {"TOP 1 99999999999999999999999999", 1, INT64_MAX},
	    {"TOP 1 9223372036854775806", 1, INT64_MAX - 1},
	    {"TOP 1 000000000000000000000000000005", 1, 5},
	    {"TOP 1", 0, 0},
	    {"TOP", 0, 0},
	    {"TOP 1 ", 0, 0},
	    {"TOP 1 -1", 0, 0},
	    {"TOP 1 +1", 0, 0},
	    {"TOP 1 99999999999999999999999999x", 0, 0},
	    {"TOP 0 1", 0, 0},
	    {"TOP 1 2 3", 0, 0},
	    {"TOP x 1", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command_call call = {0};
		enum command_result result = parse(cases[i].line, T, &call);

		if (result != (cases[i].message == 0 ? COMMAND_BAD_ARGUMENTS : COMMAND_OK))
			fail_msg("\"%s\"", cases[i].line);
		if (result == COMMAND_OK)
			assert_true(call.message == cases[i].message && call.lines == cases[i].lines);
	}
}

/* One blank ends the keyword; every other octet is the argument's. */
static void texts(void **state)
{
	static const struct {
		const char *line, *text; /* NULL: refused */
	} cases[] = {
	    {"PASS secret", "secret"},
	    {"PASS  secret ", " secret "},
	    {"PASS  ", " "},
	    {"pass a b", "a b"},
	    {"PASS ", NULL},
	    {"PASS", NULL},
	    {"PASS a\rb", NULL},
	    {"PASS \ta", "\ta"},
	    {"USER \xc3\xa4", "\xc3\xa4"},
	    {"USER", NULL},
	    {"AUTH PLAIN =", "PLAIN ="},
	};
	struct command_call call;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum command_result result;

		call = (struct command_call){0};
		result = parse(cases[i].line, A, &call);
		if (result != (cases[i].text == NULL ? COMMAND_BAD_ARGUMENTS : COMMAND_OK))
			fail_msg("\"%s\"", cases[i].line);
		if (result == COMMAND_OK) {
			assert_int_equal(call.text_size, strlen(cases[i].text));
			assert_string_equal(call.text, cases[i].text);
		}
	}
	assert_int_equal(parse("AUTH", A, &call), COMMAND_OK);
	assert_null(call.text);
	assert_int_equal(parse("AUTH ", A, &call), COMMAND_OK);
	assert_null(call.text);
	assert_int_equal(parse("LANG *", T, &call), COMMAND_OK);
	assert_string_equal(call.text, "*");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_command_in_its_states),
	    cmocka_unit_test(keywords),
	    cmocka_unit_test(without_arguments),
	    cmocka_unit_test(message_numbers),
	    cmocka_unit_test(optional_messages),
	    cmocka_unit_test(top),
	    cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
