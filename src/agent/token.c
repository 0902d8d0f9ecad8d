/* token - see token.h. A line for each value: its name, a space, the value. */
#include "agent/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/number.h"

#define FIRST_LINE "popgate token 1\n"

bool token_is_sound(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return size > 0 && size <= TOKEN_MAX;
}

void token_clear(struct token *token)
{
	secret_clear(&token->access);
	secret_clear(&token->refresh);
	*token = (struct token){0};
}

static const char *text_of(const struct secret *secret)
{
	return secret->data == NULL ? "" : (const char *)secret->data;
}

int token_write(const struct token *token, struct secret *text_r)
{
	char text[SECRET_MAX + 1];
	int size = snprintf(text, sizeof(text),
			    FIRST_LINE "access %s\nrefresh %s\nissued %" PRId64 "\nexpires %" PRId64 "\nlogin %" PRId64
				       "\nretry %" PRId64 "\nfailures %u\nrevoked %d\nserial %" PRIu64 "\n",
			    text_of(&token->access), text_of(&token->refresh), token->issued, token->expires,
			    token->login, token->retry, token->failures, token->revoked, token->serial);
	int result = size > 0 && (size_t)size < sizeof(text) ? secret_set(text_r, text, (size_t)size) : -1;

	secret_wipe(text, sizeof(text));
	return result;
}

/* Takes the line `name VALUE` off the front. NULL: it is another. */
static const char *take_line(const char **at, const char *name, size_t *size_r)
{
	const char *begin = *at + strlen(name) + 1, *end;

	if (strncmp(*at, name, strlen(name)) != 0 || begin[-1] != ' ')
		return NULL;
	end = strchr(begin, '\n');
	if (end == NULL)
		return NULL;
	*at = end + 1;
	*size_r = (size_t)(end - begin);
	return begin;
}

static int take_secret(const char **at, const char *name, struct secret *secret)
{
	size_t size;
	const char *value = take_line(at, name, &size);

	if (value == NULL || (size > 0 && !token_is_sound(value, size)))
		return -1;
	return size == 0 ? 0 : secret_set(secret, value, size);
}

static int take_number(const char **at, const char *name, uint64_t most, uint64_t *number_r)
{
	size_t size;
	const char *value = take_line(at, name, &size);

	return value == NULL ? -1 : number_parse(value, size, most, number_r);
}

int token_read(const struct secret *text, struct token *token_r)
{
	const char *at = text_of(text);
	uint64_t issued, expires, login, retry, failures, revoked;
	struct token token = {0};

	if (strlen(at) != text->size || strncmp(at, FIRST_LINE, strlen(FIRST_LINE)) != 0)
		return -1;
	at += strlen(FIRST_LINE);
	if (take_secret(&at, "access", &token.access) != 0 || take_secret(&at, "refresh", &token.refresh) != 0 ||
	    take_number(&at, "issued", INT64_MAX, &issued) != 0 ||
	    take_number(&at, "expires", INT64_MAX, &expires) != 0 ||
	    take_number(&at, "login", INT64_MAX, &login) != 0 || take_number(&at, "retry", INT64_MAX, &retry) != 0 ||
	    take_number(&at, "failures", UINT32_MAX, &failures) != 0 || take_number(&at, "revoked", 1, &revoked) != 0 ||
	    take_number(&at, "serial", UINT64_MAX, &token.serial) != 0 || *at != '\0') {
		token_clear(&token);
		return -1;
	}
	token.issued = (int64_t)issued;
	token.expires = (int64_t)expires;
	token.login = (int64_t)login;
	token.retry = (int64_t)retry;
	token.failures = (unsigned)failures;
	token.revoked = revoked != 0;
	*token_r = token;
	return 0;
}
