/* Tests of the AUTHORIZATION state: what each line brings, in each situation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/account.h"
#include "common/mechanism.h"
#include "common/message.h"
#include "config.h"
#include "pop3/authorization.h"

static struct authorization_step step;

static enum authorization_action say(struct authorization *authorization, const char *line)
{
	authorization_line(authorization, LINE_COMPLETE, line, strlen(line), &step);
	return step.action;
}

/* The reply of the last step, whole. */
static void assert_reply(const char *expected)
{
	assert_int_equal(step.reply_size, strlen(expected));
	assert_memory_equal(step.reply, expected, step.reply_size);
}

static void assert_says(struct authorization *authorization, const char *line, const char *reply)
{
	assert_int_equal(say(authorization, line), AUTHORIZATION_REPLY);
	assert_reply(reply);
	assert_null(step.mechanism);
	assert_null(step.response);
}

static void assert_octets(const void *data, size_t size, const char *expected)
{
	assert_non_null(data);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(data, expected, size);
}

static void user_and_pass(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	assert_says(&authorization, "USER bob", "+OK send PASS\r\n");
	assert_int_equal(say(&authorization, "PASS  a b "), AUTHORIZATION_LOGIN);
	assert_string_equal(step.mechanism, "USER");
	assert_octets(step.user, step.user_size, "bob");
	assert_octets(step.response, step.response_size, " a b ");
	assert_int_equal(step.reply_size, 0);
	authorization_reset(&authorization);
	assert_null(authorization.user);
}

static void pass_needs_user(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	assert_says(&authorization, "USER bob", "+OK send PASS\r\n");
	assert_says(&authorization, "USER", "-ERR malformed arguments\r\n");
	assert_says(&authorization, "USER \xff", "-ERR the name is not UTF-8\r\n");
	/* A name that was refused is no reason to use the one before it. */
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	assert_says(&authorization, "USER bob", "+OK send PASS\r\n");
	assert_says(&authorization, "USER eve", "+OK send PASS\r\n");
	assert_int_equal(say(&authorization, "PASS secret"), AUTHORIZATION_LOGIN);
	assert_octets(step.user, step.user_size, "eve");
	authorization_reset(&authorization);
}

/* A PASS, good or bad, uses the USER up (RFC 1939 section 7). */
static void each_pass_needs_its_user(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	say(&authorization, "USER bob");
	assert_says(&authorization, "PASS", "-ERR malformed arguments\r\n");
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	say(&authorization, "USER bob");
	assert_int_equal(say(&authorization, "PASS wrong"), AUTHORIZATION_LOGIN);
	authorization_refused(&authorization, POPGATE_AUTH, &step);
	assert_int_equal(step.action, AUTHORIZATION_REPLY);
	assert_reply("-ERR [AUTH] wrong name or password\r\n");
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	authorization_reset(&authorization);
}

static void no_credential_in_clear(void **state)
{
	static const char *const lines[] = {"USER bob", "PASS secret", "AUTH PLAIN",
					    "AUTH PLAIN AGEAYg==", "AUTH LOGIN"};
	struct authorization authorization = {.stls = true};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_says(&authorization, lines[i], "-ERR TLS is needed before a password may be sent: use STLS\r\n");
	assert_says(&authorization, "AUTH", "+OK no mechanism without TLS\r\n.\r\n");
	assert_null(authorization.user);
	assert_null(authorization.response);
	authorization.cleartext_login = true;
	assert_says(&authorization, "USER bob", "+OK send PASS\r\n");
	assert_int_equal(say(&authorization, "PASS secret"), AUTHORIZATION_LOGIN);
	authorization_reset(&authorization);
}

static void auth_lists_its_mechanisms(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	assert_says(&authorization, "AUTH", "+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n");
	assert_says(&authorization, "AUTH CRAM-MD5", "-ERR this mechanism is not offered\r\n");
	assert_says(&authorization, "AUTH USER", "-ERR this mechanism is not offered\r\n");
	assert_says(&authorization, "AUTH PLAINX", "-ERR this mechanism is not offered\r\n");
	assert_says(&authorization, "AUTH  PLAIN", "-ERR this mechanism is not offered\r\n");
	authorization_reset(&authorization);
}

static void auth_begins_an_exchange(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	assert_int_equal(say(&authorization, "auth plain"), AUTHORIZATION_LOGIN);
	assert_string_equal(step.mechanism, "PLAIN");
	assert_null(step.response);
	assert_null(step.user);
	assert_int_equal(say(&authorization, "AUTH Login dXNlcg=="), AUTHORIZATION_LOGIN);
	assert_string_equal(step.mechanism, "LOGIN");
	assert_octets(step.response, step.response_size, "user");
	/* `=` is the empty response, not none. */
	assert_int_equal(say(&authorization, "AUTH PLAIN ="), AUTHORIZATION_LOGIN);
	assert_non_null(step.response);
	assert_int_equal(step.response_size, 0);
	assert_says(&authorization, "AUTH PLAIN dXNlcg", "-ERR the response is not base64\r\n");
	assert_says(&authorization, "AUTH PLAIN dXN lcg=", "-ERR the response is not base64\r\n");
	authorization_reset(&authorization);
	assert_null(authorization.response);
}

static void auth_forgets_user(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	say(&authorization, "USER bob");
	assert_int_equal(say(&authorization, "AUTH PLAIN"), AUTHORIZATION_LOGIN);
	authorization_challenge(&authorization, NULL, 0, &step);
	assert_int_equal(say(&authorization, "*"), AUTHORIZATION_CANCEL);
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	say(&authorization, "USER bob");
	assert_int_equal(say(&authorization, "AUTH PLAIN"), AUTHORIZATION_LOGIN);
	authorization_refused(&authorization, POPGATE_TEMP, &step);
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	authorization_reset(&authorization);
}

static void a_sasl_exchange(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	say(&authorization, "AUTH LOGIN");
	authorization_challenge(&authorization, (const unsigned char *)"Username:", 9, &step);
	assert_int_equal(step.action, AUTHORIZATION_REPLY);
	assert_reply("+ VXNlcm5hbWU6\r\n");
	assert_int_equal(say(&authorization, "Ym9i"), AUTHORIZATION_RESPONSE);
	assert_octets(step.response, step.response_size, "bob");
	assert_int_equal(step.reply_size, 0);
	authorization_challenge(&authorization, (const unsigned char *)"", 0, &step);
	assert_reply("+ \r\n");
	/* An empty line is an empty response. */
	assert_int_equal(say(&authorization, ""), AUTHORIZATION_RESPONSE);
	assert_non_null(step.response);
	assert_int_equal(step.response_size, 0);
	authorization_refused(&authorization, 0, &step);
	assert_reply("-ERR malformed credential\r\n");
	/* The next line is a command again. */
	assert_says(&authorization, "UTF8", "+OK UTF-8 from now on\r\n");
	authorization_reset(&authorization);
}

/* Within an exchange nothing is a command. */
static void responses_are_no_commands(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	say(&authorization, "AUTH PLAIN");
	authorization_challenge(&authorization, NULL, 0, &step);
	assert_int_equal(say(&authorization, "QUIT"), AUTHORIZATION_RESPONSE); /* four letters are base64 */
	authorization_challenge(&authorization, NULL, 0, &step);
	assert_int_equal(say(&authorization, "CAPA "), AUTHORIZATION_CANCEL);
	assert_reply("-ERR the response is not base64\r\n");
	assert_false(authorization.in_sasl);
	authorization_reset(&authorization);
}

static void an_exchange_is_cancelled(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	say(&authorization, "AUTH PLAIN");
	authorization_challenge(&authorization, NULL, 0, &step);
	assert_int_equal(say(&authorization, "*"), AUTHORIZATION_CANCEL);
	assert_reply("-ERR authentication cancelled\r\n");
	assert_null(step.response);
	assert_int_equal(say(&authorization, "*"), AUTHORIZATION_REPLY); /* a command now, and unknown */
	assert_reply("-ERR unknown command\r\n");

	say(&authorization, "AUTH PLAIN");
	authorization_challenge(&authorization, NULL, 0, &step);
	authorization_line(&authorization, LINE_TOO_LONG, NULL, 0, &step);
	assert_int_equal(step.action, AUTHORIZATION_CANCEL);
	assert_reply("-ERR line too long\r\n");
	assert_true(step.malformed);
	assert_false(authorization.in_sasl);
	authorization_reset(&authorization);
}

static void a_long_challenge_fits(void **state)
{
	static unsigned char data[2 * AUTHORIZATION_CHALLENGE_MAX];
	struct authorization authorization = {.tls = true};

	(void)state;
	authorization_challenge(&authorization, data, AUTHORIZATION_CHALLENGE_MAX, &step);
	assert_int_equal(step.reply_size, 2 + (AUTHORIZATION_CHALLENGE_MAX + 2) / 3 * 4 + 2);
	assert_memory_equal(step.reply + step.reply_size - 2, "\r\n", 2);
	authorization_challenge(&authorization, data, sizeof(data), &step);
	assert_true(step.reply_size <= AUTHORIZATION_REPLY_MAX);
	authorization_reset(&authorization);
}

static void stls_forgets_what_came_in_clear(void **state)
{
	struct authorization authorization = {.stls = true, .cleartext_login = true};

	(void)state;
	say(&authorization, "USER bob");
	say(&authorization, "UTF8");
	say(&authorization, "NONSENSE");
	say(&authorization, "AUTH PLAIN AGEAYg==");
	assert_true(authorization.utf8);
	say(&authorization, "USER bob");
	assert_int_equal(say(&authorization, "STLS"), AUTHORIZATION_STLS);
	assert_reply("+OK begin TLS negotiation now\r\n");
	assert_null(authorization.user);
	assert_null(authorization.response);
	assert_false(authorization.utf8);
	assert_int_equal(authorization.unknown, 0);
	/* The facts stay, and so does what throttles guessing. */
	assert_true(authorization.stls && authorization.cleartext_login);
	authorization.tls = true;
	assert_says(&authorization, "STLS", "-ERR TLS is active already\r\n");
	assert_says(&authorization, "PASS secret", "-ERR USER comes first\r\n");
	authorization_reset(&authorization);
}

static void stls_keeps_the_count_of_refusals(void **state)
{
	struct authorization authorization = {.stls = true, .cleartext_login = true};

	(void)state;
	for (int i = 0; i < 9; i++)
		authorization_refused(&authorization, POPGATE_AUTH, &step);
	assert_int_equal(say(&authorization, "STLS"), AUTHORIZATION_STLS);
	authorization_refused(&authorization, POPGATE_AUTH, &step);
	assert_int_equal(step.action, AUTHORIZATION_CLOSE);
}

static void stls_is_not_there(void **state)
{
	struct authorization authorization = {.cleartext_login = true};

	(void)state;
	assert_says(&authorization, "STLS", "-ERR STLS is not offered here\r\n");
	authorization.stls = true;
	assert_says(&authorization, "STLS now", "-ERR malformed arguments\r\n");
}

static bool capa_has(struct authorization *authorization, const char *line)
{
	char text[AUTHORIZATION_REPLY_MAX + 1];

	assert_int_equal(say(authorization, "CAPA"), AUTHORIZATION_REPLY);
	memcpy(text, step.reply, step.reply_size);
	text[step.reply_size] = '\0';
	return strstr(text, line) != NULL;
}

static void capa_tells_what_would_work_now(void **state)
{
	struct authorization authorization = {.stls = true};

	(void)state;
	assert_true(capa_has(&authorization, "\r\nSTLS\r\n"));
	assert_false(capa_has(&authorization, "\r\nUSER\r\n"));
	assert_false(capa_has(&authorization, "SASL"));
	assert_false(capa_has(&authorization, "IMPLEMENTATION"));
	authorization.tls = true;
	assert_false(capa_has(&authorization, "\r\nSTLS\r\n"));
	assert_true(capa_has(&authorization, "\r\nUSER\r\n"));
	assert_true(capa_has(&authorization, "\r\nSASL PLAIN LOGIN\r\n"));
	authorization.tls = false;
	authorization.stls = false;
	authorization.cleartext_login = true;
	assert_false(capa_has(&authorization, "\r\nSTLS\r\n"));
	assert_true(capa_has(&authorization, "\r\nUSER\r\n"));
}

/* What a client is told, and what it may then do, in each state of TLS and for each kind of accounts. */
static void capa_is_true_for_accounts_and_tls(void **state)
{
#ifdef HAVE_GSASL
#define SCRAM_1 "SCRAM-SHA-1 "
#define SCRAM_2 "SCRAM-SHA-256 "
#define SCRAMS	"SCRAM-SHA-256 SCRAM-SHA-1 "
#define PLUS	"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS "
#define PLUS_2	"SCRAM-SHA-256-PLUS "
#else
#define SCRAM_1 ""
#define SCRAM_2 ""
#define SCRAMS	""
#define PLUS	""
#define PLUS_2	""
#endif
	static const struct {
		bool tls, cleartext, binding, greeted;
		unsigned proofs, listed;
		const char *mechanisms; /* as SASL lists them; "": no such line */
		bool user, apop;
	} cases[] = {
	    /* in clear */
	    {false, false, false, true, 0, 0, "", false, false},
	    {false, false, false, true, ACCOUNT_HASH | ACCOUNT_DEVICES, 0, "", false, false},
	    {false, false, false, true, ACCOUNT_SCRAM_SHA_256, 0, SCRAM_2, false, false},
	    {false, false, false, true, ACCOUNT_SECRET, 0, SCRAMS "CRAM-MD5 ", false, true},
	    {false, true, false, true, 0, 0, "PLAIN LOGIN ", true, false},
	    {false, true, false, true, ACCOUNT_SECRET, 0, SCRAMS "CRAM-MD5 PLAIN LOGIN ", true, true},
	    {false, false, true, true, ACCOUNT_SECRET, 0, SCRAMS "CRAM-MD5 ", false, true}, /* no TLS: no binding */
	    /* under TLS */
	    {true, false, true, true, 0, 0, "PLAIN LOGIN ", true, false},
	    {true, false, true, true, ACCOUNT_SCRAM_SHA_256, 0, PLUS_2 SCRAM_2 "PLAIN LOGIN ", true, false},
	    {true, false, true, true, ACCOUNT_SECRET, 0, PLUS SCRAMS "CRAM-MD5 PLAIN LOGIN ", true, true},
	    {true, false, false, true, ACCOUNT_SECRET, 0, SCRAMS "CRAM-MD5 PLAIN LOGIN ", true, true},
	    {true, false, false, false, ACCOUNT_SECRET, 0, SCRAMS "CRAM-MD5 PLAIN LOGIN ", true, false},
	    /* what the listener lists */
	    {true, false, true, true, ACCOUNT_SECRET, MECHANISM_BIT(MECHANISM_APOP), "", false, true},
	    {true, false, true, true, ACCOUNT_SECRET, MECHANISM_BIT(MECHANISM_SCRAM_SHA_1), SCRAM_1, false, false},
	    {true, false, true, true, 0, MECHANISM_BIT(MECHANISM_XOAUTH2), "XOAUTH2 ", false, false},
	    {false, false, false, true, ~0u, MECHANISM_BIT(MECHANISM_XOAUTH2) | MECHANISM_BIT(MECHANISM_OAUTHBEARER),
	     "", false, false},
	    {true, false, true, true, ~0u, ~0u, PLUS SCRAMS "CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2 ", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct authorization authorization = {.tls = cases[i].tls,
						      .cleartext_login = cases[i].cleartext,
						      .binding = cases[i].binding,
						      .proofs = cases[i].proofs,
						      .mechanisms = cases[i].listed,
						      .timestamp = "<1.2@x>"};
		char line[256], command[64];

		if (!cases[i].greeted)
			authorization.timestamp[0] = '\0';
		snprintf(line, sizeof(line), "\r\nSASL %.*s\r\n", (int)strlen(cases[i].mechanisms) - 1,
			 cases[i].mechanisms);
		print_message("case %zu\n", i);
		assert_true(capa_has(&authorization, cases[i].mechanisms[0] != '\0' ? line : "\r\n.\r\n"));
		assert_int_equal(capa_has(&authorization, "SASL"), cases[i].mechanisms[0] != '\0');
		assert_int_equal(capa_has(&authorization, "\r\nUSER\r\n"), cases[i].user);
		assert_int_equal(say(&authorization, "APOP bob c4c9334bac560ecc979e58001b3e22fb"),
				 cases[i].apop ? AUTHORIZATION_LOGIN : AUTHORIZATION_REPLY);
		for (unsigned k = 0; k < MECHANISMS; k++) {
			const char *name = mechanism_name((enum mechanism)k);
			bool told;

			snprintf(command, sizeof(command), "%s ", name);
			snprintf(line, sizeof(line), " %s", cases[i].mechanisms);
			told = strstr(line, command) != NULL;
			snprintf(command, sizeof(command), "AUTH %s", name);
			assert_int_equal(say(&authorization, command),
					 told ? AUTHORIZATION_LOGIN : AUTHORIZATION_REPLY);
		}
		authorization_reset(&authorization);
	}
}

/* RFC 1939 section 7. */
static void apop_takes_a_name_and_a_digest(void **state)
{
	static const char *const malformed[] = {
	    "APOP",
	    "APOP mrose",
	    "APOP mrose ",
	    "APOP c4c9334bac560ecc979e58001b3e22fb",
	    "APOP  c4c9334bac560ecc979e58001b3e22fb",
	    "APOP mrose c4c9334bac560ecc979e58001b3e22f",
	    "APOP mrose c4c9334bac560ecc979e58001b3e22fbb",
	    "APOP mrose c4c9334bac560ecc979e58001b3e22fg",
	    "APOP mrose c4c9334bac560ecc979e58001b3e22fb ",
	    "APOP m rose c4c9334bac560ecc979e58001b3e22fb",
	    "APOP mr\xffse c4c9334bac560ecc979e58001b3e22fb",
	};
	struct authorization authorization = {.proofs = ACCOUNT_SECRET,
					      .timestamp = "<1896.697170952@dbc.mtview.ca.us>"};

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_says(&authorization, malformed[i], "-ERR malformed arguments\r\n");
	assert_int_equal(say(&authorization, "APOP mrose c4c9334bac560ecc979e58001b3e22fb"), AUTHORIZATION_LOGIN);
	assert_string_equal(step.mechanism, "APOP");
	assert_octets(step.user, step.user_size, "mrose");
	assert_octets(step.response, step.response_size, "c4c9334bac560ecc979e58001b3e22fb");
	authorization.timestamp[0] = '\0';
	assert_says(&authorization, "APOP mrose c4c9334bac560ecc979e58001b3e22fb", "-ERR APOP is not offered here\r\n");
	authorization_reset(&authorization);
}

static void other_commands(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	assert_says(&authorization, "LANG EN", "+OK en replies are in this language now\r\n");
	assert_says(&authorization, "STAT", "-ERR log in first\r\n");
	assert_says(&authorization, "RETR x", "-ERR log in first\r\n");
	assert_says(&authorization, "NOOP", "-ERR log in first\r\n");
	assert_says(&authorization, "UTF8 now", "-ERR malformed arguments\r\n");
	assert_false(authorization.utf8);
	assert_says(&authorization, "UTF8", "+OK UTF-8 from now on\r\n");
	assert_true(authorization.utf8);
	assert_int_equal(authorization.unknown, 0);
	assert_int_equal(say(&authorization, "QUIT"), AUTHORIZATION_CLOSE);
	assert_reply("+OK goodbye\r\n");
}

static void three_unknown_commands_close(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	assert_says(&authorization, "FOO", "-ERR unknown command\r\n");
	assert_true(step.malformed);
	assert_int_equal(say(&authorization, "CAPA"), AUTHORIZATION_REPLY);
	assert_false(step.malformed);
	assert_says(&authorization, "", "-ERR unknown command\r\n");
	assert_int_equal(say(&authorization, "XYZZY"), AUTHORIZATION_CLOSE);
	assert_reply("-ERR unknown command\r\n");
}

/* What speaks another protocol is cut off without a word. */
static void foreign_first_lines_are_not_answered(void **state)
{
	static const char *const lines[] = {"GET / HTTP/1.1",	   "post / HTTP/1.1", "EHLO example.org",     "HELO x",
					    "SSH-2.0-OpenSSH_9.2", "PRI * HTTP/2.0",  "CONNECT a:25 HTTP/1.1"};
	static const char *const ours[] = {"GET", "GETX", "SSH", "DELE 1", "HEADER"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct authorization authorization = {.tls = true};

		assert_int_equal(say(&authorization, lines[i]), AUTHORIZATION_CLOSE);
		assert_int_equal(step.reply_size, 0);
		assert_true(step.malformed);
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		struct authorization authorization = {.tls = true};

		assert_int_equal(say(&authorization, ours[i]), AUTHORIZATION_REPLY);
		assert_true(step.reply_size > 0);
	}
	{
		struct authorization authorization = {.tls = true};

		say(&authorization, "CAPA");
		assert_says(&authorization, "GET / HTTP/1.1", "-ERR unknown command\r\n");
	}
}

static void lines_that_are_no_lines(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	authorization_line(&authorization, LINE_TOO_LONG, NULL, 0, &step);
	assert_int_equal(step.action, AUTHORIZATION_REPLY);
	assert_reply("-ERR line too long\r\n");
	assert_true(step.malformed);
	authorization_line(&authorization, LINE_NUL, NULL, 0, &step);
	assert_int_equal(step.action, AUTHORIZATION_CLOSE);
	assert_reply("-ERR NUL in a command\r\n");
	authorization_line(&authorization, LINE_FLOOD, NULL, 0, &step);
	assert_int_equal(step.action, AUTHORIZATION_CLOSE);
	assert_int_equal(step.reply_size, 0);
	authorization_line(&authorization, LINE_NO_MEMORY, NULL, 0, &step);
	assert_int_equal(step.action, AUTHORIZATION_CLOSE);
	assert_reply("-ERR [SYS/TEMP] out of memory\r\n");
}

static void refusals_tell_the_truth(void **state)
{
	static const struct {
		unsigned status;
		const char *reply;
	} cases[] = {
	    {0, "-ERR malformed credential\r\n"},
	    {POPGATE_AUTH, "-ERR [AUTH] wrong name or password\r\n"},
	    {POPGATE_TEMP, "-ERR [SYS/TEMP] the mailbox cannot be reached now, try again later\r\n"},
	    {POPGATE_PERM, "-ERR [SYS/PERM] the mailbox cannot be opened, ask the administrator\r\n"},
	    {POPGATE_IN_USE, "-ERR [IN-USE] another session has this mailbox open\r\n"},
	    {POPGATE_PROTOCOL,
	     "-ERR [SYS/TEMP] the mail server gave an answer that makes no sense, try again later\r\n"},
	    {POPGATE_GONE, "-ERR the message is no longer there\r\n"},
	    {POPGATE_STOPPED, "-ERR [SYS/TEMP] interrupted, try again later\r\n"},
	    {POPGATE_STOPPED + 1, "-ERR [SYS/TEMP] the mailbox cannot be reached now, try again later\r\n"},
	    {REFUSAL_LOGIN_DELAY, "-ERR [LOGIN-DELAY] the last login was a short while ago, try again later\r\n"},
	    {REFUSAL_SESSIONS, "-ERR [IN-USE] too many sessions of this user are open\r\n"},
	    {REFUSAL_TOKEN, "-ERR [SYS/PERM] popgate may not open this mailbox (any more), ask the administrator: "
			    "popgate oauth status\r\n"},
	    {REFUSAL_OCTETS,
	     "-ERR [SYS/TEMP] the quota of this day is used up, the next one begins at midnight UTC\r\n"},
	    {UINT32_MAX, "-ERR [SYS/TEMP] the mailbox cannot be reached now, try again later\r\n"},
	};
	struct authorization authorization = {.tls = true};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		authorization_refused(&authorization, cases[i].status, &step);
		assert_int_equal(step.action, AUTHORIZATION_REPLY);
		assert_reply(cases[i].reply);
	}
}

/* Only a credential that was judged wrong counts as a guess. */
static void ten_wrong_guesses_close(void **state)
{
	struct authorization authorization = {.tls = true};

	(void)state;
	for (int i = 0; i < 9; i++) {
		authorization_refused(&authorization, POPGATE_AUTH, &step);
		assert_int_equal(step.action, AUTHORIZATION_REPLY);
		authorization_refused(&authorization, POPGATE_TEMP, &step);
		assert_int_equal(step.action, AUTHORIZATION_REPLY);
	}
	authorization_refused(&authorization, POPGATE_AUTH, &step);
	assert_int_equal(step.action, AUTHORIZATION_CLOSE);
	assert_reply("-ERR [AUTH] wrong name or password\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(user_and_pass),
	    cmocka_unit_test(pass_needs_user),
	    cmocka_unit_test(each_pass_needs_its_user),
	    cmocka_unit_test(no_credential_in_clear),
	    cmocka_unit_test(auth_lists_its_mechanisms),
	    cmocka_unit_test(auth_begins_an_exchange),
	    cmocka_unit_test(auth_forgets_user),
	    cmocka_unit_test(a_sasl_exchange),
	    cmocka_unit_test(responses_are_no_commands),
	    cmocka_unit_test(an_exchange_is_cancelled),
	    cmocka_unit_test(a_long_challenge_fits),
	    cmocka_unit_test(stls_forgets_what_came_in_clear),
	    cmocka_unit_test(stls_keeps_the_count_of_refusals),
	    cmocka_unit_test(stls_is_not_there),
	    cmocka_unit_test(capa_tells_what_would_work_now),
	    cmocka_unit_test(capa_is_true_for_accounts_and_tls),
	    cmocka_unit_test(apop_takes_a_name_and_a_digest),
	    cmocka_unit_test(other_commands),
	    cmocka_unit_test(three_unknown_commands_close),
	    cmocka_unit_test(foreign_first_lines_are_not_answered),
	    cmocka_unit_test(lines_that_are_no_lines),
	    cmocka_unit_test(refusals_tell_the_truth),
	    cmocka_unit_test(ten_wrong_guesses_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
