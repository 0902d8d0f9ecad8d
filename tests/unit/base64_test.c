/* Tests of base64: one form only of each octet string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64.h"

static void known_texts(void **state)
{
	/* RFC 4648 section 10 */
	static const char *const texts[] = {
	    "",	    "",		"f",	 "Zg==",     "fo",     "Zm8=",	   "foo",	   "Zm9v",
	    "foob", "Zm9vYg==", "fooba", "Zm9vYmE=", "foobar", "Zm9vYmFy", "\xff\xfe\xfb", "//77"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i += 2) {
		char encoded[16];
		unsigned char decoded[16];
		size_t size = 99;

		base64_encode(texts[i], strlen(texts[i]), encoded);
		assert_string_equal(encoded, texts[i + 1]);
		assert_int_equal(strlen(encoded) + 1, BASE64_ENCODED_SIZE(strlen(texts[i])));
		assert_int_equal(base64_decode(encoded, strlen(encoded), decoded, &size), 0);
		assert_int_equal(size, strlen(texts[i]));
		assert_memory_equal(decoded, texts[i], size);
	}
}

/* All strings of one and two octets, and some long ones, in memory of exactly their size. */
static void there_and_back(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 65536 + 256 + 300; number++) {
		size_t size = number < 65536 ? 2 : number < 65536 + 256 ? 1 : number - 65536 - 256, back = 0;
		unsigned char *data = malloc(size + 1), *decoded = malloc((size + 2) / 3 * 3 + 1);
		char *text = malloc(BASE64_ENCODED_SIZE(size));

		assert_true(data != NULL && decoded != NULL && text != NULL);
		for (size_t i = 0; i < size; i++)
			data[i] = (unsigned char)(i == 0 ? number : number >> 8 | i * 17);
		base64_encode(data, size, text);
		assert_int_equal(base64_decode(text, strlen(text), decoded, &back), 0);
		assert_int_equal(back, size);
		assert_memory_equal(decoded, data, size);
		free(data);
		free(decoded);
		free(text);
	}
}

static void what_is_not_canonical_is_refused(void **state)
{
	static const char *const bad[] = {
	    "Z",	"Zg",	"Zg=",	"Zg===",    "=",	"==",	    "====",  "Z===",
	    "=Zg=",	"Zh==", "Zm9=", "Zg==Zg==", "Zm8=Zm9v", "Zm9v====", "Zm 9v", "Zm9v\n",
	    "Zm9v\r\n", "Zm9-", "Zm9_", "Z=9v",	    "Zm=v",	"Zm9\xff",  "Zm9*"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned char decoded[16];
		size_t size;

		if (base64_decode(bad[i], strlen(bad[i]), decoded, &size) == 0)
			fail_msg("\"%s\" is taken", bad[i]);
	}
	{
		unsigned char decoded[16];
		size_t size;

		assert_int_equal(base64_decode("Zm\0v", 4, decoded, &size), -1);
	}
}

/* Every group of four out of some characters: what is taken encodes to the same text again. */
static void each_value_has_one_form(void **state)
{
	static const char characters[] = "AQgwBZ/+9=";
	const size_t n = sizeof(characters) - 1;

	(void)state;
	for (size_t number = 0; number < n * n * n * n; number++) {
		const char text[5] = {characters[number % n], characters[number / n % n],
				      characters[number / n / n % n], characters[number / n / n / n], '\0'};
		unsigned char decoded[3];
		char again[5];
		size_t size;

		if (base64_decode(text, 4, decoded, &size) != 0)
			continue;
		base64_encode(decoded, size, again);
		assert_string_equal(again, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_texts),
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(what_is_not_canonical_is_refused),
	    cmocka_unit_test(each_value_has_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
