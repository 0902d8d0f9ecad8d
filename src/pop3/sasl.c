/* sasl - see sasl.h. Pure; never logs, never compares a password. */
#include "pop3/sasl.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "pop3/bearer.h"

void sasl_init(struct sasl *sasl, enum mechanism mechanism)
{
	memset(sasl, 0, sizeof(*sasl));
	sasl->mechanism = mechanism;
}

void sasl_clear(struct sasl *sasl)
{
	free(sasl->name);
	free(sasl->unfit);
	sasl->name = sasl->unfit = NULL;
	secret_clear(&sasl->password);
}

/* No control characters: they would break upstream commands, lock names and logs. */
static bool name_is_fit(const char *name, size_t size)
{
	if (size == 0 || size > SASL_NAME_MAX || !text_is_utf8(name, size))
		return false;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

static bool password_is_fit(const unsigned char *password, size_t size)
{
	return size > 0 && size <= SECRET_MAX && memchr(password, '\0', size) == NULL &&
	       memchr(password, '\r', size) == NULL && memchr(password, '\n', size) == NULL;
}

enum sasl_result sasl_name(struct sasl *sasl, const void *name, size_t size)
{
	if (!name_is_fit(name, size)) {
		free(sasl->unfit);
		sasl->unfit = size == 0 ? NULL : strndup(name, size < SASL_NAME_MAX ? size : SASL_NAME_MAX);
		return SASL_MALFORMED;
	}
	free(sasl->name);
	sasl->name = strndup(name, size);
	return sasl->name == NULL ? SASL_NO_MEMORY : SASL_DONE;
}

static enum sasl_result set_password(struct sasl *sasl, const void *password, size_t size)
{
	if (!password_is_fit(password, size))
		return SASL_MALFORMED;
	return secret_set(&sasl->password, password, size) == 0 ? SASL_DONE : SASL_NO_MEMORY;
}

enum sasl_result sasl_userpass(struct sasl *sasl, const void *name, size_t name_size, const void *password,
			       size_t password_size)
{
	enum sasl_result result = sasl_name(sasl, name, name_size);

	return result == SASL_DONE ? set_password(sasl, password, password_size) : result;
}

/* authzid NUL authcid NUL password; acting for somebody else is not offered. */
static enum sasl_result plain_step(struct sasl *sasl, const unsigned char *data, size_t size)
{
	const unsigned char *end = data + size, *name, *password;
	size_t authzid_size, name_size;
	enum sasl_result result;

	name = memchr(data, '\0', size);
	if (name == NULL)
		return SASL_MALFORMED;
	authzid_size = (size_t)(name - data);
	name++;
	password = memchr(name, '\0', (size_t)(end - name));
	if (password == NULL)
		return SASL_MALFORMED;
	name_size = (size_t)(password - name);
	password++;
	result = sasl_userpass(sasl, name, name_size, password, (size_t)(end - password));
	if (result != SASL_DONE)
		return result;
	if (authzid_size > 0 && (authzid_size != name_size || memcmp(data, name, name_size) != 0))
		return SASL_REFUSED;
	return SASL_DONE;
}

static enum sasl_result login_step(struct sasl *sasl, const unsigned char *data, size_t size)
{
	enum sasl_result result;

	if (sasl->name != NULL)
		return set_password(sasl, data, size);
	result = sasl_name(sasl, data, size);
	if (result != SASL_DONE)
		return result;
	sasl->challenge = "Password:";
	return SASL_CONTINUE;
}

static enum sasl_result bearer_step(struct sasl *sasl, const unsigned char *data, size_t size)
{
	unsigned char name[SASL_NAME_MAX];
	struct bearer bearer;

	if (bearer_parse(sasl->mechanism, data, size, &bearer) != 0 || bearer.name_size > sizeof(name))
		return SASL_MALFORMED;
	if (bearer.name == NULL) {
		sasl->fault = "the client names no user beside its token: set its user name (a=), a token does not say "
			      "whose maildrop is wanted";
		return SASL_MALFORMED;
	}
	if (sasl->mechanism == MECHANISM_OAUTHBEARER) {
		bearer.name_size = bearer_name(&bearer, name);
		bearer.name = name;
	}
	return sasl_userpass(sasl, bearer.name, bearer.name_size, bearer.token, bearer.token_size);
}

enum sasl_result sasl_step(struct sasl *sasl, const unsigned char *data, size_t size)
{
	if (data == NULL) {
		sasl->challenge = sasl->mechanism == MECHANISM_LOGIN ? "Username:" : "";
		return SASL_CONTINUE;
	}
	switch (sasl->mechanism) {
	case MECHANISM_PLAIN:
		return plain_step(sasl, data, size);
	case MECHANISM_LOGIN:
		return login_step(sasl, data, size);
	case MECHANISM_OAUTHBEARER:
	case MECHANISM_XOAUTH2:
		return bearer_step(sasl, data, size);
	case MECHANISM_SCRAM_SHA_256_PLUS:
	case MECHANISM_SCRAM_SHA_1_PLUS:
	case MECHANISM_SCRAM_SHA_256:
	case MECHANISM_SCRAM_SHA_1:
	case MECHANISM_CRAM_MD5:
	case MECHANISM_APOP:
	case MECHANISM_USER:
	case MECHANISMS:
		return SASL_MALFORMED;
	}
	return SASL_MALFORMED;
}
