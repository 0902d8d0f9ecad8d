/* Tests of what providers and browsers answer: JSON within its bounds, tokens out of it, the redirect's query; and of
 * the assertion by which an application proves itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "agent/answer.h"
#include "agent/form.h"
#include "agent/json.h"
#include "agent/jwt.h"
#include "agent/redirect.h"
#include "common/base64.h"
#include "common/message.h"

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

/* ---- tokens ---- */

static enum grant_result answer(const char *text, struct token *token, struct popgate_error *error)
{
	struct json *json = parse(text);
	enum grant_result result;

	assert_non_null(json);
	result = answer_token("p", json, 1000, token, error);
	json_free(&json);
	return result;
}

static struct token old_token(void)
{
	struct token token = {.serial = 7, .issued = 1, .expires = 2, .retry = 3, .failures = 4};

	assert_int_equal(secret_set(&token.access, "old-access", 10), 0);
	assert_int_equal(secret_set(&token.refresh, "old-refresh", 11), 0);
	return token;
}

static void token_is_taken_whole(void **state)
{
	struct token token = old_token();
	struct popgate_error error;

	(void)state;
	assert_int_equal(answer("{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":3600,"
				"\"refresh_token\":null}",
				&token, &error),
			 GRANT_OK);
	assert_string_equal((const char *)token.access.data, "a");
	assert_string_equal((const char *)token.refresh.data, "old-refresh");
	assert_int_equal(token.issued, 1000);
	assert_int_equal(token.expires, 4600);
	assert_int_equal(token.serial, 8);
	assert_int_equal(token.retry, 0);
	assert_int_equal(token.failures, 0);
	assert_int_equal(answer("{\"access_token\":\"b\",\"refresh_token\":\"next\",\"expires_in\":1}", &token, &error),
			 GRANT_OK);
	assert_string_equal((const char *)token.refresh.data, "next");
	assert_int_equal(token.expires, 1030); /* not less */
	token_clear(&token);
}

static void refresh_token_is_kept_whatever_comes_with_it(void **state)
{
	static const char *const spoiled[] = {
	    "{\"refresh_token\":\"next\"}", "{\"refresh_token\":\"next\",\"access_token\":\"a b\"}",
	    "{\"refresh_token\":\"next\",\"access_token\":{}}",
	    "{\"refresh_token\":\"next\",\"access_token\":\"a\",\"token_type\":\"MAC\"}",
	    "{\"refresh_token\":\"next\",\"access_token\":\"a\",\"token_type\":[]}"};
	static const char *const useless[] = {"{}", "{\"access_token\":\"a\",\"refresh_token\":\"a b\"}",
					      "{\"access_token\":\"a\",\"refresh_token\":7}",
					      "{\"access_token\":\"a\",\"token_type\":\"MAC\"}"};
	struct popgate_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		struct token token = old_token();

		assert_int_equal(answer(spoiled[i], &token, &error), GRANT_SPOILED);
		assert_string_equal((const char *)token.refresh.data, "next");
		assert_string_equal((const char *)token.access.data, "old-access");
		assert_int_equal(token.serial, 7);
		assert_int_equal(token.retry, 3);
		token_clear(&token);
	}
	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		struct token token = old_token();

		assert_int_equal(answer(useless[i], &token, &error), GRANT_FAILED);
		assert_string_equal((const char *)token.refresh.data, "old-refresh");
		assert_string_equal((const char *)token.access.data, "old-access");
		token_clear(&token);
	}
}

/* Each octet of what is longest may have to be encoded. */
static void longest_request_has_room(void **state)
{
	struct form *form = calloc(1, sizeof(*form));
	char *text = malloc(MESSAGE_SECRET_MAX + 1);

	(void)state;
	assert_non_null(form);
	assert_non_null(text);
	memset(text, '%', MESSAGE_SECRET_MAX);
	text[MESSAGE_SECRET_MAX] = '\0';
	form_add(form, "client_secret", text);
	text[TOKEN_MAX] = '\0';
	assert_true(token_is_sound(text, strlen(text)));
	form_add(form, "grant_type", "refresh_token");
	form_add(form, "refresh_token", text);
	text[1000] = '\0';
	form_add(form, "client_id", text);
	assert_false(form->full);
	form_add(form, "scope", text);
	assert_true(form->full); /* it is not much larger than that */
	form_clear(form);
	free(form);
	free(text);
}

/* RFC 6749, section 2.3.1. */
static void pair_is_encoded_by_itself(void **state)
{
	struct form *form = calloc(1, sizeof(*form));

	(void)state;
	assert_non_null(form);
	form_add_pair(form, "a:b c", "d%e\xc3\xa4:f");
	assert_string_equal(form->text, "a%3Ab%20c:d%25e%C3%A4%3Af");
	form_clear(form);
	free(form);
}

/* ---- the browser ---- */

static int read_redirect(const char *query, const struct redirect_expected *expected, struct popgate_error *error)
{
	char code[REDIRECT_CODE] = "untouched";
	int result = redirect_read(query, expected, code, error);

	if (result == 0)
		assert_string_equal(code, "4/abC");
	else
		assert_string_equal(code, "untouched");
	return result;
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
					     "error=a&error=b&code=abc&state=right",
					     "code=abc#&state=right"};
	const struct redirect_expected expected = {.state = "right"};
	struct popgate_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(read_redirect(others[i], &expected, &error), 1);
	assert_int_equal(read_redirect("state=right&code=4%2FabC&scope=x HTTP/1.1", &expected, &error), 0);
	assert_int_equal(read_redirect("error=access_denied&state=right", &expected, &error), -1);
	assert_non_null(strstr(error.text, "denied"));
	assert_int_equal(read_redirect("error=%1b[2J&state=right", &expected, &error), -1);
	assert_null(strchr(error.text, '\033'));
	assert_int_equal(read_redirect("error=access_denied&state=wrong", &expected, &error), 1);
}

#define ANSWER "state=right&code=4%2FabC"

/* RFC 9207, section 2.4. */
static void redirect_of_another_issuer_is_refused(void **state)
{
	static const char *const others[] = {"iss=https%3A%2F%2Fevil.example", "iss=https%3A%2F%2Flogin.example%2F",
					     "iss=", "iss=%zz",
					     "iss=https%3A%2F%2Flogin.example&iss=https%3A%2F%2Flogin.example"};
	struct redirect_expected expected = {.state = "right", .issuer = "https://login.example"};
	char query[256];
	struct popgate_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(query, sizeof(query), "%s&%s", ANSWER, others[i]);
		assert_int_equal(read_redirect(query, &expected, &error), -1);
		assert_non_null(strstr(error.text, "provider"));
		snprintf(query, sizeof(query), "error=access_denied&state=right&%s", others[i]);
		assert_int_equal(read_redirect(query, &expected, &error), -1);
		assert_non_null(strstr(error.text, "provider"));
		snprintf(query, sizeof(query), "state=wrong&code=abc&%s", others[i]);
		assert_int_equal(read_redirect(query, &expected, &error), 1);
	}
	assert_int_equal(read_redirect(ANSWER "&iss=https%3A%2F%2Flogin.example", &expected, &error), 0);
	assert_int_equal(read_redirect(ANSWER, &expected, &error), 0);
	expected.issuer_told = true;
	assert_int_equal(read_redirect(ANSWER, &expected, &error), -1);
	assert_int_equal(read_redirect(ANSWER "&iss=https%3A%2F%2Flogin.example", &expected, &error), 0);
	expected = (struct redirect_expected){.state = "right"};
	assert_int_equal(read_redirect(ANSWER "&iss=https%3A%2F%2Fevil.example", &expected, &error), 0);
}

static void request_is_one_for_the_address_alone(void **state)
{
	static const char *const others[] = {"POST /?" ANSWER " HTTP/1.1\r\n\r\n", "GET /x?" ANSWER " HTTP/1.1\r\n\r\n",
					     "GET /\r\n?" ANSWER, "get /?" ANSWER, "GET /favicon.ico HTTP/1.1\r\n\r\n"};
	const struct redirect_expected expected = {.state = "right"};
	char code[REDIRECT_CODE], head[256];
	struct popgate_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(head, sizeof(head), "%s", others[i]);
		assert_int_equal(redirect_request(head, &expected, code, &error), 1);
	}
	snprintf(head, sizeof(head), "GET /?%s HTTP/1.1\r\nHost: localhost\r\n\r\n", ANSWER);
	assert_int_equal(redirect_request(head, &expected, code, &error), 0);
	assert_string_equal(code, "4/abC");
	snprintf(head, sizeof(head), "http://localhost:1/?%s  ", ANSWER);
	assert_int_equal(redirect_line(head, &expected, code, &error), 0);
	snprintf(head, sizeof(head), "%s\r", ANSWER);
	assert_int_equal(redirect_line(head, &expected, code, &error), 0);
}

/* ---- assertions ---- */

/* A key and its certificate, as texts; *pair_r is the key itself. */
static struct jwt_key make_key(int bits, EVP_PKEY **pair_r)
{
	BIO *out = BIO_new(BIO_s_mem());
	EVP_PKEY *pair = EVP_RSA_gen((unsigned)bits);
	X509 *certificate = X509_new();
	struct jwt_key key = {0};
	char *text;
	long size;

	assert_non_null(out);
	assert_non_null(certificate);
	assert_non_null(pair);
	assert_int_equal(X509_set_pubkey(certificate, pair), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
	assert_true(X509_sign(certificate, pair, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
	size = BIO_get_mem_data(out, &text);
	assert_int_equal(secret_set(&key.certificate, text, (size_t)size), 0);
	assert_int_equal(BIO_reset(out), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(out, pair, NULL, NULL, 0, NULL, NULL), 1);
	size = BIO_get_mem_data(out, &text);
	assert_int_equal(secret_set(&key.key, text, (size_t)size), 0);
	BIO_free(out);
	X509_free(certificate);
	*pair_r = pair;
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

static bool verify(EVP_PKEY *key, enum conf_assertion how, const char *text, size_t size,
		   const unsigned char *signature, size_t signature_size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	bool good;

	assert_int_equal(EVP_DigestVerifyInit(context, &options, EVP_sha256(), NULL, key), 1);
	if (how == CONF_ASSERTION_PS256)
		EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
	good = EVP_DigestVerify(context, signature, signature_size, (const unsigned char *)text, size) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

static void check_assertion(enum conf_assertion how, const char *algorithm, const char *thumbprint)
{
	EVP_PKEY *pair;
	struct jwt_key key = make_key(2048, &pair);
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
	assert_true(verify(pair, how, (const char *)text.data, (size_t)(signature - 1 - (const char *)text.data),
			   octets, size));
	octets[0] ^= 1;
	assert_false(verify(pair, how, (const char *)text.data, (size_t)(signature - 1 - (const char *)text.data),
			    octets, size));
	secret_clear(&text);
	secret_clear(&again);
	jwt_key_clear(&key);
	EVP_PKEY_free(pair);
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

/* The longest identifier, each octet escaped in JSON, and the longest endpoint. */
static void assertion_has_room_for_what_is_longest(void **state)
{
	char client[1001], audience[1001];
	EVP_PKEY *pair;
	struct jwt_key key = make_key(2048, &pair);
	struct secret text = {0};

	(void)state;
	memset(client, '"', 1000);
	memset(audience, 'a', 1000);
	client[1000] = audience[1000] = '\0';
	assert_int_equal(jwt_assertion(&key, CONF_ASSERTION_PS256, client, audience, 1700000000, &text), 0);
	secret_clear(&text);
	jwt_key_clear(&key);
	EVP_PKEY_free(pair);
}

/* ---- files of keys ---- */

struct place {
	char folder[32], certificate[64], key[64];
};

static struct place make_place(void)
{
	struct place place = {.folder = "/tmp/popgate-grant-XXXXXX"};

	assert_non_null(mkdtemp(place.folder));
	snprintf(place.certificate, sizeof(place.certificate), "%s/client.pem", place.folder);
	snprintf(place.key, sizeof(place.key), "%s/client.key", place.folder);
	return place;
}

static void remove_place(const struct place *place)
{
	unlink(place->certificate);
	unlink(place->key);
	assert_int_equal(rmdir(place->folder), 0);
}

static void write_file(const char *path, const struct secret *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text->data, text->size), text->size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Reads the place's files; why they are refused, "" where they are not. */
static void judge_files(const struct place *place, char *why, size_t size)
{
	char certificate[64], path[64];
	struct conf_provider provider = {.certificate = certificate, .key = path};
	struct conf_report report = {0};
	struct jwt_key key = {0};
	int result;

	memcpy(certificate, place->certificate, sizeof(certificate));
	memcpy(path, place->key, sizeof(path));
	result = jwt_key_read(&provider, &key, &report);
	assert_int_equal(result == 0, report.count == 0);
	snprintf(why, size, "%s", report.count == 0 ? "" : report.first->text);
	conf_report_free(&report);
	jwt_key_clear(&key);
}

static void key_of_a_size_that_cannot_sign_is_refused(void **state)
{
	static const struct {
		int bits;
		bool good;
	} keys[] = {{1024, false}, {2048, true}};
	struct place place = make_place();
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		EVP_PKEY *pair;
		struct jwt_key key = make_key(keys[i].bits, &pair);

		write_file(place.certificate, &key.certificate, 0644);
		write_file(place.key, &key.key, 0600);
		judge_files(&place, why, sizeof(why));
		assert_int_equal(why[0] == '\0', keys[i].good);
		if (!keys[i].good)
			assert_non_null(strstr(why, "2048 to 8192 bits"));
		jwt_key_clear(&key);
		EVP_PKEY_free(pair);
	}
	remove_place(&place);
}

/* No real key, which would take long to find: nothing but its size is looked at. */
static struct secret enormous_key(void)
{
	static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N,	     OSSL_PKEY_PARAM_RSA_D,
					    OSSL_PKEY_PARAM_RSA_FACTOR1,     OSSL_PKEY_PARAM_RSA_FACTOR2,
					    OSSL_PKEY_PARAM_RSA_EXPONENT1,   OSSL_PKEY_PARAM_RSA_EXPONENT2,
					    OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
	BIGNUM *numbers[sizeof(names) / sizeof(names[0])], *exponent = BN_new();
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIO *out = BIO_new(BIO_s_mem());
	OSSL_PARAM *parameters;
	struct secret text = {0};
	EVP_PKEY *key = NULL;
	char *octets;
	long size;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		numbers[i] = BN_new();
		assert_int_equal(BN_rand(numbers[i], i < 2 ? 8200 : 4100, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
		assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]), 1);
	}
	assert_int_equal(BN_set_word(exponent, 65537), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent), 1);
	parameters = OSSL_PARAM_BLD_to_param(builder);
	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	size = BIO_get_mem_data(out, &octets);
	assert_int_equal(secret_set(&text, octets, (size_t)size), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		BN_free(numbers[i]);
	BN_free(exponent);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	BIO_free(out);
	return text;
}

static void files_that_are_no_keys_are_refused(void **state)
{
	struct place place = make_place();
	EVP_PKEY *pair;
	struct jwt_key key = make_key(2048, &pair);
	struct secret enormous = enormous_key();
	char why[256];

	(void)state;
	write_file(place.certificate, &key.certificate, 0644);
	write_file(place.key, &enormous, 0600);
	judge_files(&place, why, sizeof(why));
	assert_non_null(strstr(why, "2048 to 8192 bits"));
	write_file(place.key, &key.certificate, 0600);
	judge_files(&place, why, sizeof(why));
	assert_non_null(strstr(why, "no RSA key"));
	write_file(place.key, &key.key, 0640);
	judge_files(&place, why, sizeof(why));
	assert_non_null(strstr(why, "chmod 600"));
	unlink(place.key);
	assert_int_equal(mkfifo(place.key, 0600), 0); /* nobody writes: whoever opened it would wait */
	judge_files(&place, why, sizeof(why));
	assert_non_null(strstr(why, "is no file"));
	unlink(place.key);
	write_file(place.key, &key.key, 0600);
	unlink(place.certificate);
	assert_int_equal(mkfifo(place.certificate, 0600), 0);
	judge_files(&place, why, sizeof(why));
	assert_non_null(strstr(why, "is no file"));
	remove_place(&place);
	secret_clear(&enormous);
	jwt_key_clear(&key);
	EVP_PKEY_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_gives_strings_and_numbers),
	    cmocka_unit_test(json_is_one_bounded_object),
	    cmocka_unit_test(token_is_taken_whole),
	    cmocka_unit_test(refresh_token_is_kept_whatever_comes_with_it),
	    cmocka_unit_test(longest_request_has_room),
	    cmocka_unit_test(pair_is_encoded_by_itself),
	    cmocka_unit_test(redirect_counts_with_its_state_alone),
	    cmocka_unit_test(redirect_of_another_issuer_is_refused),
	    cmocka_unit_test(request_is_one_for_the_address_alone),
	    cmocka_unit_test(assertion_is_signed_by_pss),
	    cmocka_unit_test(assertion_is_signed_by_pkcs_1),
	    cmocka_unit_test(assertion_has_room_for_what_is_longest),
	    cmocka_unit_test(key_of_a_size_that_cannot_sign_is_refused),
	    cmocka_unit_test(files_that_are_no_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
