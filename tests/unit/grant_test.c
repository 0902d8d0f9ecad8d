/* Tests of what providers and browsers answer: JSON within its bounds, the redirect's query, and the assertion by which
 * an application proves itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "agent/json.h"
#include "agent/jwt.h"
#include "agent/redirect.h"
#include "common/base64.h"

static struct json *parse(const char *text)
{
	return json_parse(text, strlen(text));
}

static void json_gives_strings_and_numbers(void **state)
{
	struct json *json =
	    parse("{\"s\":\"te\\u00e4xt\",\"n\":3599,\"t\":\"3600\",\"big\":1e300,\"minus\":-1,\"e\":\"\","
		  "\"c\":\"a\\u0007b\",\"o\":{\"s\":\"inner\"},\"f\":1.9}  \r\n");
	int64_t number = 0;

	(void)state;
	assert_non_null(json);
	assert_string_equal(json_string(json, "s", 10), "te\xc3\xa4xt");
	assert_null(json_string(json, "s", 5)); /* longer than that */
	assert_null(json_string(json, "S", 10));
	assert_null(json_string(json, "n", 10));
	assert_null(json_string(json, "e", 10));
	assert_null(json_string(json, "c", 10));
	assert_null(json_string(json, "o", 10));
	assert_true(json_has(json, "o"));
	assert_false(json_has(json, "x"));
	assert_int_equal(json_number(json, "n", 100000, &number), 0);
	assert_int_equal(number, 3599);
	assert_int_equal(json_number(json, "t", 100000, &number), 0);
	assert_int_equal(number, 3600);
	assert_int_equal(json_number(json, "t", 60, &number), 0);
	assert_int_equal(number, 60);
	assert_int_equal(json_number(json, "big", 100000, &number), 0);
	assert_int_equal(number, 100000);
	assert_int_equal(json_number(json, "f", 100000, &number), 0);
	assert_int_equal(number, 1);
	assert_int_equal(json_number(json, "minus", 100000, &number), -1);
	assert_int_equal(json_number(json, "s", 100000, &number), -1);
	json_free(&json);
	assert_null(json);
}

static void json_is_one_bounded_object(void **state)
{
	static const char *const bad[] = {"",
					  "null",
					  "[]",
					  "\"text\"",
					  "{",
					  "{}{}",
					  "{} x",
					  "{\"a\":}",
					  "{'a':1}",
					  "{\"a\":\"b\\u0000c\"}",
					  "{\"a\":[[[[[[[[1]]]]]]]]}",
					  "<html></html>"};
	char *large = malloc(JSON_MAX + 2);
	struct json *json;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(parse(bad[i]));
	json = parse("{\"a\":[[[[[[[1]]]]]]],\"b\":\"[[[[[[[[[[[[\\\"[[\"}"); /* the deepest; and no depth in strings */
	assert_non_null(json);
	json_free(&json);
	assert_null(json_parse("{\"a\":\"\0\"}", 9));
	assert_non_null(large);
	memset(large, ' ', JSON_MAX + 1);
	memcpy(large, "{}", 2);
	json = json_parse(large, JSON_MAX);
	assert_non_null(json);
	json_free(&json);
	assert_null(json_parse(large, JSON_MAX + 1));
	free(large);
}

static void redirect_counts_with_its_state_alone(void **state)
{
	static const char *const others[] = {"",
					     "code=abc",
					     "code=abc&state=other",
					     "code=abc&state=",
					     "state=right",
					     "code=&state=right",
					     "xstate=right&code=abc",
					     "code=abc&state=right&state=right",
					     "code=a&code=b&state=right",
					     "code=%zz&state=right",
					     "code=abc#&state=right"};
	char code[REDIRECT_CODE] = "";
	struct popgate_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(redirect_read(others[i], "right", code, &error), 1);
	assert_int_equal(redirect_read("state=right&code=4%2FabC&scope=x HTTP/1.1", "right", code, &error), 0);
	assert_string_equal(code, "4/abC");
	assert_int_equal(redirect_read("error=access_denied&state=right", "right", code, &error), -1);
	assert_non_null(strstr(error.text, "denied"));
	assert_int_equal(redirect_read("error=%1b[2J&state=right", "right", code, &error), -1);
	assert_null(strchr(error.text, '\033'));
	assert_int_equal(redirect_read("error=access_denied&state=wrong", "right", code, &error), 1);
}

/* ---- assertions ---- */

static struct jwt_key make_key(void)
{
	struct jwt_key key = {.certificate = X509_new(), .key = EVP_RSA_gen(2048)};

	assert_non_null(key.certificate);
	assert_non_null(key.key);
	assert_int_equal(X509_set_pubkey(key.certificate, key.key), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(key.certificate), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(key.certificate), 3600));
	assert_true(X509_sign(key.certificate, key.key, EVP_sha256()) > 0);
	return key;
}

/* base64url to octets. */
static size_t decode(const char *text, size_t size, unsigned char *data)
{
	char padded[2048] = "";
	size_t length;

	assert_true(size + 4 < sizeof(padded));
	for (size_t i = 0; i < size; i++)
		padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	while (strlen(padded) % 4 != 0)
		padded[strlen(padded)] = '=';
	assert_int_equal(base64_decode(padded, strlen(padded), data, &length), 0);
	data[length] = '\0';
	return length;
}

static bool verify(const struct jwt_key *key, enum conf_assertion how, const char *text, size_t size,
		   const unsigned char *signature, size_t signature_size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	bool good;

	assert_int_equal(EVP_DigestVerifyInit(context, &options, EVP_sha256(), NULL, key->key), 1);
	if (how == CONF_ASSERTION_PS256)
		EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
	good = EVP_DigestVerify(context, signature, signature_size, (const unsigned char *)text, size) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

static void check_assertion(enum conf_assertion how, const char *algorithm, const char *thumbprint)
{
	struct jwt_key key = make_key();
	struct secret text = {0}, again = {0};
	unsigned char octets[2048];
	const char *claims, *signature;
	struct json *json;
	int64_t number;
	size_t size;

	assert_int_equal(jwt_assertion(&key, how, "client", "https://login.example/token", 1700000000, &text), 0);
	assert_int_equal(jwt_assertion(&key, how, "client", "https://login.example/token", 1700000000, &again), 0);
	assert_string_not_equal((const char *)text.data, (const char *)again.data); /* good once */
	claims = strchr((const char *)text.data, '.') + 1;
	signature = strchr(claims, '.') + 1;
	size = decode((const char *)text.data, (size_t)(claims - 1 - (const char *)text.data), octets);
	json = json_parse((const char *)octets, size);
	assert_non_null(json);
	assert_string_equal(json_string(json, "alg", 10), algorithm);
	assert_non_null(json_string(json, thumbprint, 100));
	json_free(&json);
	size = decode(claims, (size_t)(signature - 1 - claims), octets);
	json = json_parse((const char *)octets, size);
	assert_non_null(json);
	assert_string_equal(json_string(json, "iss", 100), "client");
	assert_string_equal(json_string(json, "sub", 100), "client");
	assert_string_equal(json_string(json, "aud", 100), "https://login.example/token");
	assert_int_equal(json_number(json, "exp", INT64_MAX, &number), 0);
	assert_int_equal(number, 1700000600);
	json_free(&json);
	size = decode(signature, strlen(signature), octets);
	assert_true(verify(&key, how, (const char *)text.data, (size_t)(signature - 1 - (const char *)text.data),
			   octets, size));
	octets[0] ^= 1;
	assert_false(verify(&key, how, (const char *)text.data, (size_t)(signature - 1 - (const char *)text.data),
			    octets, size));
	secret_clear(&text);
	secret_clear(&again);
	jwt_key_free(&key);
}

static void assertion_is_signed_by_pss(void **state)
{
	(void)state;
	check_assertion(CONF_ASSERTION_PS256, "PS256", "x5t#S256");
}

static void assertion_is_signed_by_pkcs_1(void **state)
{
	(void)state;
	check_assertion(CONF_ASSERTION_RS256, "RS256", "x5t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_gives_strings_and_numbers),	    cmocka_unit_test(json_is_one_bounded_object),
	    cmocka_unit_test(redirect_counts_with_its_state_alone), cmocka_unit_test(assertion_is_signed_by_pss),
	    cmocka_unit_test(assertion_is_signed_by_pkcs_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
