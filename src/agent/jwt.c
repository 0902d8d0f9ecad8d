/* jwt - see jwt.h. */
#include "agent/jwt.h"

#include <cjson/cJSON.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/pkce.h"
#include "agent/source.h"
#include "common/base64.h"

#define LIFETIME      600 /* seconds */
#define SIGNATURE_MAX (JWT_BITS_MOST / 8)
#define HEADER_MAX    512
#define CLAIMS_MAX    8192 /* the longest identifier twice, each octet escaped, and an endpoint, in base64 */

/* ---- the key ---- */

/* What OpenSSL makes of both. */
struct parsed {
	X509 *certificate;
	EVP_PKEY *key;
};

/* NOLINTNEXTLINE(readability-non-const-parameter): pem_password_cb */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return -1;
}

/* What cannot be read is NULL. */
static void parse(const struct jwt_key *texts, struct parsed *parsed_r)
{
	BIO *certificate = BIO_new_mem_buf(texts->certificate.data, (int)texts->certificate.size);
	BIO *key = BIO_new_mem_buf(texts->key.data, (int)texts->key.size);

	*parsed_r = (struct parsed){0};
	if (certificate != NULL && texts->certificate.size > 0)
		parsed_r->certificate = PEM_read_bio_X509(certificate, NULL, no_password, NULL);
	if (key != NULL && texts->key.size > 0)
		parsed_r->key = PEM_read_bio_PrivateKey(key, NULL, no_password, NULL);
	BIO_free(certificate);
	BIO_free(key);
	ERR_clear_error();
}

static void free_parsed(struct parsed *parsed)
{
	X509_free(parsed->certificate);
	EVP_PKEY_free(parsed->key);
}

enum verdict { GOOD, NO_CERTIFICATE, NO_KEY, WRONG_SIZE, OTHER_KEY };

static enum verdict judge(const struct parsed *parsed)
{
	const int bits = parsed->key == NULL ? 0 : EVP_PKEY_get_bits(parsed->key);

	if (parsed->certificate == NULL)
		return NO_CERTIFICATE;
	if (parsed->key == NULL || EVP_PKEY_get_base_id(parsed->key) != EVP_PKEY_RSA)
		return NO_KEY;
	if (bits < JWT_BITS_LEAST || bits > JWT_BITS_MOST)
		return WRONG_SIZE;
	return X509_check_private_key(parsed->certificate, parsed->key) == 1 ? GOOD : OTHER_KEY;
}

static int read_both(const struct conf_provider *provider, struct jwt_key *key, struct popgate_error *certificate,
		     struct popgate_error *error)
{
	*certificate = *error = (struct popgate_error){0};
	return source_read_text(provider->certificate, false, &key->certificate, certificate) |
	       source_read_text(provider->key, true, &key->key, error);
}

/* In a process of its own, which reads them itself: OpenSSL leaves pieces of a key where it has been, and who goes on
 * here has children that must not have them. */
static enum verdict judge_apart(const struct conf_provider *provider)
{
	struct popgate_error certificate, error;
	struct jwt_key key = {0};
	struct parsed parsed;
	const pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (read_both(provider, &key, &certificate, &error) != 0)
			_exit(NO_KEY);
		parse(&key, &parsed);
		_exit((int)judge(&parsed));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return NO_KEY;
	return (enum verdict)WEXITSTATUS(status);
}

static int tell(const struct conf_provider *provider, enum verdict verdict, struct conf_report *report)
{
	switch (verdict) {
	case GOOD:
		return 0;
	case NO_CERTIFICATE:
		conf_report_add(report, provider->certificate, 0, "is no certificate in PEM that can be read");
		break;
	case NO_KEY:
		conf_report_add(report, provider->key, 0, "is no RSA key in PEM without a password");
		break;
	case WRONG_SIZE:
		conf_report_add(report, provider->key, 0, "must be an RSA key of %d to %d bits", JWT_BITS_LEAST,
				JWT_BITS_MOST);
		break;
	case OTHER_KEY:
		conf_report_add(report, provider->key, 0, "is not the key of %s", provider->certificate);
		break;
	}
	return -1;
}

int jwt_key_read(const struct conf_provider *provider, struct jwt_key *key_r, struct conf_report *report)
{
	struct popgate_error certificate, error;
	struct jwt_key key = {0};

	if (read_both(provider, &key, &certificate, &error) == 0 &&
	    tell(provider, judge_apart(provider), report) == 0) {
		*key_r = key;
		return 0;
	}
	if (certificate.text[0] != '\0')
		conf_report_add(report, provider->file, provider->line, "certificate %s", certificate.text);
	if (error.text[0] != '\0')
		conf_report_add(report, provider->file, provider->line, "key %s", error.text);
	jwt_key_clear(&key);
	return -1;
}

void jwt_key_clear(struct jwt_key *key)
{
	secret_clear(&key->certificate);
	secret_clear(&key->key);
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

static int make_header(const struct parsed *key, enum conf_assertion how, char *out, size_t size)
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

static int sign(const struct parsed *key, enum conf_assertion how, const char *text, unsigned char *signature,
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

static int make_text(const struct parsed *key, enum conf_assertion how, const char *client, const char *audience,
		     int64_t now, struct secret *text_r)
{
	char header[HEADER_MAX], claims[CLAIMS_MAX], text[HEADER_MAX + CLAIMS_MAX + BASE64_ENCODED_SIZE(SIGNATURE_MAX)];
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

int jwt_assertion(const struct jwt_key *key, enum conf_assertion how, const char *client, const char *audience,
		  int64_t now, struct secret *text_r)
{
	struct parsed parsed;
	int result = -1;

	parse(key, &parsed);
	if (parsed.certificate != NULL && parsed.key != NULL)
		result = make_text(&parsed, how, client, audience, now, text_r);
	free_parsed(&parsed);
	return result;
}
