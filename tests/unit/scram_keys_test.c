/* Tests of scram_keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/scram_keys.h"

/* The password `pencil` with the salts of RFC 5802 section 5 and RFC 7677 section 3: what its proofs must fit. */
static const char sha_1[] = "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=";
static const char sha_256[] = "4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			      "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

static void known_keys_are_read_and_written_alike(void **state)
{
	char text[SCRAM_TEXT_SIZE];
	struct scram_keys keys;

	(void)state;
	assert_int_equal(scram_keys_read(SCRAM_SHA_1, sha_1, &keys), 0);
	assert_int_equal(keys.iterations, 4096);
	assert_int_equal(keys.salt_size, 12);
	scram_keys_write(SCRAM_SHA_1, &keys, text);
	assert_string_equal(text, sha_1);
	assert_int_equal(scram_keys_read(SCRAM_SHA_256, sha_256, &keys), 0);
	assert_int_equal(keys.salt_size, 16);
	scram_keys_write(SCRAM_SHA_256, &keys, text);
	assert_string_equal(text, sha_256);
}

/* By the definitions of RFC 5802 section 3, from the salt that was chosen. */
static void check_made(enum scram_kind kind, const EVP_MD *digest)
{
	uint8_t salted[32], client[32], stored[32], server[32];
	struct scram_keys keys, other;
	size_t size = scram_digest_size(kind);

	assert_int_equal(scram_keys_make(kind, "pencil", 6, 4096, &keys), 0);
	assert_int_equal(scram_keys_make(kind, "pencil", 6, 4096, &other), 0);
	assert_int_equal(keys.salt_size, SCRAM_SALT);
	assert_memory_not_equal(keys.salt, other.salt, SCRAM_SALT);
	assert_int_equal(PKCS5_PBKDF2_HMAC("pencil", 6, keys.salt, SCRAM_SALT, 4096, digest, (int)size, salted), 1);
	assert_non_null(HMAC(digest, salted, (int)size, (const unsigned char *)"Client Key", 10, client, NULL));
	assert_non_null(HMAC(digest, salted, (int)size, (const unsigned char *)"Server Key", 10, server, NULL));
	assert_int_equal(EVP_Digest(client, size, stored, NULL, digest, NULL), 1);
	assert_memory_equal(keys.stored, stored, size);
	assert_memory_equal(keys.server, server, size);
}

static void keys_are_made(void **state)
{
	(void)state;
	check_made(SCRAM_SHA_1, EVP_sha1());
	check_made(SCRAM_SHA_256, EVP_sha256());
}

static void hostile_texts_are_none(void **state)
{
	static const char *const bad[] = {
	    "",
	    ":",
	    "4096",
	    "4096:",
	    "4096:QSXCR+Q6sek8bf92",
	    "4096:$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
	    "4095:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
	    "10000001:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
	    "99999999999999999999:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
	    "-4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
	    "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:",
	    "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/",
	    "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=:",
	    "4096:QSXCR+Q6sek8bf92:6dlGYMOdZcOPutkcNY8U2g7vK9Y=$D+CSWLOshSulAsxiupA+qs2/fTE=",
	    "4096:QSXCR+Q6sek8bf9!$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="};
	struct scram_keys keys = {.iterations = 77};
	char longest[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (scram_keys_read(SCRAM_SHA_1, bad[i], &keys) == 0)
			fail_msg("%s is taken for keys", bad[i]);
	assert_int_equal(scram_keys_read(SCRAM_SHA_256, sha_1, &keys), -1);
	assert_int_equal(scram_keys_read(SCRAM_SHA_1, sha_256, &keys), -1);
	memset(longest, 'A', sizeof(longest));
	memcpy(longest, "4096:", 5);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(scram_keys_read(SCRAM_SHA_1, longest, &keys), -1);
	longest[1000] = '$';
	assert_int_equal(scram_keys_read(SCRAM_SHA_1, longest, &keys), -1);
	assert_int_equal(keys.iterations, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_keys_are_read_and_written_alike),
	    cmocka_unit_test(keys_are_made),
	    cmocka_unit_test(hostile_texts_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
