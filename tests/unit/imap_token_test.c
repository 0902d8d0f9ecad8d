/* imap_token_test - access tokens that run out: which of them plugin imap shows, and when it asks for another. The
 * server is the fuzz target's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/imap/conf.h"
#include "../../plugins/imap/extension.h"
#include "../fuzz/imap_peer.h"

#define GREETING "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=PLAIN] hi\r\n\x1f"
#define REFUSED	 " NO [AUTHENTICATIONFAILED] no\r\n"
#define SELECTED "* 0 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n"
#define NEXT	 "\x1e" /* this connection ends */
#define WAIT	 "\x1f"

/* libetpan forgets what it has parsed of a response that it gives up; the session ends with it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libetpan.so\n";
}

static struct popgate_host host;
static struct imap_conf conf;
static struct popgate_error error;
static void *drop;
static unsigned asked, renewed;
static enum popgate_status renewal; /* what becomes of renew(); 0: success */
static char token[16];

static int credential(struct popgate_session *session, struct popgate_credential *credential_r,
		      struct popgate_error *why)
{
	(void)session, (void)why;
	asked++;
	snprintf(token, sizeof(token), "token-%u", renewed);
	*credential_r = (struct popgate_credential){
	    .user = "ann", .secret = (const unsigned char *)token, .secret_size = strlen(token)};
	return 0;
}

static int renew(struct popgate_session *session, struct popgate_credential *credential_r, struct popgate_error *why)
{
	renewed++;
	if (renewal == 0)
		return credential(session, credential_r, why);
	why->status = renewal;
	snprintf(why->text, sizeof(why->text), "no newer one");
	return -1;
}

static int open_drop(const char *server, enum popgate_secret_kind kind)
{
	const struct popgate_open open = {.size = sizeof(open), .user = "ann", .deadline = INT64_MAX};

	host = peer_host;
	host.credential = credential;
	host.renew = renew;
	conf = (struct imap_conf){.host = &host,
				  .server = "server",
				  .port = 143,
				  .security = CONF_NONE,
				  .folder = {.name = (char *)"INBOX",
					     .utf7 = (char *)"\"INBOX\"",
					     .utf8 = (char *)"\"INBOX\"",
					     .inbox = true},
				  .reconnect_timeout = 5000,
				  .fetch_max = UINT32_MAX,
				  .message_max = UINT32_MAX,
				  .bounds = {.line = 65536, .literal = 65536, .depth = 64},
				  .small = {.octets = 65536, .lines = 1000}};
	asked = renewed = 0;
	drop = NULL;
	peer_begin((const uint8_t *)server, strlen(server));
	peer_set_kind(kind);
	return popgate_plugin.open(&conf, NULL, &open, &drop, &error);
}

static int setup(void **state)
{
	(void)state;
	renewal = 0;
	return extension_acquire();
}

static int teardown(void **state)
{
	(void)state;
	popgate_plugin.close(drop);
	peer_end();
	extension_release();
	return 0;
}

/* "user=ann^Aauth=Bearer token-0^A^A", and with token-1. */
#define FIRST  "dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rZW4tMAEB"
#define SECOND "dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rZW4tMQEB"

static void a_refused_token_is_renewed_once(void **state)
{
	(void)state;
	assert_int_equal(open_drop(GREETING "1" REFUSED NEXT GREETING "2 OK [CAPABILITY IMAP4rev1] in\r\n" WAIT SELECTED
					    "3 OK [READ-WRITE] selected\r\n4 OK listed\r\n",
				   POPGATE_TOKEN),
			 0);
	assert_int_equal(renewed, 1);
	assert_non_null(strstr(peer_sent(), "1 AUTHENTICATE XOAUTH2 " FIRST "\r\n"));
	assert_non_null(strstr(peer_sent(), "2 AUTHENTICATE XOAUTH2 " SECOND "\r\n"));
}

static void a_token_that_is_refused_twice(void **state)
{
	(void)state;
	assert_int_equal(
	    open_drop(GREETING "1" REFUSED NEXT GREETING "2" REFUSED NEXT GREETING "3 OK in\r\n", POPGATE_TOKEN), -1);
	assert_int_equal(renewed, 1);
	assert_int_equal(error.status, POPGATE_AUTH);
	assert_null(strstr(peer_sent(), "3 AUTHENTICATE"));
}

static void a_token_that_cannot_be_renewed(void **state)
{
	static const enum popgate_status ends[] = {POPGATE_AUTH, POPGATE_PERM, POPGATE_TEMP};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		renewal = ends[i];
		assert_int_equal(open_drop(GREETING "1" REFUSED NEXT GREETING "2 OK in\r\n", POPGATE_TOKEN), -1);
		assert_int_equal(error.status, ends[i]);
		/* where there just is no other, the server's words count */
		assert_int_equal(strstr(error.text, "no newer one") == NULL, ends[i] == POPGATE_AUTH);
		assert_int_equal(asked, 1);
		peer_end();
	}
}

static void what_is_no_refusal_renews_nothing(void **state)
{
	static const char *const servers[] = {GREETING "1 NO [UNAVAILABLE] later\r\n",
					      GREETING "* BYE over\r\n",
					      GREETING NEXT,
					      GREETING "1 BAD what\r\n",
					      "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n",
					      "* BYE not now\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		assert_int_equal(open_drop(servers[i], POPGATE_TOKEN), -1);
		assert_int_not_equal(error.status, POPGATE_AUTH);
		assert_int_equal(renewed, 0);
		peer_end();
	}
}

static void a_password_is_never_renewed(void **state)
{
	(void)state;
	assert_int_equal(open_drop(GREETING "1" REFUSED, POPGATE_PASSWORD), -1);
	assert_int_equal(error.status, POPGATE_AUTH);
	assert_int_equal(renewed, 0);
}

static int take(void *context, const struct popgate_message *message)
{
	(void)context, (void)message;
	return 0;
}

static int sink_write(void *context, const void *data, size_t size)
{
	(void)data;
	*(size_t *)context += size;
	return 0;
}

/* The first connection ends behind the listing; the token has run out meanwhile. */
static void a_connection_made_anew_asks_again(void **state)
{
	const struct popgate_pace pace = {.window = 5000, .octets = 1};
	size_t octets = 0;
	const struct popgate_sink sink = {.write = sink_write, .context = &octets};

	(void)state;
	assert_int_equal(open_drop(GREETING
				   "1 OK [CAPABILITY IMAP4rev1] in\r\n" WAIT
				   "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n2 OK [READ-WRITE] selected\r\n"
				   "* 1 FETCH (UID 5 RFC822.SIZE 4)\r\n3 OK listed\r\n" WAIT NEXT GREETING
				   "5" REFUSED NEXT GREETING "6 OK [CAPABILITY IMAP4rev1] in\r\n" WAIT
				   "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n7 OK [READ-WRITE] selected\r\n" WAIT
				   "* 1 FETCH (UID 5 BODY[] {4}\r\nab\r\n)\r\n8 OK fetched\r\n",
				   POPGATE_TOKEN),
			 0);
	assert_int_equal(asked, 1);
	assert_int_equal(popgate_plugin.list(drop, take, NULL, INT64_MAX, &error), 0);
	assert_int_equal(popgate_plugin.fetch(drop, 0, POPGATE_WHOLE, &sink, &pace, &error), 0);
	assert_int_equal(octets, 4);
	assert_int_equal(renewed, 1);
	assert_int_equal(asked, 4); /* at the login, for the new connection, by renew, and after that */
	assert_non_null(strstr(peer_sent(), "6 AUTHENTICATE XOAUTH2 " SECOND "\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_refused_token_is_renewed_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_token_that_is_refused_twice, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_token_that_cannot_be_renewed, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_refusal_renews_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_password_is_never_renewed, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_connection_made_anew_asks_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
