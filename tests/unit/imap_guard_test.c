/* The guard lets real servers' answers pass and stops what libetpan cannot be trusted with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/imap/guard.h"

static const struct guard_limits usual = {.octets = 4096, .lines = 50, .body = 1000};

static enum guard_verdict feed_all(const struct guard_limits *limits, const char *text, size_t size, size_t chunk)
{
	enum guard_verdict verdict = GUARD_FINE;
	struct guard g;

	guard_init(&g);
	guard_command(&g, limits);
	for (size_t i = 0; i < size; i += chunk)
		verdict = guard_feed(&g, text + i, size - i < chunk ? size - i : chunk);
	return verdict;
}

/* The verdict must not depend on where reads end. */
static enum guard_verdict judge_n(const char *text, size_t size)
{
	enum guard_verdict verdict = feed_all(&usual, text, size, size);

	for (size_t chunk = 1; chunk < 8; chunk++)
		assert_int_equal(feed_all(&usual, text, size, chunk), verdict);
	return verdict;
}

static enum guard_verdict judge(const char *text)
{
	return judge_n(text, strlen(text));
}

static void passes_what_servers_say(void **state)
{
	static const char *const fine[] = {
	    "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+] Dovecot (Debian) ready.\r\n",
	    "+ \r\n",
	    "+ idling\r\n",
	    "+ OK {5}\r\n",
	    "* CAPABILITY IMAP4rev1 AUTH=PLAIN UTF8=ACCEPT\r\n1 OK [READ-WRITE] done\r\n",
	    "* FLAGS (\\Answered \\Flagged $Forwarded NonJunk)\r\n",
	    "* OK [PERMANENTFLAGS (\\Answered \\Seen $x[1] \\*)] Flags permitted.\r\n",
	    "* OK [PERMANENTFLAGS ()] none\r\n",
	    "* OK [UIDVALIDITY 4294967295] UIDs valid\r\n* 3 EXISTS\r\n* OK [HIGHESTMODSEQ 99999999999999] x\r\n",
	    "* 7 FETCH (UID 7 RFC822.SIZE 5000000000 MODSEQ (18446744073709551))\r\n",
	    "* 7 FETCH (FLAGS (12345678901234567890 \\Seen) UID 7)\r\n",
	    "* 7 FETCH (BODY[] {5}\r\n(({\"% UID 7)\r\n12 OK done\r\n",
	    "* 7 FETCH (UID 7 BODY[TEXT]<0> {0}\r\n)\r\n",
	    "* 7 FETCH (BODY[HEADER.FIELDS (\"A{B\" FROM)] NIL INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n",
	    "* LIST (\\HasNoChildren) \"/\" \"a\\\"b\\\\{5}\"\r\n",
	    "* LIST () \"/\" {3}\r\na b\r\n",
	    "* BYE 4294967296 (((( {12} \"unfinished\r\n",
	    "* NO [ALERT] disk (nearly) full {99999999999}\r\n",
	    "* ID (\"name\" \"Dovecot\" NIL NIL)\r\n",
	    "* SEARCH\r\n* SEARCH 1 2 4294967295\r\n",
	    "\r\n* 1 EXPUNGE\r\n",
	    "* ok [ALERT] lower case\r\na1 no x\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (judge(fine[i]) != GUARD_FINE)
			fail_msg("refused as %s: %s", guard_text(judge(fine[i])), fine[i]);
}

static void refuses_bad_literals(void **state)
{
	(void)state;
	assert_int_equal(judge("* 7 FETCH (BODY[] {-5}\r\n"), GUARD_BAD_LITERAL);
	assert_int_equal(judge("* 7 FETCH (BODY[] {}\r\n"), GUARD_BAD_LITERAL);
	assert_int_equal(judge("* 7 FETCH (BODY[] {3+}\r\n"), GUARD_BAD_LITERAL);
	assert_int_equal(judge("* 7 FETCH (BODY[] { 3}\r\n"), GUARD_BAD_LITERAL);
	/* libetpan reads the literal from the same line then */
	assert_int_equal(judge("* 7 FETCH (BODY[] {3}  abc)\r\n"), GUARD_BAD_LITERAL);
	assert_int_equal(judge("* 7 FETCH (BODY[] {3}\nabc)\r\n"), GUARD_BAD_LITERAL);
	assert_int_equal(judge("* 7 FETCH (BODY[] {3}\r\rabc)\r\n"), GUARD_BAD_LITERAL);
	assert_int_equal(judge("* OK [BADCHARSET ({3}\r\nabc)] x\r\n"), GUARD_BAD_LITERAL);
}

static void limits_literals(void **state)
{
	static const struct guard_limits no_body = {.octets = 1u << 20, .lines = 10, .body = 0};
	static const struct guard_limits wide = {.octets = 1u << 20, .lines = 10, .body = UINT64_MAX};
	static const char large[] = "* 7 FETCH (BODY[] {70000}\r\n", full[] = "* 7 FETCH (BODY[] {4294967295}\r\n",
			  over[] = "* 7 FETCH (BODY[] {4294967299}\r\n";

	(void)state;
	assert_int_equal(judge("* 7 FETCH (BODY[] {1000}\r\n"), GUARD_FINE);
	assert_int_equal(judge("* 7 FETCH (BODY[] {1001}\r\n"), GUARD_LONG_LITERAL);
	assert_int_equal(judge("* 7 FETCH (BODY[] {99999999999999999999999999999}\r\n"), GUARD_LONG_LITERAL);
	/* only what goes to the sink may be large */
	assert_int_equal(judge("* 7 FETCH (ENVELOPE ({70000}\r\n"), GUARD_LONG_LITERAL);
	assert_int_equal(feed_all(&no_body, large, strlen(large), 100), GUARD_LONG_LITERAL);
	assert_int_equal(feed_all(&wide, full, strlen(full), 100), GUARD_FINE);
	assert_int_equal(feed_all(&wide, over, strlen(over), 100), GUARD_LONG_LITERAL);
}

static void refuses_numbers_that_wrap(void **state)
{
	(void)state;
	assert_int_equal(judge("* 7 FETCH (UID 4294967307)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (UID  00004294967307)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (UID 99999999999999999999999999)\r\n"), GUARD_BIG_NUMBER);
	/* 2^64 + 7 */
	assert_int_equal(judge("* 7 FETCH (UID 18446744073709551623)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 4294967296 EXISTS\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* OK [UIDVALIDITY 4294967296] x\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* OK [uidnext 4294967296] x\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* SEARCH 1 2 4294967297\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (BODY[]<4294967296> NIL)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (BODY[] {3}\r\nabc UID 4294967297)\r\n"), GUARD_BIG_NUMBER);
}

static void refuses_flag_lists_that_crash(void **state)
{
	(void)state;
	assert_int_equal(judge("* OK [PERMANENTFLAGS (%)] x\r\n"), GUARD_BAD_FLAGS);
	assert_int_equal(judge("* OK [permanentflags  (  %)] x\r\n"), GUARD_BAD_FLAGS);
	assert_int_equal(judge("* NO [PERMANENTFLAGS (\\%)] x\r\n"), GUARD_BAD_FLAGS);
	assert_int_equal(judge("3 OK [PERMANENTFLAGS (\"x\")] x\r\n"), GUARD_BAD_FLAGS);
	assert_int_equal(judge("+ [PERMANENTFLAGS (]"), GUARD_BAD_FLAGS);
	assert_int_equal(judge("* OK   [PERMANENTFLAGS (\r\n"), GUARD_BAD_FLAGS);
}

static void refuses_deep_nesting(void **state)
{
	char text[200] = "* 7 FETCH ";

	(void)state;
	memset(text + strlen(text), '(', GUARD_DEPTH_MAX);
	assert_int_equal(judge(text), GUARD_FINE);
	text[strlen(text)] = '(';
	assert_int_equal(judge(text), GUARD_DEEP);
	assert_int_equal(
	    judge("* 7 FETCH (X \"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((\")\r\n"),
	    GUARD_FINE);
}

static void refuses_what_the_parser_reads_otherwise(void **state)
{
	(void)state;
	assert_int_equal(judge("* LIST () \"/\" \"open\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("* LIST () \"/\" \"open\\\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("* 7 FETCH (UID\t7)\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge(" * 7 EXISTS\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("garbage here\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("*\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge_n("* OK a\0b\r\n", 10), GUARD_BAD_SYNTAX);
	assert_int_equal(judge_n("* 7 FETCH (\0)\r\n", 15), GUARD_BAD_SYNTAX);
}

static void limits_what_a_command_brings(void **state)
{
	static const struct guard_limits few = {.octets = 1u << 20, .lines = 3, .body = 1u << 20};
	static const struct guard_limits small = {.octets = 40, .lines = 100, .body = 1u << 20};
	char body[200];
	int n = snprintf(body, sizeof(body), "* 1 FETCH (BODY[] {100}\r\n%0100d)\r\n", 0);

	(void)state;
	assert_int_equal(feed_all(&few, "* OK x\r\n* OK x\r\n* OK x\r\n", 24, 5), GUARD_FINE);
	assert_int_equal(feed_all(&few, "* OK x\r\n* OK x\r\n* OK x\r\n* OK x\r\n", 32, 5), GUARD_TOO_MANY);
	assert_int_equal(feed_all(&small, "* OK 34567890123456789012345678901234567890\r\n", 45, 5), GUARD_TOO_MUCH);
	/* a body does not count, any other literal does */
	assert_int_equal(feed_all(&small, body, (size_t)n, 7), GUARD_FINE);
	body[17] = 'X';
	memcpy(body + 11, "XXXX", 4);
	assert_int_equal(feed_all(&small, body, (size_t)n, 7), GUARD_TOO_MUCH);
}

static void limits_lines(void **state)
{
	static const struct guard_limits wide = {.octets = 1u << 30, .lines = 10, .body = 1u << 30};
	size_t size = GUARD_LINE_MAX + 1;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', size);
	memcpy(text, "* OK ", 5);
	assert_int_equal(feed_all(&wide, text, GUARD_LINE_MAX, 4096), GUARD_FINE);
	assert_int_equal(feed_all(&wide, text, size, 4096), GUARD_LONG_LINE);
	free(text);
}

static void stays_closed(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g);
	guard_command(&g, &usual);
	assert_int_equal(guard_feed(&g, "* 7 FETCH ({x", 13), GUARD_BAD_LITERAL);
	guard_command(&g, &usual);
	assert_int_equal(guard_feed(&g, "* OK fine\r\n", 11), GUARD_BAD_LITERAL);
	/* nothing was asked for yet */
	guard_init(&g);
	assert_int_equal(guard_feed(&g, "* OK\r\n", 6), GUARD_TOO_MUCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_what_servers_say),
	    cmocka_unit_test(refuses_bad_literals),
	    cmocka_unit_test(limits_literals),
	    cmocka_unit_test(refuses_numbers_that_wrap),
	    cmocka_unit_test(refuses_flag_lists_that_crash),
	    cmocka_unit_test(refuses_deep_nesting),
	    cmocka_unit_test(refuses_what_the_parser_reads_otherwise),
	    cmocka_unit_test(limits_what_a_command_brings),
	    cmocka_unit_test(limits_lines),
	    cmocka_unit_test(stays_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
