/* scram - see scram.h.
 *
 * libgsasl writes and compares the messages. It would take a nonce that is not the server's too, and any count of
 * iterations: both are looked at first. The password never gets to it, since it wipes nothing; the key that is made of
 * the password does. Runs in a session process.
 */
#include "scram.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_GSASL
#include <gsasl.h>
#include <openssl/evp.h>

#include "base64.h"

#define ITERATIONS_LEAST 4096u	  /* RFC 7677 */
#define ITERATIONS_MOST	 1000000u /* about a second */
#define MESSAGE_MAX	 2048u	  /* octets of what a server says */
#define KEY_MAX		 32u

struct scram {
	Gsasl *library;
	Gsasl_session *session;
	bool sha_256;
	char *first;
	char *password; /* as SASLprep leaves it */
};

bool scram_is_there(void)
{
	return true;
}

const char *scram_name(const struct scram_wish *wish)
{
	static const char *const names[2][2] = {{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"},
						{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}};

	return names[wish->sha_256][wish->binding_size > 0];
}

void scram_free(struct scram **scram)
{
	struct scram *s = *scram;

	if (s == NULL)
		return;
	base64_wipe(s->first);
	base64_wipe(s->password);
	if (s->session != NULL)
		gsasl_finish(s->session);
	if (s->library != NULL)
		gsasl_done(s->library);
	free(s);
	*scram = NULL;
}

/* Of ASCII nothing is changed, and a copy less is made. */
static char *prepare(const struct scram_wish *wish)
{
	const char *secret = (const char *)wish->secret;
	char *prepared = NULL;

	for (size_t i = 0; i < wish->secret_size; i++)
		if (wish->secret[i] >= 0x80)
			return gsasl_saslprep(secret, 0, &prepared, NULL) == GSASL_OK ? prepared : NULL;
	return strndup(secret, wish->secret_size);
}

static bool set_binding(Gsasl_session *session, const struct scram_wish *wish)
{
	char *text;
	bool set;

	if (wish->binding_size == 0)
		return true;
	text = base64_encode(wish->binding, wish->binding_size);
	set = text != NULL && gsasl_property_set(session, wish->exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
						 text) == GSASL_OK;
	free(text);
	return set;
}

static bool begin(struct scram *s, const struct scram_wish *wish)
{
	size_t size;

	s->sha_256 = wish->sha_256;
	s->password = prepare(wish);
	if (s->password == NULL || gsasl_init(&s->library) != GSASL_OK ||
	    gsasl_client_start(s->library, scram_name(wish), &s->session) != GSASL_OK ||
	    gsasl_property_set(s->session, GSASL_AUTHID, wish->user) != GSASL_OK || !set_binding(s->session, wish))
		return false;
	if (wish->acts_for != NULL && gsasl_property_set(s->session, GSASL_AUTHZID, wish->acts_for) != GSASL_OK)
		return false;
	return gsasl_step(s->session, NULL, 0, &s->first, &size) == GSASL_NEEDS_MORE && strstr(s->first, ",r=") != NULL;
}

struct scram *scram_new(const struct scram_wish *wish)
{
	struct scram *s = calloc(1, sizeof(*s));

	if (s != NULL && !begin(s, wish))
		scram_free(&s);
	return s;
}

const char *scram_first(const struct scram *scram)
{
	return scram->first;
}

/* ---- the server's first message ------------------------------------------ */

/* What stands behind "x=" at the start of `at`; *at is moved past it and its comma. NULL: something else is there. */
static const char *take_field(const char **at, char name, size_t *size_r)
{
	const char *value = *at + 2;

	if ((*at)[0] != name || (*at)[1] != '=')
		return NULL;
	*size_r = strcspn(value, ",");
	*at = value + *size_r + (value[*size_r] == ',');
	return value;
}

/* The server's nonce is ours, and more. */
static bool is_extended(const struct scram *s, const char *nonce, size_t size)
{
	const char *own = strstr(s->first, ",r=") + 3;
	size_t length = strcspn(own, ",");

	return size > length && memcmp(nonce, own, length) == 0;
}

static unsigned read_count(const char *digits, size_t size)
{
	unsigned count = 0;

	if (size == 0 || size > 7 || digits[0] == '0')
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return 0;
		count = count * 10 + (unsigned)(digits[i] - '0');
	}
	return count;
}

/* The key that the password makes with this salt, for libgsasl. */
static const char *give_key(struct scram *s, const char *salt, size_t size, unsigned count)
{
	static const char hex[] = "0123456789abcdef";
	size_t salt_size, key_size = s->sha_256 ? 32 : 20;
	char *raw = base64_decode(salt, size, &salt_size), text[KEY_MAX * 2 + 1];
	unsigned char key[KEY_MAX];
	bool made = raw != NULL && salt_size > 0 &&
		    PKCS5_PBKDF2_HMAC(s->password, (int)strlen(s->password), (unsigned char *)raw, (int)salt_size,
				      (int)count, s->sha_256 ? EVP_sha256() : EVP_sha1(), (int)key_size, key) == 1;

	free(raw);
	if (!made)
		return "a salt that is none";
	for (size_t i = 0; i < key_size; i++) {
		text[i * 2] = hex[key[i] >> 4];
		text[i * 2 + 1] = hex[key[i] & 15];
	}
	text[key_size * 2] = '\0';
	made = gsasl_property_set(s->session, GSASL_SCRAM_SALTED_PASSWORD, text) == GSASL_OK;
	explicit_bzero(text, sizeof(text));
	explicit_bzero(key, sizeof(key));
	return made ? NULL : "more than there is memory for";
}

static const char *judge_first(struct scram *s, const char *challenge, size_t size)
{
	const char *at = challenge, *nonce, *salt, *digits;
	size_t nonce_size, salt_size, digits_size;
	unsigned count;

	if (size > MESSAGE_MAX || strlen(challenge) != size)
		return "a message too long, or with NUL in it";
	nonce = take_field(&at, 'r', &nonce_size);
	salt = nonce != NULL ? take_field(&at, 's', &salt_size) : NULL;
	digits = salt != NULL ? take_field(&at, 'i', &digits_size) : NULL;
	if (digits == NULL)
		return "no nonce, salt and count of iterations";
	if (!is_extended(s, nonce, nonce_size))
		return "a nonce that is not made of ours";
	count = read_count(digits, digits_size);
	if (count < ITERATIONS_LEAST || count > ITERATIONS_MOST)
		return "a count of iterations below 4096 or above 1000000";
	return give_key(s, salt, salt_size, count);
}

char *scram_second(struct scram *scram, const char *challenge, size_t size, const char **why_r)
{
	char *second = NULL;
	size_t length;

	*why_r = judge_first(scram, challenge, size);
	if (*why_r != NULL)
		return NULL;
	if (gsasl_step(scram->session, challenge, size, &second, &length) == GSASL_NEEDS_MORE)
		return second;
	gsasl_free(second);
	*why_r = "a first message that is none";
	return NULL;
}

const char *scram_judge(struct scram *scram, const char *challenge, size_t size, bool *refused_r)
{
	char *nothing = NULL;
	size_t length;
	int result;

	*refused_r = strcmp(challenge, "e=invalid-proof") == 0 || strcmp(challenge, "e=unknown-user") == 0;
	if (size > MESSAGE_MAX || strlen(challenge) != size)
		return "a message too long, or with NUL in it";
	if (strncmp(challenge, "e=", 2) == 0)
		return "an error";
	result = gsasl_step(scram->session, challenge, size, &nothing, &length);
	gsasl_free(nothing);
	return result == GSASL_OK ? NULL : "a signature that only a server without the password gives";
}

#else /* !HAVE_GSASL */

bool scram_is_there(void)
{
	return false;
}

const char *scram_name(const struct scram_wish *wish)
{
	(void)wish;
	return "SCRAM";
}

struct scram *scram_new(const struct scram_wish *wish)
{
	(void)wish;
	return NULL;
}

void scram_free(struct scram **scram)
{
	*scram = NULL;
}

const char *scram_first(const struct scram *scram)
{
	(void)scram;
	return "";
}

char *scram_second(struct scram *scram, const char *challenge, size_t size, const char **why_r)
{
	(void)scram, (void)challenge, (void)size;
	*why_r = "nothing that this build can read";
	return NULL;
}

const char *scram_judge(struct scram *scram, const char *challenge, size_t size, bool *refused_r)
{
	(void)scram, (void)challenge, (void)size;
	*refused_r = false;
	return "nothing that this build can read";
}
#endif
