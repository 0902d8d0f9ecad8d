/* Tests of device: passwords that are made here, and what is kept of them. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/device.h"

static bool check(const struct device_key *key, const char *password)
{
	return device_check(key, (const unsigned char *)password, strlen(password));
}

static bool is_form(const char *password)
{
	return device_is_form((const unsigned char *)password, strlen(password));
}

static void a_password_is_made_and_known_again(void **state)
{
	char password[DEVICE_PASSWORD_SIZE], other[DEVICE_PASSWORD_SIZE], seen[256] = {0};
	struct device_key key, another;

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(device_make(password, &key), 0);
		assert_int_equal(device_make(other, &another), 0);
		assert_int_equal(strlen(password), DEVICE_PASSWORD_SIZE - 1);
		for (size_t j = 0; j < DEVICE_PASSWORD_SIZE - 1; j++) {
			assert_true((password[j] == '-') == (j % 6 == 5));
			seen[(unsigned char)password[j]] = 1;
		}
		assert_true(is_form(password));
		assert_true(check(&key, password));
		assert_false(check(&another, password));
		assert_false(check(&key, other));
		assert_memory_not_equal(key.salt, another.salt, DEVICE_SALT);
	}
	for (const char *none = "01loABZ"; *none != '\0'; none++)
		assert_int_equal(seen[(unsigned char)*none], 0);
	for (const char *all = "abcdefghijkmnpqrstuvwxyz23456789-"; *all != '\0'; all++)
		assert_int_equal(seen[(unsigned char)*all], 1);
}

static void case_and_hyphens_do_not_count(void **state)
{
	char password[DEVICE_PASSWORD_SIZE], plain[DEVICE_PASSWORD_SIZE], capitals[DEVICE_PASSWORD_SIZE], odd[64];
	struct device_key key;
	size_t used = 0;

	(void)state;
	assert_int_equal(device_make(password, &key), 0);
	for (size_t i = 0; i < sizeof(password); i++) {
		capitals[i] = (char)toupper(password[i]);
		if (password[i] != '-')
			plain[used++] = password[i];
	}
	snprintf(odd, sizeof(odd), "--%.4s-%.16s--", plain, plain + 4);
	assert_true(check(&key, plain));
	assert_true(check(&key, capitals));
	assert_true(check(&key, odd));
	for (size_t i = 0; i < used - 1; i++) {
		char was = plain[i];

		plain[i] = was == 'a' ? 'b' : 'a';
		assert_false(check(&key, plain));
		plain[i] = was;
	}
}

static void forms(void **state)
{
	static const char *const good[] = {"abcdefghijkmnpqrstuv", "ABCDE-FGHIJ-KMNPQ-RSTUV",
					   "a-b-c-d-e-f-g-h-i-j-k-m-n-p-q-r-s-t-u-v"};
	static const char *const bad[] = {"",
					  "-",
					  "abcdefghijkmnpqrstu",
					  "abcdefghijkmnpqrstuvw",
					  "abcdefghijklmnpqrstu",
					  "abcdefghijkmnpqrst0v",
					  "abcdefghijkmnpqrst1v",
					  "abcdefghijkmnpqrs uv",
					  "abcde fghij kmnpq rstuv",
					  "abcdefghijkmnpqrstu\xc3\xa4",
					  "password"};
	static const unsigned char with_nul[] = "abcdefghijkmnpqrstuv\0";

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(is_form(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(is_form(bad[i]));
	assert_false(device_is_form(with_nul, sizeof(with_nul) - 1));
	assert_false(device_is_form(NULL, 0));
}

static void a_key_is_written_and_read(void **state)
{
	char password[DEVICE_PASSWORD_SIZE], text[DEVICE_TEXT_SIZE];
	struct device_key key, again;

	(void)state;
	assert_int_equal(device_make(password, &key), 0);
	device_write(&key, text);
	assert_int_equal(strlen(text), DEVICE_TEXT_SIZE - 1);
	assert_int_equal(device_read(text, &again), 0);
	assert_memory_equal(&key, &again, sizeof(key));
	assert_null(strstr(text, password));
}

static void hostile_keys_are_none(void **state)
{
	char good[DEVICE_TEXT_SIZE], text[DEVICE_TEXT_SIZE + 1];
	char password[DEVICE_PASSWORD_SIZE];
	struct device_key key, kept;

	(void)state;
	assert_int_equal(device_make(password, &key), 0);
	device_write(&key, good);
	kept = key;
	assert_int_equal(device_read("", &key), -1);
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		/* '$' and '=' are out of place anywhere but where they stand */
		snprintf(text, sizeof(text), "%s", good);
		text[i] = good[i] == '$' ? 'A' : '$';
		assert_int_equal(device_read(text, &key), -1);
		snprintf(text, sizeof(text), "%.*s%s", (int)i, good, good + i + 1);
		assert_int_equal(device_read(text, &key), -1);
	}
	snprintf(text, sizeof(text), "%sA", good);
	assert_int_equal(device_read(text, &key), -1);
	assert_memory_equal(&kept, &key, sizeof(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_password_is_made_and_known_again),
	    cmocka_unit_test(case_and_hyphens_do_not_count),
	    cmocka_unit_test(forms),
	    cmocka_unit_test(a_key_is_written_and_read),
	    cmocka_unit_test(hostile_keys_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
