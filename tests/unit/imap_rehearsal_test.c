/* Tests of the rehearsed handshake: it comes through, and leaves the context as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "../../plugins/imap/rehearsal.h"

static SSL_CTX *strict(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	assert_non_null(context);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return context;
}

/* Though nobody vouches for the other end. */
static void it_comes_through(void **state)
{
	SSL_CTX *context = strict();

	(void)state;
	assert_true(rehearsal_run(context));
	assert_true(rehearsal_run(context));
	assert_int_equal(ERR_peek_error(), 0);
	SSL_CTX_free(context);
}

static void the_context_stays_strict(void **state)
{
	SSL_CTX *context = strict();
	SSL *ssl;

	(void)state;
	assert_true(rehearsal_run(context));
	assert_int_equal(SSL_CTX_get_verify_mode(context), SSL_VERIFY_PEER);
	assert_int_equal(SSL_CTX_sess_number(context), 0);
	assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(context))), 0);
	ssl = SSL_new(context);
	assert_int_equal(SSL_get_verify_mode(ssl), SSL_VERIFY_PEER);
	SSL_free(ssl);
	SSL_CTX_free(context);
}

/* With nothing that both ends speak. */
static void a_failure_is_told_and_leaves_no_error(void **state)
{
	SSL_CTX *context = strict();

	(void)state;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(context, "AES128-SHA"), 1); /* for RSA keys only */
	assert_false(rehearsal_run(context));
	assert_int_equal(ERR_peek_error(), 0);
	SSL_CTX_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_comes_through),
	    cmocka_unit_test(the_context_stays_strict),
	    cmocka_unit_test(a_failure_is_told_and_leaves_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
