/* md5_proof - see md5_proof.h. The password goes into the digest from where it stands: no copy of it is made. */
#include "broker/md5_proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

int md5_proof_apop(const char *timestamp, const char *secret, uint8_t proof_r[MD5_PROOF_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int result = -1;

	if (context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(context, timestamp, strlen(timestamp)) == 1 &&
	    EVP_DigestUpdate(context, secret, strlen(secret)) == 1 && EVP_DigestFinal_ex(context, proof_r, NULL) == 1)
		result = 0;
	EVP_MD_CTX_free(context);
	return result;
}

int md5_proof_cram(const char *challenge, const char *secret, uint8_t proof_r[MD5_PROOF_SIZE])
{
	unsigned size = 0;

	return HMAC(EVP_md5(), secret, (int)strlen(secret), (const unsigned char *)challenge, strlen(challenge),
		    proof_r, &size) != NULL &&
		       size == MD5_PROOF_SIZE
		   ? 0
		   : -1;
}

/* 0-15; 16: no such digit */
static unsigned digit(unsigned char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	if (letter >= 'a' && letter <= 'f')
		return letter - 'a' + 10;
	return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : 16;
}

int md5_proof_read(const unsigned char *text, size_t size, uint8_t proof_r[MD5_PROOF_SIZE])
{
	if (size != MD5_PROOF_TEXT)
		return -1;
	for (size_t i = 0; i < MD5_PROOF_TEXT; i++)
		if (digit(text[i]) > 15)
			return -1;
	for (size_t i = 0; i < MD5_PROOF_SIZE; i++)
		proof_r[i] = (uint8_t)(digit(text[i * 2]) << 4 | digit(text[i * 2 + 1]));
	return 0;
}

bool md5_proof_equal(const uint8_t a[MD5_PROOF_SIZE], const uint8_t b[MD5_PROOF_SIZE])
{
	return CRYPTO_memcmp(a, b, MD5_PROOF_SIZE) == 0;
}
