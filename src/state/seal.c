/* seal - see seal.h. The nonce is random: far fewer than 2^32 texts are ever sealed under one key. */
#include "state/seal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"

#define NONCE	    12
#define TAG	    16
#define KEY_DIGITS  44
#define DECODED_MAX 33

int seal_key(const struct secret *line, struct secret *key_r)
{
	unsigned char key[DECODED_MAX];
	size_t size;
	int result = -1;

	if (line->size == KEY_DIGITS && base64_decode((const char *)line->data, line->size, key, &size) == 0 &&
	    size == SEAL_KEY_SIZE)
		result = secret_set(key_r, key, size);
	secret_wipe(key, sizeof(key));
	return result;
}

static int encrypt(EVP_CIPHER_CTX *cipher, const struct secret *key, const char *about, size_t about_size,
		   const void *plain, size_t size, unsigned char *sealed)
{
	unsigned char *text = sealed + NONCE;
	int length;

	return RAND_bytes(sealed, NONCE) == 1 &&
		       EVP_EncryptInit_ex2(cipher, EVP_aes_256_gcm(), key->data, sealed, NULL) == 1 &&
		       EVP_EncryptUpdate(cipher, NULL, &length, (const unsigned char *)about, (int)about_size) == 1 &&
		       EVP_EncryptUpdate(cipher, text, &length, plain, (int)size) == 1 && (size_t)length == size &&
		       EVP_EncryptFinal_ex(cipher, text + size, &length) == 1 &&
		       EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, text + size) == 1
		   ? 0
		   : -1;
}

int seal_close(const struct secret *key, const char *about, size_t about_size, const void *plain, size_t size,
	       unsigned char *sealed)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	int result = -1;

	if (cipher != NULL && key->size == SEAL_KEY_SIZE && size <= SECRET_MAX)
		result = encrypt(cipher, key, about, about_size, plain, size, sealed);
	EVP_CIPHER_CTX_free(cipher);
	return result;
}

static int decrypt(EVP_CIPHER_CTX *cipher, const struct secret *key, const char *about, size_t about_size,
		   const unsigned char *sealed, size_t size, unsigned char *plain)
{
	unsigned char tag[TAG];
	int length;

	memcpy(tag, sealed + NONCE + size, TAG);
	return EVP_DecryptInit_ex2(cipher, EVP_aes_256_gcm(), key->data, sealed, NULL) == 1 &&
		       EVP_DecryptUpdate(cipher, NULL, &length, (const unsigned char *)about, (int)about_size) == 1 &&
		       EVP_DecryptUpdate(cipher, plain, &length, sealed + NONCE, (int)size) == 1 &&
		       EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
		       EVP_DecryptFinal_ex(cipher, plain + size, &length) == 1
		   ? 0
		   : -1;
}

int seal_open(const struct secret *key, const char *about, size_t about_size, const unsigned char *sealed, size_t size,
	      struct secret *plain_r)
{
	EVP_CIPHER_CTX *cipher;
	unsigned char *plain;
	int result = -1;

	if (size < SEAL_MORE || size > SECRET_MAX + SEAL_MORE || key->size != SEAL_KEY_SIZE)
		return -1;
	size -= SEAL_MORE;
	cipher = EVP_CIPHER_CTX_new();
	plain = malloc(size + TAG);
	if (cipher != NULL && plain != NULL && decrypt(cipher, key, about, about_size, sealed, size, plain) == 0)
		result = secret_set(plain_r, plain, size);
	if (plain != NULL)
		secret_wipe(plain, size + TAG);
	free(plain);
	EVP_CIPHER_CTX_free(cipher);
	return result;
}
