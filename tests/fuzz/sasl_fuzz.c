/* sasl: base64 and the mechanisms. What is decoded can be encoded back to the same text; what leaves a mechanism as a
 * name or a password breaks no line of any protocol. */
#include "common/base64.h"
#include "common/text.h"
#include "pop3/sasl.h"

#include "fuzz.h"

static void check_decoding(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size), *again;
	unsigned char *octets = malloc(size / 4 * 3 + 1);
	size_t decoded = 0;

	REQUIRE(octets != NULL);
	if (base64_decode(text, size, octets, &decoded) == 0) {
		REQUIRE(decoded <= size / 4 * 3);
		again = malloc(BASE64_ENCODED_SIZE(decoded));
		REQUIRE(again != NULL);
		base64_encode(octets, decoded, again);
		REQUIRE(strlen(again) == size && memcmp(again, text, size) == 0);
		free(again);
	}
	free(octets);
	free(text);
}

static void check_encoding(const uint8_t *data, size_t size)
{
	char *text = malloc(BASE64_ENCODED_SIZE(size));
	unsigned char *octets = malloc((size + 2) / 3 * 3 + 1);
	size_t decoded = 0;

	REQUIRE(text != NULL && octets != NULL);
	base64_encode(data, size, text);
	REQUIRE(strlen(text) == (size + 2) / 3 * 4);
	REQUIRE(base64_decode(text, strlen(text), octets, &decoded) == 0);
	REQUIRE(decoded == size && (size == 0 || memcmp(octets, data, size) == 0));
	free(text);
	free(octets);
}

static void check_credential(const struct sasl *sasl)
{
	size_t size = strlen(sasl->name);
	const unsigned char *password = sasl->password.data;

	REQUIRE(size > 0 && size <= SASL_NAME_MAX && text_is_utf8(sasl->name, size));
	for (size_t i = 0; i < size; i++)
		REQUIRE((unsigned char)sasl->name[i] >= 0x20 && sasl->name[i] != 0x7f);
	REQUIRE(sasl->password.size > 0 && sasl->password.size <= SECRET_MAX);
	for (size_t i = 0; i < sasl->password.size; i++)
		REQUIRE(password[i] != '\0' && password[i] != '\r' && password[i] != '\n');
	REQUIRE(password[sasl->password.size] == '\0');
}

/* Responses are cut at 0xff, which no UTF-8 holds. */
static void run_mechanism(enum mechanism mechanism, const uint8_t *data, size_t size)
{
	enum sasl_result result = SASL_CONTINUE;
	struct sasl sasl;

	sasl_init(&sasl, mechanism);
	while (result == SASL_CONTINUE && size > 0) {
		const uint8_t *end = memchr(data, 0xff, size);
		size_t step = end == NULL ? size : (size_t)(end - data);
		unsigned char *copy = (unsigned char *)fuzz_copy(data, step);

		result = sasl_step(&sasl, step == 0 ? NULL : copy, step);
		REQUIRE(result != SASL_CONTINUE || sasl.challenge != NULL);
		free(copy);
		data += step + (end != NULL);
		size -= step + (end != NULL);
	}
	if (result == SASL_DONE)
		check_credential(&sasl);
	sasl_clear(&sasl);
}

static void run_userpass(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, 0xff, size) : NULL;
	size_t name = end == NULL ? size / 2 : (size_t)(end - data), skip = name + (end != NULL);
	char *user = fuzz_copy(data, name), *password = fuzz_copy(data + skip, size - skip);
	struct sasl sasl;

	sasl_init(&sasl, MECHANISM_USER);
	if (sasl_userpass(&sasl, user, name, password, size - skip) == SASL_DONE) {
		check_credential(&sasl);
		REQUIRE(strlen(sasl.name) == name && memcmp(sasl.name, user, name) == 0);
		REQUIRE(sasl.password.size == size - skip && memcmp(sasl.password.data, password, size - skip) == 0);
	}
	sasl_clear(&sasl);
	free(user);
	free(password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum mechanism mechanism;

	check_decoding(data, size);
	check_encoding(data, size);
	run_mechanism(MECHANISM_PLAIN, data, size);
	run_mechanism(MECHANISM_LOGIN, data, size);
	run_mechanism(MECHANISM_OAUTHBEARER, data, size);
	run_mechanism(MECHANISM_XOAUTH2, data, size);
	run_userpass(data, size);
	if (size > 0 && mechanism_find((const char *)data, size, &mechanism))
		REQUIRE(strlen(mechanism_name(mechanism)) == size);
	return 0;
}
