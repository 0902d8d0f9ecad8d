/* Tests of what of a provider's words reaches the log: no secret that it repeats, in whatever form, and what helps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/quote.h"

#define ALL 400

static void assert_shown(const char *text, const struct quote_secrets *secrets, const char *expected)
{
	char shown[ALL];

	quote_text(text, secrets, shown, sizeof(shown));
	assert_string_equal(shown, expected);
}

static const struct quote_secrets none;

static void what_helps_is_kept(void **state)
{
	static const char *const texts[] = {
	    "Token has been expired or revoked.",
	    "AADSTS700016: No application has the identifier '01234567-89ab-cdef-0123-456789ABCDEF'",
	    "Correlation ID: 01234567-89ab-cdef-0123-456789abcdef.",
	    "unsupported_grant_type: see login.microsoftonline.com/common/oauth or urn:ietf:params:oauth:grant-type:x",
	    "Timestamp: 2026-01-31 12:34:56Z, 1234567890123456789 of them",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_shown(texts[i], &none, texts[i]);
	assert_shown("\x1b[2Jgr\xc3\xbc\xc3\x9f \"x\"", &none, "\\x1b[2Jgr\\xc3\\xbc\\xc3\\x9f \\x22x\\x22");
}

static void what_looks_like_a_token_is_left_out(void **state)
{
	(void)state;
	assert_shown("bad token eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJq_-.c2ln, sorry", &none,
		     "bad token ..., sorry");
	assert_shown("a=1&client_secret=s3cr%2Ft%2Bwith&b=2", &none, "a=1&...&b=2");
	assert_shown("Basic cG9wZ2F0ZTpzZWNyZXQ=", &none, "Basic ...");
	assert_shown("12345678901234567890 1234567890123456789", &none, "... 1234567890123456789");
	assert_shown("01234567-89ab-cdef-0123-456789abcdef-0", &none, "...");
	assert_shown("01234567-89ab-cdef-0123-456789abcdeg", &none, "...");
	assert_shown("01234567-89ab-cdef-0123_456789abcdef", &none, "...");
}

static void secret_is_found_however_it_is_encoded(void **state)
{
	static const struct {
		const char *secret, *text;
	} cases[] = {
	    {"short", "secret short is wrong"},
	    {"a/b c+d", "bad: a/b c+d"},
	    {"a/b c+d", "bad: a%2Fb%20c%2Bd"},
	    {"a/b c+d", "bad: a%2fb+c%2bd"},
	    {"a/b c+d", "bad: a%252Fb%2520c%252bd"},
	    {"a/b c+d", "bad: a/b%20c+d"},
	    {"a/b c+d", "bad: a%%32%46b+c+d"},
	    {"100%25", "bad: 100%25"},
	    {"100%25", "bad: 100%2525"},
	    {"1%4", "bad: 1%41"},
	    {"pl\xc3\xa4in", "bad: pl%C3%A4in"},
	    {"correct-horse-battery-staple", "bad: correct-horse-battery-staple"},
	    {"01234567-89ab-cdef-0123-456789abcdef", "bad: 01234567-89ab-cdef-0123-456789abcdef"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t place = 0; place < QUOTE_SECRETS; place++) {
			struct quote_secrets secrets = {{NULL}};

			secrets.texts[place] = cases[i].secret;
			assert_shown(cases[i].text, &secrets, "");
			assert_shown("bad: nothing", &secrets, "bad: nothing");
		}
}

static void piece_of_a_secret_is_left_out(void **state)
{
	const struct quote_secrets secrets = {
	    {"correct-horse-battery-staple", "",
	     "01234567-89ab-cdef-0123-456789abcdef.11111111-2222-3333-4444-555555555555"}};

	(void)state;
	assert_shown("correct-horse-battery", &secrets, "...");
	assert_shown("in correct-horses-battery", &secrets, "in correct-horses-battery");
	assert_shown("11111111-2222-3333-4444-555555555555", &secrets, "...");
	assert_shown("11111111-2222-3333-4444-555555555556", &secrets, "11111111-2222-3333-4444-555555555556");
}

/* Wherever it is cut. */
static void long_text_is_cut(void **state)
{
	char text[3000], shown[64];

	(void)state;
	for (size_t before = 0; before < 100; before++) {
		memset(text, '.', sizeof(text));
		for (size_t i = 0; i < before; i++)
			text[i] = ' ';
		memset(text + before, 'Q', 1000);
		text[sizeof(text) - 1] = '\0';
		quote_text(text, &none, shown, sizeof(shown));
		assert_true(strlen(shown) < sizeof(shown));
		assert_null(strchr(shown, 'Q'));
	}
	memset(text, ' ', sizeof(text) - 1);
	quote_text(text, &none, shown, sizeof(shown));
	assert_string_equal(shown + strlen(shown) - 3, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_helps_is_kept),
	    cmocka_unit_test(what_looks_like_a_token_is_left_out),
	    cmocka_unit_test(secret_is_found_however_it_is_encoded),
	    cmocka_unit_test(piece_of_a_secret_is_left_out),
	    cmocka_unit_test(long_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
