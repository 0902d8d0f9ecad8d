/* Tests of what CAPA and LANG reply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/mechanism.h"
#include "pop3/capability.h"
#include "pop3/language.h"

static const char *capa(bool transaction, bool stls, unsigned mechanisms)
{
	static char reply[CAPABILITY_REPLY_MAX + 1];
	const struct capability_facts facts = {.transaction = transaction, .stls = stls, .mechanisms = mechanisms};
	size_t size = capability_reply(&facts, reply);

	assert_true(size < CAPABILITY_REPLY_MAX);
	reply[size] = '\0';
	assert_int_equal(strlen(reply), size);
	return reply;
}

#define ALWAYS                                                                                                         \
	"+OK capabilities follow\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUTF8 "                \
	"USER\r\nLANG\r\n"

#define PASSWORDS (MECHANISM_BIT(MECHANISM_USER) | MECHANISM_BIT(MECHANISM_PLAIN) | MECHANISM_BIT(MECHANISM_LOGIN))

static void before_login(void **state)
{
	(void)state;
	assert_string_equal(capa(false, false, 0), ALWAYS ".\r\n");
	assert_string_equal(capa(false, true, 0), ALWAYS "STLS\r\n.\r\n");
	assert_string_equal(capa(false, false, PASSWORDS), ALWAYS "USER\r\nSASL PLAIN LOGIN\r\n.\r\n");
	assert_string_equal(capa(false, true, PASSWORDS), ALWAYS "STLS\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n");
	assert_string_equal(capa(false, false, MECHANISM_BIT(MECHANISM_USER)), ALWAYS "USER\r\n.\r\n");
	assert_string_equal(capa(false, false, MECHANISM_BIT(MECHANISM_APOP)), ALWAYS ".\r\n");
	assert_string_equal(capa(false, true, ~0u),
			    ALWAYS "STLS\r\nUSER\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 "
				   "SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2\r\n.\r\n");
}

/* Who is logged in is told what runs here, and no longer how to log in. */
static void after_login(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		const char *reply = capa(true, i & 1, i & 2 ? ~0u : 0);

		assert_memory_equal(reply, ALWAYS "IMPLEMENTATION popgate-",
				    sizeof(ALWAYS "IMPLEMENTATION popgate-") - 1);
		assert_null(strstr(reply, "STLS"));
		assert_null(strstr(reply, "SASL"));
		assert_null(strstr(reply, "\r\nUSER"));
		assert_string_equal(reply + strlen(reply) - 5, "\r\n.\r\n");
	}
}

/* RFC 2449 section 6.5: USER stands in AUTHORIZATION alone, where others have other delays. */
static void login_delays(void **state)
{
	struct capability_facts facts = {.delays = true, .delay_varies = true, .login_delay = 86400};
	char reply[CAPABILITY_REPLY_MAX + 1];

	(void)state;
	reply[capability_reply(&facts, reply)] = '\0';
	assert_non_null(strstr(reply, "\r\nLOGIN-DELAY 86400 USER\r\n"));
	facts.transaction = true;
	reply[capability_reply(&facts, reply)] = '\0';
	assert_non_null(strstr(reply, "\r\nLOGIN-DELAY 86400\r\n"));
	facts = (struct capability_facts){.delays = true};
	reply[capability_reply(&facts, reply)] = '\0';
	assert_non_null(strstr(reply, "\r\nLOGIN-DELAY 0\r\n"));
	assert_null(strstr(capa(true, true, true), "LOGIN-DELAY"));
}

static void assert_lang(const char *tag, const char *expected)
{
	char reply[LANGUAGE_REPLY_MAX];
	size_t size = language_reply(tag, reply);

	assert_int_equal(size, strlen(expected));
	assert_memory_equal(reply, expected, size);
}

static void languages(void **state)
{
	static const char *const english[] = {"en", "EN", "*", "en-GB", "eN-us-x-y"};
	static const char *const others[] = {"", "de", "e", "en-", "english", "i", "x-en", "**", " en", "en "};
	char longest[256];

	(void)state;
	assert_lang(NULL, "+OK languages follow\r\nen English\r\ni-default Default language\r\n.\r\n");
	assert_lang("I-Default", "+OK i-default replies are in this language now\r\n");
	for (size_t i = 0; i < sizeof(english) / sizeof(english[0]); i++)
		assert_lang(english[i], "+OK en replies are in this language now\r\n");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_lang(others[i], "-ERR en no such language here\r\n");
	/* What the client says never comes back. */
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_lang(longest, "-ERR en no such language here\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(before_login),
	    cmocka_unit_test(after_login),
	    cmocka_unit_test(login_delays),
	    cmocka_unit_test(languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
