/* pkce - see pkce.h. */
#include "agent/pkce.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "common/base64.h"
#include "common/secret.h"

#define OCTETS 32 /* of what is encoded: the random ones, and those of SHA-256 */

static void encode(unsigned char octets[OCTETS], char text[PKCE_SIZE])
{
	char padded[BASE64_ENCODED_SIZE(OCTETS)];

	base64_encode_url(octets, OCTETS, padded);
	memcpy(text, padded, PKCE_SIZE);
	secret_wipe(octets, OCTETS);
	secret_wipe(padded, sizeof(padded));
}

int pkce_random(char text[PKCE_SIZE])
{
	unsigned char octets[OCTETS];

	if (RAND_bytes(octets, OCTETS) != 1)
		return -1;
	encode(octets, text);
	return 0;
}

int pkce_challenge(const char *verifier, char challenge[PKCE_SIZE])
{
	unsigned char digest[OCTETS];
	unsigned size;

	if (EVP_Digest(verifier, strlen(verifier), digest, &size, EVP_sha256(), NULL) != 1 || size != OCTETS)
		return -1;
	encode(digest, challenge);
	return 0;
}
