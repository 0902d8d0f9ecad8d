/* scram_keys - see scram_keys.h. Runs in the verbs that make accounts, and wherever those are read. */
#include "common/scram_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/base64.h"
#include "common/number.h"
#include "common/secret.h"

static const EVP_MD *digest_of(enum scram_kind kind)
{
	return kind == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

size_t scram_digest_size(enum scram_kind kind)
{
	return kind == SCRAM_SHA_1 ? 20 : 32;
}

static int derive(enum scram_kind kind, const uint8_t *salted, const char *name, uint8_t *key_r)
{
	unsigned size = 0;

	return HMAC(digest_of(kind), salted, (int)scram_digest_size(kind), (const unsigned char *)name, strlen(name),
		    key_r, &size) == NULL
		   ? -1
		   : 0;
}

int scram_keys_make(enum scram_kind kind, const void *password, size_t size, unsigned iterations,
		    struct scram_keys *keys_r)
{
	uint8_t salted[SCRAM_DIGEST_MAX], client[SCRAM_DIGEST_MAX];
	struct scram_keys keys = {.iterations = iterations, .salt_size = SCRAM_SALT};
	int digest = (int)scram_digest_size(kind), result = -1;

	if (getrandom(keys.salt, SCRAM_SALT, 0) == SCRAM_SALT &&
	    PKCS5_PBKDF2_HMAC(password, (int)size, keys.salt, SCRAM_SALT, (int)iterations, digest_of(kind), digest,
			      salted) == 1 &&
	    derive(kind, salted, "Client Key", client) == 0 && derive(kind, salted, "Server Key", keys.server) == 0 &&
	    EVP_Digest(client, (size_t)digest, keys.stored, NULL, digest_of(kind), NULL) == 1)
		result = 0;
	secret_wipe(salted, sizeof(salted));
	secret_wipe(client, sizeof(client));
	if (result == 0)
		*keys_r = keys;
	return result;
}

void scram_keys_write(enum scram_kind kind, const struct scram_keys *keys, char text_r[SCRAM_TEXT_SIZE])
{
	char salt[BASE64_ENCODED_SIZE(SCRAM_SALT_MAX)], stored[BASE64_ENCODED_SIZE(SCRAM_DIGEST_MAX)],
	    server[BASE64_ENCODED_SIZE(SCRAM_DIGEST_MAX)];

	base64_encode(keys->salt, keys->salt_size, salt);
	base64_encode(keys->stored, scram_digest_size(kind), stored);
	base64_encode(keys->server, scram_digest_size(kind), server);
	snprintf(text_r, SCRAM_TEXT_SIZE, "%u:%s$%s:%s", keys->iterations, salt, stored, server);
}

/* Decodes what stands before the character `end` and goes behind it. Returns the octets, or 0. */
static size_t take(const char **text, char end, uint8_t *octets_r, size_t most)
{
	const char *stop = strchr(*text, end);
	unsigned char octets[SCRAM_TEXT_SIZE];
	size_t size = stop == NULL ? 0 : (size_t)(stop - *text), got = 0;

	if (size == 0 || base64_decode(*text, size, octets, &got) != 0 || got > most)
		return 0;
	memcpy(octets_r, octets, got);
	*text = stop + 1;
	return got;
}

int scram_keys_read(enum scram_kind kind, const char *text, struct scram_keys *keys_r)
{
	size_t digits = strcspn(text, ":"), digest = scram_digest_size(kind);
	struct scram_keys keys;
	uint64_t iterations;

	if (strlen(text) >= SCRAM_TEXT_SIZE || text[digits] != ':' ||
	    number_parse(text, digits, SCRAM_ITERATIONS_MAX, &iterations) != 0 || iterations < SCRAM_ITERATIONS_MIN)
		return -1;
	keys.iterations = (unsigned)iterations;
	text += digits + 1;
	keys.salt_size = take(&text, '$', keys.salt, sizeof(keys.salt));
	if (keys.salt_size == 0 || take(&text, ':', keys.stored, sizeof(keys.stored)) != digest ||
	    take(&text, '\0', keys.server, sizeof(keys.server)) != digest)
		return -1;
	*keys_r = keys;
	return 0;
}
