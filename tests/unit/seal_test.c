/* Tests of what tokens are kept and asked for with, as far as it is pure: sealing, the text of a token, proof keys,
 * forms, and the answer of a browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/form.h"
#include "agent/pkce.h"
#include "state/seal.h"
#include "state/token.h"

static struct secret secret_of(const char *text)
{
	struct secret secret = {0};

	assert_int_equal(secret_set(&secret, text, strlen(text)), 0);
	return secret;
}

static struct secret key_of(const char *text)
{
	struct secret line = secret_of(text), key = {0};

	assert_int_equal(seal_key(&line, &key), 0);
	secret_clear(&line);
	return key;
}

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void key_is_32_octets_in_base64(void **state)
{
	static const char *const bad[] = {"",
					  "secret",
					  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
					  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
					  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI=",
					  "!AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="};
	struct secret key = key_of(KEY_A), line, none = {0};

	(void)state;
	assert_int_equal(key.size, 32);
	for (int i = 0; i < 32; i++)
		assert_int_equal(key.data[i], i);
	secret_clear(&key);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (*bad[i] == '\0')
			continue;
		line = secret_of(bad[i]);
		assert_int_equal(seal_key(&line, &none), -1);
		assert_null(none.data);
		secret_clear(&line);
	}
}

static void sealed_text_opens_with_its_key_and_place_alone(void **state)
{
	static const char about[] = "provider\0ann", other[] = "provider\0bob", text[] = "refresh-token";
	struct secret a = key_of(KEY_A), b = key_of(KEY_B), plain = {0};
	unsigned char sealed[sizeof(text) + SEAL_MORE], again[sizeof(text) + SEAL_MORE];

	(void)state;
	assert_int_equal(seal_close(&a, about, sizeof(about), text, sizeof(text), sealed), 0);
	assert_int_equal(seal_close(&a, about, sizeof(about), text, sizeof(text), again), 0);
	assert_memory_not_equal(sealed, again, sizeof(sealed)); /* a nonce for each */
	assert_null(memmem(sealed, sizeof(sealed), "refresh", 7));
	assert_int_equal(seal_open(&a, about, sizeof(about), sealed, sizeof(sealed), &plain), 0);
	assert_true(secret_equal(&plain, text, sizeof(text)));
	secret_clear(&plain);
	assert_int_equal(seal_open(&b, about, sizeof(about), sealed, sizeof(sealed), &plain), -1);
	assert_int_equal(seal_open(&a, other, sizeof(other), sealed, sizeof(sealed), &plain), -1);
	assert_int_equal(seal_open(&a, about, sizeof(about) - 1, sealed, sizeof(sealed), &plain), -1);
	for (size_t size = 0; size < sizeof(sealed); size++)
		assert_int_equal(seal_open(&a, about, sizeof(about), sealed, size, &plain), -1);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(seal_open(&a, about, sizeof(about), sealed, sizeof(sealed), &plain), -1);
		sealed[i] ^= 1;
	}
	assert_null(plain.data);
	secret_clear(&a);
	secret_clear(&b);
}

static void token_goes_there_and_back(void **state)
{
	struct token token = {.issued = 1700000000,
			      .expires = 1700003600,
			      .login = 1600000000,
			      .retry = 5,
			      .failures = 3,
			      .revoked = true,
			      .serial = UINT64_MAX},
		     again = {0};
	struct secret text = {0};

	(void)state;
	token.access = secret_of("access.token-1_~+/=");
	token.refresh = secret_of("1//refresh");
	assert_int_equal(token_write(&token, &text), 0);
	assert_int_equal(token_read(&text, &again), 0);
	assert_true(secret_equal(&again.access, token.access.data, token.access.size));
	assert_true(secret_equal(&again.refresh, token.refresh.data, token.refresh.size));
	assert_int_equal(again.issued, token.issued);
	assert_int_equal(again.expires, token.expires);
	assert_int_equal(again.login, token.login);
	assert_int_equal(again.retry, token.retry);
	assert_int_equal(again.failures, token.failures);
	assert_true(again.revoked);
	assert_true(again.serial == UINT64_MAX);
	token_clear(&again);
	/* no beginning of it is a token */
	for (size_t size = 1; size < text.size; size++) {
		struct secret part = {0};

		assert_int_equal(secret_set(&part, text.data, size), 0);
		assert_int_equal(token_read(&part, &again), -1);
		secret_clear(&part);
	}
	secret_clear(&text);
	token_clear(&token);
	assert_int_equal(token_write(&token, &text), 0);
	assert_int_equal(token_read(&text, &again), 0);
	assert_null(again.access.data);
	secret_clear(&text);
}

/* Of a token with the longest of everything, too. */
static void refusal_goes_there_and_back(void **state)
{
	static const char words[] = "p refuses: invalid_client: \x1b[2J \xc3\xa4\n";
	struct token token = {.issued = INT64_MAX,
			      .expires = INT64_MAX,
			      .login = INT64_MAX,
			      .retry = INT64_MAX,
			      .failures = UINT32_MAX,
			      .revoked = true,
			      .serial = UINT64_MAX},
		     again = {0};
	char longest[TOKEN_MAX + 1];
	struct secret text = {0};

	(void)state;
	memset(longest, 'x', TOKEN_MAX);
	longest[TOKEN_MAX] = '\0';
	token.access = secret_of(longest);
	token.refresh = secret_of(longest);
	token_refuse(&token, 3, words);
	assert_string_equal(token.reason, "p refuses: invalid_client: ?[2J ???");
	token_refuse(&token, UINT32_MAX, longest);
	assert_int_equal(strlen(token.reason), TOKEN_REASON - 1);
	assert_string_equal(token.reason + TOKEN_REASON - 5, "x...");
	assert_int_equal(token_write(&token, &text), 0);
	assert_int_equal(token_read(&text, &again), 0);
	assert_int_equal(again.refused, UINT32_MAX);
	assert_string_equal(again.reason, token.reason);
	assert_int_equal(again.serial, token.serial);
	token_clear(&again);
	for (size_t size = text.size - TOKEN_REASON - 40; size < text.size; size++) {
		struct secret part = {0};

		assert_int_equal(secret_set(&part, text.data, size), 0);
		assert_int_equal(token_read(&part, &again), -1);
		secret_clear(&part);
	}
	token_refuse(&token, 0, "");
	assert_int_equal(token_write(&token, &text), 0);
	assert_null(strstr((const char *)text.data, "reason"));
	secret_clear(&text);
	token_clear(&token);
}

/* Rows of before refusals were noted. */
static void token_of_the_first_version_is_read(void **state)
{
	struct secret text = secret_of("popgate token 1\naccess a\nrefresh r\nissued 1\nexpires 2\nlogin 3\nretry 4\n"
				       "failures 5\nrevoked 0\nserial 6\n");
	struct token token = {0};

	(void)state;
	assert_int_equal(token_read(&text, &token), 0);
	assert_int_equal(token.retry, 4);
	assert_int_equal(token.refused, 0);
	assert_string_equal(token.reason, "");
	token_clear(&token);
	secret_clear(&text);
}

/* What a session is given must not be due at once. */
static void short_life_has_short_margins(void **state)
{
	static const struct {
		int64_t life, fresh, old; /* seconds after it was issued: until and from when */
	} lives[] = {{3600, 3510, 3540}, {180, 90, 120}, {120, 60, 80}, {60, 30, 40}, {31, 16, 21}, {30, 0, 20}};
	struct token token = {.issued = 1700000000};

	(void)state;
	token.access = secret_of("a");
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		token.expires = token.issued + lives[i].life;
		assert_int_equal(token_is_fresh(&token, token.issued), lives[i].fresh > 0);
		assert_int_equal(token_is_fresh(&token, token.issued + lives[i].fresh - 1), lives[i].fresh > 0);
		assert_false(token_is_fresh(&token, token.issued + lives[i].fresh));
		assert_int_equal(token_old_from(&token), token.issued + lives[i].old);
	}
	assert_false(token_is_fresh(&token, token.issued - 3600)); /* the clock was wrong then, or is now */
	token_clear(&token);
	assert_false(token_is_fresh(&token, token.issued));
}

static void token_is_visible_ascii(void **state)
{
	char longest[TOKEN_MAX + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(token_is_sound("a", 1));
	assert_true(token_is_sound(longest, TOKEN_MAX));
	assert_false(token_is_sound(longest, TOKEN_MAX + 1));
	assert_false(token_is_sound("", 0));
	assert_false(token_is_sound("a b", 3));
	assert_false(token_is_sound("a\001b", 3));
	assert_false(token_is_sound("a\nb", 3));
	assert_false(token_is_sound("\xc3\xa4", 2));
}

/* RFC 7636, appendix B. */
static void proof_key_is_that_of_the_rfc(void **state)
{
	char challenge[PKCE_SIZE], a[PKCE_SIZE], b[PKCE_SIZE];

	(void)state;
	assert_int_equal(pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge), 0);
	assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	assert_int_equal(pkce_random(a), 0);
	assert_int_equal(pkce_random(b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), 43); /* what the RFC asks for at least */
	assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
}

static void form_is_encoded(void **state)
{
	static struct form form;

	(void)state;
	form_add(&form, "scope", "https://mail.google.com/ a&b=c%");
	form_add(&form, "nothing", NULL);
	form_add(&form, "n", "\xc3\xa4-._~");
	assert_string_equal(form.text, "scope=https%3A%2F%2Fmail.google.com%2F%20a%26b%3Dc%25&n=%C3%A4-._~");
	assert_int_equal(form.size, strlen(form.text));
	assert_false(form.full);
	for (int i = 0; i < FORM_MAX; i++)
		form_add(&form, "x", "%");
	assert_true(form.full);
	assert_true(form.size <= FORM_MAX);
	form_clear(&form);
	assert_int_equal(form.text[0], '\0');
}

static void query_is_decoded(void **state)
{
	char good[] = "a%2Fb+c%c3%A4", cut[] = "a%2", none[] = "a%zz", nul[] = "a%00b", empty[] = "";

	(void)state;
	assert_int_equal(form_decode(good), 0);
	assert_string_equal(good, "a/b c\xc3\xa4");
	assert_int_equal(form_decode(cut), -1);
	assert_int_equal(form_decode(none), -1);
	assert_int_equal(form_decode(nul), -1);
	assert_int_equal(form_decode(empty), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(key_is_32_octets_in_base64),
	    cmocka_unit_test(sealed_text_opens_with_its_key_and_place_alone),
	    cmocka_unit_test(token_goes_there_and_back),
	    cmocka_unit_test(refusal_goes_there_and_back),
	    cmocka_unit_test(token_of_the_first_version_is_read),
	    cmocka_unit_test(short_life_has_short_margins),
	    cmocka_unit_test(token_is_visible_ascii),
	    cmocka_unit_test(proof_key_is_that_of_the_rfc),
	    cmocka_unit_test(form_is_encoded),
	    cmocka_unit_test(query_is_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
