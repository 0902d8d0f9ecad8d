/* What an upstream's failure is told as: AUTH only for a refused credential. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libetpan/mailimap_types.h>

#include "../../plugins/imap/status.h"

static enum popgate_status status_of(const char *line, enum status_place place)
{
	struct line_status status;

	line_read_status(line, strlen(line), &status);
	return status_of_line(&status, place);
}

static void tells_a_refused_credential(void **state)
{
	(void)state;
	assert_int_equal(status_of("1 NO [AUTHENTICATIONFAILED] no\r\n", STATUS_AT_LOGIN), POPGATE_AUTH);
	assert_int_equal(status_of("1 NO [authenticationfailed] no\r\n", STATUS_AT_LOGIN), POPGATE_AUTH);
	assert_int_equal(status_of("1 NO [EXPIRED] password\r\n", STATUS_AT_LOGIN), POPGATE_AUTH);
	assert_int_equal(status_of("1 NO [AUTHORIZATIONFAILED] x\r\n", STATUS_AT_LOGIN), POPGATE_AUTH);
	assert_int_equal(status_of("1 NO LOGIN failed\r\n", STATUS_AT_LOGIN), POPGATE_AUTH);
	assert_int_equal(status_of("1 NO [ALERT] Invalid credentials (Failure)\r\n", STATUS_AT_LOGIN), POPGATE_AUTH);
}

static void knows_refusals_by_their_words(void **state)
{
	static const char *const refusals[] = {
	    "1 NO LOGIN failed\r\n",	     /* UW, Zimbra, MDaemon */
	    "1 NO AUTHENTICATE failed.\r\n", /* Exchange */
	    "1 NO LOGIN failed.\r\n",
	    "1 NO Login failed.\r\n",			     /* Courier */
	    "1 NO Login failed: authentication failure\r\n", /* Cyrus */
	    "1 NO Login incorrect\r\n",
	    "1 NO Authentication failed.\r\n", /* Dovecot before 2.0 */
	    "1 NO [ALERT] Application-specific password required: https://x.example/ (Failure)\r\n", /* Gmail */
	    "1 NO [CAPABILITY IMAP4rev1] Invalid login or password\r\n",
	    "1 NO Invalid user name or password.\r\n",	    /* hMailServer */
	    "1 NO LOGIN Login error or password error\r\n", /* NetEase */
	    "1 NO incorrect password or account name\r\n",
	    "1 NO ACCESS DENIED\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (status_of(refusals[i], STATUS_AT_LOGIN) != POPGATE_AUTH)
			fail_msg("%s", refusals[i]);
}

static void takes_no_other_words_for_a_refusal(void **state)
{
	static const char *const words[] = {
	    "1 NO LOGIN failed: generic failure\r\n",
	    "1 NO Lookup failed\r\n",
	    "1 NO [ALERT] account undergoing maintenance\r\n",
	    "1 NO Server busy\r\n",
	    "1 NO Too many login attempts, bad password\r\n",
	    "1 NO [SYS/TEMP] invalid password\r\n",
	    "1 NO [TRYAGAIN] Login failed\r\n",
	    "1 NO [NEVERHEARDOF] Login failed\r\n",
	    "1 NO Backend shutting down\r\n",
	    "1 NO Internal authentication failure\r\n",
	    "1 NO Unable to connect to backend\r\n",
	    "1 NO Database is down\r\n",
	    "1 NO Authentication service is down\r\n",
	    "1 NO Connection limit exceeded\r\n",
	    "1 NO Authentication failed, system overloaded\r\n",
	    "1 NO no\r\n",
	    "1 NO\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (status_of(words[i], STATUS_AT_LOGIN) != POPGATE_TEMP)
			fail_msg("%s", words[i]);
}

static void never_tells_an_outage_as_auth(void **state)
{
	static const char *const outages[] = {
	    "1 NO [UNAVAILABLE] x\r\n",
	    "1 NO [INUSE] x\r\n",
	    "1 NO [LIMIT] x\r\n",
	    "1 NO [SERVERBUG] x\r\n",
	    "1 NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
	    "1 NO Temporary authentication failure\r\n",
	    "1 NO Server error, please TRY AGAIN later\r\n",
	    "1 NO User is authenticated but not connected.\r\n",
	    "1 BAD User is authenticated but not connected.\r\n",
	    "1 BAD Invalid command\r\n",
	    "* BYE shutting down\r\n",
	    "* BYE [UNAVAILABLE] x\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(outages) / sizeof(outages[0]); i++)
		for (int place = 0; place < STATUS_PLACES; place++)
			if (status_of(outages[i], (enum status_place)place) != POPGATE_TEMP)
				fail_msg("place %d: %s", place, outages[i]);
}

static void tells_what_needs_an_administrator(void **state)
{
	(void)state;
	assert_int_equal(status_of("1 NO [PRIVACYREQUIRED] x\r\n", STATUS_AT_LOGIN), POPGATE_PERM);
	assert_int_equal(status_of("1 NO [CONTACTADMIN] x\r\n", STATUS_AT_LOGIN), POPGATE_PERM);
	assert_int_equal(status_of("1 NO [REFERRAL imap://u@other/] x\r\n", STATUS_AT_LOGIN), POPGATE_PERM);
	assert_int_equal(status_of("1 NO SELECT Unsafe Login. Please contact\r\n", STATUS_AT_SELECT), POPGATE_PERM);
	assert_int_equal(status_of("1 NO [NONEXISTENT] x\r\n", STATUS_AT_SELECT_OTHER), POPGATE_PERM);
	assert_int_equal(status_of("1 NO No such mailbox\r\n", STATUS_AT_SELECT_OTHER), POPGATE_PERM);
	/* the inbox is always there: something else is wrong */
	assert_int_equal(status_of("1 NO No such mailbox\r\n", STATUS_AT_SELECT), POPGATE_TEMP);
}

static void only_login_knows_auth(void **state)
{
	static const char *const lines[] = {"1 NO x\r\n",	    "1 NO [AUTHENTICATIONFAILED] x\r\n",
					    "1 NO [EXPIRED] x\r\n", "1 BAD x\r\n",
					    "* BYE x\r\n",	    "1 NO [NEVERHEARDOF] x\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (int place = 0; place < STATUS_PLACES; place++)
			if (place != STATUS_AT_LOGIN)
				assert_int_not_equal(status_of(lines[i], (enum status_place)place), POPGATE_AUTH);
}

static void has_a_status_for_any_libetpan_result(void **state)
{
	(void)state;
	for (int r = -1; r <= MAILIMAP_ERROR_CLIENTID + 1; r++) {
		enum popgate_status status = status_of_libetpan(r);

		assert_true(strlen(status_libetpan_text(r)) > 0);
		assert_true(status == POPGATE_TEMP || status == POPGATE_PROTOCOL);
	}
	assert_int_equal(status_of_libetpan(MAILIMAP_ERROR_STREAM), POPGATE_TEMP);
	assert_int_equal(status_of_libetpan(MAILIMAP_ERROR_PARSE), POPGATE_PROTOCOL);
	assert_int_equal(status_of_libetpan(-1), POPGATE_PROTOCOL);
	assert_int_equal(status_of_libetpan(100000), POPGATE_PROTOCOL);
}

static void fills_errors(void **state)
{
	struct popgate_error error;
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(status_fail(&error, POPGATE_GONE, "%s %d", "a", 5), -1);
	assert_int_equal(error.status, POPGATE_GONE);
	assert_string_equal(error.text, "a 5");
	status_fail(&error, POPGATE_TEMP, "%s", text);
	assert_int_equal(strlen(error.text), POPGATE_ERROR_TEXT - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_refusals_by_their_words),
	    cmocka_unit_test(takes_no_other_words_for_a_refusal),
	    cmocka_unit_test(tells_a_refused_credential),
	    cmocka_unit_test(never_tells_an_outage_as_auth),
	    cmocka_unit_test(tells_what_needs_an_administrator),
	    cmocka_unit_test(only_login_knows_auth),
	    cmocka_unit_test(has_a_status_for_any_libetpan_result),
	    cmocka_unit_test(fills_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
