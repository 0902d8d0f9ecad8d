/* device - see device.h. */
#include "common/device.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "common/base64.h"
#include "common/secret.h"
#include "common/text.h"

#define LETTERS	    20 /* of 5 bits each */
#define GROUP	    5  /* letters between two hyphens */
#define SALT_TEXT   24 /* base64 */
#define DIGEST_TEXT 44

/* Without those that are taken for one another: 0 O, 1 l I. Lower case, as small keyboards begin with it. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

_Static_assert(sizeof(alphabet) == 33, "5 bits a letter");

static int digest(const uint8_t salt[DEVICE_SALT], const char letters[LETTERS], uint8_t digest_r[DEVICE_DIGEST])
{
	unsigned size = 0;

	return HMAC(EVP_sha256(), salt, DEVICE_SALT, (const unsigned char *)letters, LETTERS, digest_r, &size) !=
			   NULL &&
		       size == DEVICE_DIGEST
		   ? 0
		   : -1;
}

int device_make(char password_r[DEVICE_PASSWORD_SIZE], struct device_key *key_r)
{
	unsigned char chance[LETTERS];
	char letters[LETTERS];
	size_t used = 0;

	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance) ||
	    getrandom(key_r->salt, DEVICE_SALT, 0) != DEVICE_SALT)
		return -1;
	for (size_t i = 0; i < LETTERS; i++) {
		letters[i] = alphabet[chance[i] % 32];
		if (i > 0 && i % GROUP == 0)
			password_r[used++] = '-';
		password_r[used++] = letters[i];
	}
	password_r[used] = '\0';
	secret_wipe(chance, sizeof(chance));
	return digest(key_r->salt, letters, key_r->digest);
}

/* The letters alone. Returns how many, LETTERS + 1 at most; 0: another character stands there. */
static size_t take_letters(const unsigned char *password, size_t size, char letters_r[LETTERS])
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		char letter = text_lower((char)password[i]);

		if (letter == '-')
			continue;
		if (letter == '\0' || strchr(alphabet, letter) == NULL)
			return 0;
		if (count == LETTERS)
			return LETTERS + 1;
		letters_r[count++] = letter;
	}
	return count;
}

bool device_is_form(const unsigned char *password, size_t size)
{
	char letters[LETTERS];
	bool is = take_letters(password, size, letters) == LETTERS;

	secret_wipe(letters, sizeof(letters));
	return is;
}

bool device_check(const struct device_key *key, const unsigned char *password, size_t size)
{
	uint8_t found[DEVICE_DIGEST];
	char letters[LETTERS];
	bool right = take_letters(password, size, letters) == LETTERS && digest(key->salt, letters, found) == 0 &&
		     CRYPTO_memcmp(found, key->digest, DEVICE_DIGEST) == 0;

	secret_wipe(letters, sizeof(letters));
	return right;
}

void device_write(const struct device_key *key, char text_r[DEVICE_TEXT_SIZE])
{
	base64_encode(key->salt, DEVICE_SALT, text_r);
	text_r[SALT_TEXT] = '$';
	base64_encode(key->digest, DEVICE_DIGEST, text_r + SALT_TEXT + 1);
}

static int read_part(const char *text, size_t size, uint8_t *octets_r, size_t expected)
{
	unsigned char octets[DIGEST_TEXT];
	size_t got;

	if (base64_decode(text, size, octets, &got) != 0 || got != expected)
		return -1;
	memcpy(octets_r, octets, expected);
	return 0;
}

int device_read(const char *text, struct device_key *key_r)
{
	struct device_key key = {0};

	if (strlen(text) != SALT_TEXT + 1 + DIGEST_TEXT || text[SALT_TEXT] != '$' ||
	    read_part(text, SALT_TEXT, key.salt, DEVICE_SALT) != 0 ||
	    read_part(text + SALT_TEXT + 1, DIGEST_TEXT, key.digest, DEVICE_DIGEST) != 0)
		return -1;
	*key_r = key;
	return 0;
}
