/* jwt - see jwt.h. */
#include "agent/jwt.h"

#include <cjson/cJSON.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/pkce.h"
#include "common/base64.h"

#define LIFETIME      600 /* seconds */
#define SIGNATURE_MAX 1024
#define PART_MAX      4096

/* ---- the key ---- */

/* What others may read is no secret. */
static FILE *open_key(const char *path, struct conf_report *report)
{
	FILE *file = fopen(path, "re");
	struct stat status;

	if (file == NULL) {
		conf_report_add(report, path, 0, "the key cannot be read");
		return NULL;
	}
	if (fstat(fileno(file), &status) == 0 && (status.st_mode & 077) == 0)
		return file;
	conf_report_add(report, path, 0, "others than its owner may use the key: chmod 600 it");
	fclose(file);
	return NULL;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): pem_password_cb */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return -1;
}

int jwt_key_read(const struct conf_provider *provider, struct jwt_key *key_r, struct conf_report *report)
{
	FILE *file = fopen(provider->certificate, "re");
	struct jwt_key key = {0};

	if (file != NULL) {
		key.certificate = PEM_read_X509(file, NULL, no_password, NULL);
		fclose(file);
	}
	if (key.certificate == NULL)
		conf_report_add(report, provider->certificate, 0, "is no certificate in PEM that can be read");
	file = open_key(provider->key, report);
	if (file != NULL) {
		key.key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
		fclose(file);
		if (key.key == NULL || EVP_PKEY_get_base_id(key.key) != EVP_PKEY_RSA)
			conf_report_add(report, provider->key, 0, "is no RSA key in PEM without a password");
		else if (key.certificate != NULL && X509_check_private_key(key.certificate, key.key) != 1)
			conf_report_add(report, provider->key, 0, "is not the key of %s", provider->certificate);
		else if (key.certificate != NULL) {
			*key_r = key;
			return 0;
		}
	}
	ERR_clear_error();
	jwt_key_free(&key);
	return -1;
}

void jwt_key_free(struct jwt_key *key)
{
	X509_free(key->certificate);
	EVP_PKEY_free(key->key);
	*key = (struct jwt_key){0};
}

/* ---- the text ---- */

/* base64url of an object, which is freed. 0 or -1. */
static int encode(cJSON *object, char *out, size_t size)
{
	char *text = object == NULL ? NULL : cJSON_PrintUnformatted(object);
	int result = -1;

	if (text != NULL && BASE64_ENCODED_SIZE(strlen(text)) <= size) {
		base64_encode_url(text, strlen(text), out);
		result = 0;
	}
	cJSON_free(text);
	cJSON_Delete(object);
	return result;
}

static int make_header(const struct jwt_key *key, enum conf_assertion how, char *out, size_t size)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char thumbprint[BASE64_ENCODED_SIZE(EVP_MAX_MD_SIZE)];
	unsigned length;
	const bool pss = how == CONF_ASSERTION_PS256;
	cJSON *object = cJSON_CreateObject();

	if (object == NULL || X509_digest(key->certificate, pss ? EVP_sha256() : EVP_sha1(), digest, &length) != 1) {
		cJSON_Delete(object);
		return -1;
	}
	base64_encode_url(digest, length, thumbprint);
	(void)cJSON_AddStringToObject(object, "alg", pss ? "PS256" : "RS256");
	(void)cJSON_AddStringToObject(object, "typ", "JWT");
	(void)cJSON_AddStringToObject(object, pss ? "x5t#S256" : "x5t", thumbprint);
	return encode(object, out, size);
}

static int make_claims(const char *client, const char *audience, int64_t now, char *out, size_t size)
{
	char once[PKCE_SIZE];
	cJSON *object;

	if (pkce_random(once) != 0 || (object = cJSON_CreateObject()) == NULL)
		return -1;
	(void)cJSON_AddStringToObject(object, "aud", audience);
	(void)cJSON_AddStringToObject(object, "iss", client);
	(void)cJSON_AddStringToObject(object, "sub", client);
	(void)cJSON_AddStringToObject(object, "jti", once);
	(void)cJSON_AddNumberToObject(object, "nbf", (double)now);
	(void)cJSON_AddNumberToObject(object, "exp", (double)(now + LIFETIME));
	return encode(object, out, size);
}

static int sign(const struct jwt_key *key, enum conf_assertion how, const char *text, unsigned char *signature,
		size_t *size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	int good = context != NULL && EVP_DigestSignInit(context, &options, EVP_sha256(), NULL, key->key) == 1;

	if (good && how == CONF_ASSERTION_PS256)
		good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good && EVP_DigestSign(context, signature, size, (const unsigned char *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(context);
	return good ? 0 : -1;
}

int jwt_assertion(const struct jwt_key *key, enum conf_assertion how, const char *client, const char *audience,
		  int64_t now, struct secret *text_r)
{
	char header[PART_MAX], claims[PART_MAX], text[2 * PART_MAX + BASE64_ENCODED_SIZE(SIGNATURE_MAX) + 2];
	unsigned char signature[SIGNATURE_MAX];
	size_t size = sizeof(signature), used;

	if (make_header(key, how, header, sizeof(header)) != 0 ||
	    make_claims(client, audience, now, claims, sizeof(claims)) != 0)
		return -1;
	used = (size_t)snprintf(text, sizeof(text), "%s.%s", header, claims);
	if (sign(key, how, text, signature, &size) != 0)
		return -1;
	text[used++] = '.';
	base64_encode_url(signature, size, text + used);
	return secret_set(text_r, text, strlen(text));
}
