/* The guard lets real servers' answers pass, empties what nobody needs of them, and stops what libetpan cannot be
 * trusted with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/imap/guard.h"

static const struct guard_bounds bounds = {.line = 1u << 20, .literal = 1u << 16, .depth = 64};
static const struct guard_limits usual = {.octets = 4096, .lines = 50, .body = 1000, .bodies = 2};

/* Feeds a copy, which is what is left of the text then. */
static enum guard_verdict feed_copy(const struct guard_limits *limits, char *copy, size_t size, size_t chunk)
{
	enum guard_verdict verdict = GUARD_FINE;
	struct guard g;

	guard_init(&g, &bounds);
	guard_command(&g, limits);
	for (size_t i = 0; i < size; i += chunk)
		verdict = guard_feed(&g, copy + i, size - i < chunk ? size - i : chunk);
	return verdict;
}

static enum guard_verdict feed_all(const struct guard_limits *limits, const char *text, size_t size, size_t chunk)
{
	char *copy = malloc(size);
	enum guard_verdict verdict;

	assert_non_null(copy);
	memcpy(copy, text, size);
	verdict = feed_copy(limits, copy, size, chunk);
	free(copy);
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

static enum guard_verdict feed_bounded(const struct guard_bounds *narrow, const char *text)
{
	char copy[300];
	struct guard g;

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	guard_init(&g, narrow);
	guard_command(&g, &usual);
	return guard_feed(&g, copy, strlen(text));
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

static void input_49_malformed_literals_are_refused(void **state)
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

static void input_49_large_literals_are_refused(void **state)
{
	static const struct guard_limits no_body = {.octets = 1u << 20, .lines = 10, .body = 0};
	static const struct guard_limits wide = {.octets = 1u << 20, .lines = 10, .body = UINT64_MAX, .bodies = 1};
	static const struct guard_bounds narrow = {.line = 100, .literal = 10, .depth = 2};
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
	/* where no body was asked for none may be as large as IMAP can announce */
	assert_int_equal(judge("* LIST () \"/\" {4294967295}\r\n"), GUARD_LONG_LITERAL);
	assert_int_equal(judge("* 7 FETCH (ENVELOPE ({99999999999}\r\n"), GUARD_LONG_LITERAL);
	assert_int_equal(feed_bounded(&narrow, "* LIST () \"/\" {10}\r\n"), GUARD_FINE);
	assert_int_equal(feed_bounded(&narrow, "* LIST () \"/\" {11}\r\n"), GUARD_LONG_LITERAL);
}

static void input_56_numbers_that_wrap_are_refused(void **state)
{
	(void)state;
	assert_int_equal(judge("* 7 FETCH (UID 4294967307)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (UID  00004294967307)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (UID 99999999999999999999999999)\r\n"), GUARD_BIG_NUMBER);
	/* 2^64 + 7 */
	assert_int_equal(judge("* 7 FETCH (UID 18446744073709551623)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 4294967296 EXISTS\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 18446744073709551617 EXPUNGE\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 4294967303 FETCH (UID 7)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 4294967297 RECENT\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* OK [UNSEEN 4294967297] x\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* OK [UIDVALIDITY 4294967296] x\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* OK [uidnext 4294967296] x\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* SEARCH 1 2 4294967297\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (BODY[]<4294967296> NIL)\r\n"), GUARD_BIG_NUMBER);
	assert_int_equal(judge("* 7 FETCH (BODY[] {3}\r\nabc UID 4294967297)\r\n"), GUARD_BIG_NUMBER);
}

/* libetpan takes the digits for the number, wraps them, and reads the next word right behind them. */
static void input_56_numbers_glued_to_a_word_are_refused(void **state)
{
	(void)state;
	assert_int_equal(judge("* 7 FETCH (UID 4294967307BODY[] {3}\r\nabc)\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("* 7 FETCH (UID 11BODY[] {3}\r\nabc)\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("* 4294967297EXISTS \r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("* SEARCH 4294967297x\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("* OK [UIDVALIDITY 4294967297x] x\r\n"), GUARD_BAD_SYNTAX);
	assert_int_equal(judge("1 OK 2nd time\r\n"), GUARD_FINE);
	assert_int_equal(judge("* 7 FETCH (FLAGS (4ever) UID 11)\r\n"), GUARD_FINE);
}

/* The text is taken, and becomes this, wherever reads end. */
static void becomes(const char *text, const char *expected)
{
	size_t size = strlen(text);

	assert_int_equal(strlen(expected), size);
	for (size_t chunk = 1; chunk <= size; chunk++) {
		char copy[300];

		assert_true(size < sizeof(copy));
		memcpy(copy, text, size + 1);
		assert_int_equal(feed_copy(&usual, copy, size, chunk), GUARD_FINE);
		assert_string_equal(copy, expected);
	}
}

static void leaves_what_is_needed(void **state)
{
	static const char *const needed[] = {
	    "* CAPABILITY IMAP4rev1 AUTH=PLAIN UTF8=ACCEPT\r\n1 OK [READ-WRITE] done\r\n",
	    "* OK [CAPABILITY IMAP4rev1 SASL-IR] ready (now)\r\n* 3 EXISTS\r\n* 1 EXPUNGE\r\n",
	    "* OK [UIDVALIDITY 7] x\r\n* NO [READ-ONLY] \"x\" {5}\r\n* BYE (x)\r\n",
	    "* SEARCH 1 2 3\r\n* search\r\n+ go (on)\r\n",
	    "* 7 FETCH (UID 7 FLAGS (\\Seen) BODY[] {5}\r\n(\"{x) X \"(\\\"\" BODY[TEXT]<0> {2}\r\n\r\n)\r\n",
	    "* OK [UIDNEXT 9] x\r\n1 NO [REFERRAL imap://a@b/] x\r\n* NO [ALERTED] x\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		becomes(needed[i], needed[i]);
}

static void shows_no_lists_of_codes_that_nobody_needs(void **state)
{
	(void)state;
	becomes("* OK [PERMANENTFLAGS (%)] x (y)\r\n", "* OK [PERMANENTFLAGS ___] x (y)\r\n");
	becomes("* OK [permanentflags  (  \\%)] x\r\n", "* OK [permanentflags  _  ___] x\r\n");
	becomes("3 OK [PERMANENTFLAGS(\"x\")] x\r\n", "3 OK [PERMANENTFLAGS__x__] x\r\n");
	becomes("+ [PERMANENTFLAGS (\r\n", "+ [PERMANENTFLAGS _\r\n");
	becomes("* OK [BADCHARSET (a \"b]\")] y\r\n", "* OK [BADCHARSET _a _b]\")] y\r\n");
	becomes("* OK   [5 (a)] y\r\n", "* OK   [5 _a_] y\r\n");
	/* a quote that is never closed is one octet like any other */
	becomes("* OK [X-REASON don\"t] y\r\n", "* OK [X-REASON don_t] y\r\n");
	assert_int_equal(judge("* OK [CAPABILITY A\" B] y\r\n"), GUARD_FINE);
}

/* libetpan copies the text that follows these, and there may be none. */
static void shows_no_bracket_of_alert_and_parse(void **state)
{
	(void)state;
	becomes("* OK [ALERT]\r\n", "* OK [ALERT:\r\n");
	becomes("* NO [PARSE]\r\n", "* NO [PARSE:\r\n");
	becomes("7 OK [alert] \r\n", "7 OK [alert: \r\n");
	becomes("* OK [ ALERT ]x] y\r\n", "* OK [ ALERT :x] y\r\n");
	/* nor the next one */
	becomes("* NO [PARSE ] ]\r\n", "* NO [PARSE : ]\r\n");
	becomes("* BYE [ALERT]\n", "* BYE [ALERT:\n");
}

static void shows_the_name_alone_of_other_responses(void **state)
{
	(void)state;
	becomes("* NAMESPACE ((\"\" \"\"\r\n", "* NAMESPACExxxxxxxx\r\n");
	becomes("* STATUS INBOX ()\r\n* 0 RECENT\r\n", "* STATUSxxxxxxxxx\r\n* 0 RECENT\r\n");
	becomes("* FLAGS (\\Seen)\r\n* ID NIL\r\n", "* FLAGSxxxxxxxx\r\n* IDxxxx\r\n");
	becomes("* 5 VANISHED((\n* ENABLED\n", "* 5 VANISHEDxx\n* ENABLED\n");
	/* a literal is no line of its own any more */
	becomes("* LIST () \"/\" {4}\r\na\r\nb x\r\n* 3 EXISTS\r\n", "* LISTxxxxxxxxxxxxxxxxxxx\r\n* 3 EXISTS\r\n");
	becomes("* LIST {0}\r\n)\r\n", "* LISTxxxxxxx\r\n");
	becomes("* X (BODY[] {3}\r\nabc)\r\n", "* Xxxxxxxxxxxxxxxxxxx\r\n");
}

/* libetpan takes no status without a text, which some servers leave out. */
/* libetpan reads folders only while they are asked for. */
static void shows_folders_to_who_asks_for_them(void **state)
{
	static const char *const lines[] = {"* LIST (\\Junk) \"/\" \"Spam\"\r\n",
					    "* XLIST (\\Spam) \"/\" \"Spam\"\r\n"};
	struct guard_limits asked = usual;

	(void)state;
	asked.folders = true;
	for (size_t i = 0; i < 2; i++) {
		char copy[64];
		size_t size = strlen(lines[i]);

		memcpy(copy, lines[i], size + 1);
		assert_int_equal(feed_copy(&usual, copy, size, size), GUARD_FINE);
		assert_null(strstr(copy, "Spam"));
		memcpy(copy, lines[i], size + 1);
		assert_int_equal(feed_copy(&asked, copy, size, size), GUARD_FINE);
		assert_string_equal(copy, lines[i]);
	}
}

static void makes_room_for_a_text_where_there_is_none(void **state)
{
	(void)state;
	becomes("7 OK\r\n", "7 OK \n");
	becomes("* NO\r\n* 3 EXISTS\r\n", "* NO \n* 3 EXISTS\r\n");
	becomes("7 OK\rx\r\n", "7 OK x\r\n");
	becomes("7 OK x\r\n", "7 OK x\r\n");
}

/* Only what goes to the sink is a body, and no more of them than were asked for. */
static void knows_a_body_from_what_looks_like_one(void **state)
{
	static const struct guard_limits wide = {.octets = 1u << 20, .lines = 10, .body = 1u << 30, .bodies = 1};
	static const char *const lures[] = {
	    "* 7 FETCH (BODY[HEADER.FIELDS ({2000000}\r\n",
	    "* 7 FETCH (BODY[HEADER.FIELDS (A)] {2000000}\r\n",
	    "* 7 FETCH (BODY[1] {2000000}\r\n",
	    "* 7 FETCH (X (BODY[] {2000000}\r\n",
	    "* 7 FETCH BODY[] {2000000}\r\n",
	    "* 7 FETCH (BODY[] {0}\r\n {2000000}\r\n",
	    "* X (BODY[] {2000000}\r\n",
	};
	static const char body[] = "* 7 FETCH (BODY[] {2000000}\r\n";

	(void)state;
	for (size_t i = 0; i < sizeof(lures) / sizeof(lures[0]); i++)
		if (feed_all(&wide, lures[i], strlen(lures[i]), 7) != GUARD_LONG_LITERAL)
			fail_msg("taken for a body: %s", lures[i]);
	assert_int_equal(feed_all(&wide, body, strlen(body), 7), GUARD_FINE);
	assert_int_equal(judge("* 7 FETCH (BODY[HEADER] {1}\r\na BODY[TEXT]<0> {1}\r\nb)\r\n"), GUARD_FINE);
	assert_int_equal(judge("* 7 FETCH (BODY[] {1}\r\na)\r\n* 8 FETCH (BODY[] {1}\r\na)\r\n"
			       "* 9 FETCH (BODY[] {1}\r\na)\r\n"),
			 GUARD_MANY_BODIES);
}

static void input_61_deep_nesting_is_refused(void **state)
{
	static const struct guard_bounds narrow = {.line = 100, .literal = 10, .depth = 2};
	char text[200] = "* 7 FETCH ";

	(void)state;
	memset(text + strlen(text), '(', bounds.depth);
	assert_int_equal(judge(text), GUARD_FINE);
	text[strlen(text)] = '(';
	assert_int_equal(judge(text), GUARD_DEEP);
	assert_int_equal(feed_bounded(&narrow, "* 7 FETCH (X (Y) (Z))\r\n"), GUARD_FINE);
	assert_int_equal(feed_bounded(&narrow, "* 7 FETCH (X ((Y)))\r\n"), GUARD_DEEP);
	/* in what is hidden from the parser as well */
	assert_int_equal(feed_bounded(&narrow, "* LIST (((\r\n"), GUARD_DEEP);
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

static void input_61_what_a_command_brings_is_limited(void **state)
{
	static const struct guard_limits few = {.octets = 1u << 20, .lines = 3, .body = 1u << 20, .bodies = 1};
	static const struct guard_limits small = {.octets = 120, .lines = 100, .body = 1u << 20, .bodies = 1};
	static const char long_text[] = "* OK 345678901234567890123456789012345678901234567890123456789012345678901234"
					"567890123456789012345678901234567890123456789012345678901234567890\r\n";
	char body[200];
	int n = snprintf(body, sizeof(body), "* 1 FETCH (BODY[] {100}\r\n%0100d)\r\n", 0);

	(void)state;
	assert_int_equal(feed_all(&few, "* OK x\r\n* OK x\r\n* OK x\r\n", 24, 5), GUARD_FINE);
	assert_int_equal(feed_all(&few, "* OK x\r\n* OK x\r\n* OK x\r\n* OK x\r\n", 32, 5), GUARD_TOO_MANY);
	assert_int_equal(feed_all(&small, "* OK 34567890123456789012345678901234567890\r\n", 45, 5), GUARD_FINE);
	assert_int_equal(feed_all(&small, long_text, strlen(long_text), 5), GUARD_TOO_MUCH);
	/* libetpan makes more of a short word than of its octets */
	assert_int_equal(feed_all(&small, "* FLAGS a b\r\n", 13, 5), GUARD_FINE);
	assert_int_equal(feed_all(&small, "* FLAGS a b c d e\r\n", 19, 5), GUARD_TOO_MUCH);
	assert_int_equal(feed_all(&small, "* FLAGS (((((\r\n", 16, 5), GUARD_TOO_MUCH);
	/* and of a string, however short */
	assert_int_equal(feed_all(&small, "* 7 FETCH (X \"\")\r\n", 18, 5), GUARD_FINE);
	assert_int_equal(feed_all(&small, "* 7 FETCH (X \"\" \"\")\r\n", 21, 5), GUARD_TOO_MUCH);
	assert_int_equal(feed_all(&small, "* 7 FETCH (X {0}\r\n)\r\n", 21, 5), GUARD_FINE);
	assert_int_equal(feed_all(&small, "* 7 FETCH (X {0}\r\n {0}\r\n)\r\n", 27, 5), GUARD_TOO_MUCH);
	/* a body does not count, any other literal does */
	assert_int_equal(feed_all(&small, body, (size_t)n, 7), GUARD_FINE);
	body[17] = 'X';
	memcpy(body + 11, "XXXX", 4);
	assert_int_equal(feed_all(&small, body, (size_t)n, 7), GUARD_TOO_MUCH);
}

static void input_61_long_lines_are_refused(void **state)
{
	static const struct guard_limits wide = {.octets = 1u << 30, .lines = 10, .body = 1u << 30, .bodies = 1};
	static const char *const starts[] = {"* 7 FETCH ", "* OK [X-", "* 7 FETCH (X \"", "* LIST () x"};
	size_t size = bounds.line + 1;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', size);
	memcpy(text, "* OK ", 5);
	assert_int_equal(feed_all(&wide, text, bounds.line, 4096), GUARD_FINE);
	assert_int_equal(feed_all(&wide, text, size, 4096), GUARD_LONG_LINE);
	/* in data, in a code, in a quoted string, in what is hidden */
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		memcpy(text, starts[i], strlen(starts[i]));
		assert_int_equal(feed_all(&wide, text, bounds.line, 4096), GUARD_FINE);
		assert_int_equal(feed_all(&wide, text, size, 4096), GUARD_LONG_LINE);
	}
	free(text);
}

static void stays_closed(void **state)
{
	char broken[] = "* 7 FETCH ({x", fine[] = "* OK fine\r\n";
	struct guard g;

	(void)state;
	guard_init(&g, &bounds);
	guard_command(&g, &usual);
	assert_int_equal(guard_feed(&g, broken, strlen(broken)), GUARD_BAD_LITERAL);
	guard_command(&g, &usual);
	assert_int_equal(guard_feed(&g, fine, strlen(fine)), GUARD_BAD_LITERAL);
	/* nothing was asked for yet */
	guard_init(&g, &bounds);
	assert_int_equal(guard_feed(&g, fine, strlen(fine)), GUARD_TOO_MUCH);
}

/* The limits of commands under way add up; a new beginning forgets them. */
static void each_command_more_allows_more(void **state)
{
	static const struct guard_limits one = {.octets = 150, .lines = 2, .body = 10, .bodies = 1};
	static const struct guard_limits large = {.octets = 150, .lines = 2, .body = 20, .bodies = 1};
	static const char body[] = "* 7 FETCH (BODY[] {15}\r\nxxxxxxxxxxxxxxx)\r\n";
	char text[sizeof(body)];
	struct guard g;

	(void)state;
	guard_init(&g, &bounds);
	guard_command(&g, &one);
	guard_another(&g, &large);
	for (int i = 0; i < 2; i++) {
		memcpy(text, body, sizeof(body));
		assert_int_equal(guard_feed(&g, text, sizeof(body) - 1), GUARD_FINE);
	}
	memcpy(text, body, sizeof(body));
	assert_int_not_equal(guard_feed(&g, text, sizeof(body) - 1), GUARD_FINE);
	guard_init(&g, &bounds);
	guard_command(&g, &one);
	guard_another(&g, &large);
	guard_command(&g, &one);
	memcpy(text, body, sizeof(body));
	assert_int_not_equal(guard_feed(&g, text, sizeof(body) - 1), GUARD_FINE);
}

static void each_command_more_allows_more_lines(void **state)
{
	static const struct guard_limits one = {.octets = 150, .lines = 2, .body = 10, .bodies = 1};

	(void)state;
	for (int more = 0; more < 3; more++) {
		struct guard g;

		guard_init(&g, &bounds);
		guard_command(&g, &one);
		for (int i = 0; i < more; i++)
			guard_another(&g, &one);
		for (int i = 0; i < 2 * (more + 1); i++) {
			char line[] = "* OK fine\r\n";

			assert_int_equal(guard_feed(&g, line, strlen(line)), GUARD_FINE);
		}
		assert_int_equal(guard_feed(&g, (char[]){"* OK fine\r\n"}, 11), GUARD_TOO_MANY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_what_servers_say),
	    cmocka_unit_test(input_49_malformed_literals_are_refused),
	    cmocka_unit_test(input_49_large_literals_are_refused),
	    cmocka_unit_test(input_56_numbers_that_wrap_are_refused),
	    cmocka_unit_test(input_56_numbers_glued_to_a_word_are_refused),
	    cmocka_unit_test(leaves_what_is_needed),
	    cmocka_unit_test(shows_no_lists_of_codes_that_nobody_needs),
	    cmocka_unit_test(shows_no_bracket_of_alert_and_parse),
	    cmocka_unit_test(shows_the_name_alone_of_other_responses),
	    cmocka_unit_test(shows_folders_to_who_asks_for_them),
	    cmocka_unit_test(makes_room_for_a_text_where_there_is_none),
	    cmocka_unit_test(knows_a_body_from_what_looks_like_one),
	    cmocka_unit_test(input_61_deep_nesting_is_refused),
	    cmocka_unit_test(refuses_what_the_parser_reads_otherwise),
	    cmocka_unit_test(input_61_what_a_command_brings_is_limited),
	    cmocka_unit_test(input_61_long_lines_are_refused),
	    cmocka_unit_test(stays_closed),
	    cmocka_unit_test(each_command_more_allows_more),
	    cmocka_unit_test(each_command_more_allows_more_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
