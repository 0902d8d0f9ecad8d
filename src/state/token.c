/* token - see token.h. A line for each value: its name, a space, the value. */
#include "state/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/number.h"

/* A token that was not refused is written as before there was a line for that. */
#define FIRST_LINE   "popgate token 1\n"
#define REFUSED_LINE "popgate token 2\n"

#define EARLY	 90 /* seconds before its end that a token is no longer given out */
#define OLD	 60 /* and that sessions look for another */
#define SHORTEST 30 /* seconds of life with which it is worth keeping */
#define SKEW	 60 /* seconds that the clock may have been set back */

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

/* In microseconds: nobody gets tokens so fast, nor has a clock set back to just there. */
uint64_t token_begin(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const char *text_of(const struct secret *secret)
{
	return secret->data == NULL ? "" : (const char *)secret->data;
}

void token_refuse(struct token *token, unsigned status, const char *words)
{
	const size_t size = strlen(words), kept = size < TOKEN_REASON ? size : TOKEN_REASON - 1;

	token->refused = status;
	for (size_t i = 0; i < kept; i++)
		token->reason[i] = words[i] < 0x20 || words[i] >= 0x7f ? '?' : words[i];
	token->reason[kept] = '\0';
	if (kept < size)
		memcpy(token->reason + kept - 3, "...", 3);
}

bool token_is_fresh(const struct token *token, int64_t now)
{
	const int64_t life = token->expires - token->issued;
	const int64_t early = life / 2 < EARLY ? life / 2 : EARLY;

	return token->access.size > 0 && life > SHORTEST && now < token->expires - early && now > token->issued - SKEW;
}

int64_t token_old_from(const struct token *token)
{
	const int64_t life = token->expires > token->issued ? token->expires - token->issued : 0;

	return token->expires - (life / 3 < OLD ? life / 3 : OLD);
}

int token_write(const struct token *token, struct secret *text_r)
{
	char text[SECRET_MAX + 1], refused[TOKEN_REASON + 32] = "";
	int size, result;

	if (token->refused != 0)
		snprintf(refused, sizeof(refused), "refused %u\nreason %s\n", token->refused, token->reason);
	size = snprintf(text, sizeof(text),
			"%saccess %s\nrefresh %s\nissued %" PRId64 "\nexpires %" PRId64 "\nlogin %" PRId64
			"\nretry %" PRId64 "\nfailures %u\nrevoked %d\nserial %" PRIu64 "\n%s",
			token->refused != 0 ? REFUSED_LINE : FIRST_LINE, text_of(&token->access),
			text_of(&token->refresh), token->issued, token->expires, token->login, token->retry,
			token->failures, token->revoked, token->serial, refused);
	result = size > 0 && (size_t)size < sizeof(text) ? secret_set(text_r, text, (size_t)size) : -1;

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

static int take_refusal(const char **at, struct token *token)
{
	char words[TOKEN_REASON];
	uint64_t refused;
	const char *value;
	size_t size;

	if (take_number(at, "refused", UINT32_MAX, &refused) != 0 || refused == 0 ||
	    (value = take_line(at, "reason", &size)) == NULL || size >= sizeof(words))
		return -1;
	memcpy(words, value, size);
	words[size] = '\0';
	token_refuse(token, (unsigned)refused, words);
	return 0;
}

int token_read(const struct secret *text, struct token *token_r)
{
	const char *at = text_of(text);
	const bool refused = strncmp(at, REFUSED_LINE, strlen(REFUSED_LINE)) == 0;
	uint64_t issued, expires, login, retry, failures, revoked;
	struct token token = {0};

	if (strlen(at) != text->size || (!refused && strncmp(at, FIRST_LINE, strlen(FIRST_LINE)) != 0))
		return -1;
	at += strlen(FIRST_LINE);
	if (take_secret(&at, "access", &token.access) != 0 || take_secret(&at, "refresh", &token.refresh) != 0 ||
	    take_number(&at, "issued", INT64_MAX, &issued) != 0 ||
	    take_number(&at, "expires", INT64_MAX, &expires) != 0 ||
	    take_number(&at, "login", INT64_MAX, &login) != 0 || take_number(&at, "retry", INT64_MAX, &retry) != 0 ||
	    take_number(&at, "failures", UINT32_MAX, &failures) != 0 || take_number(&at, "revoked", 1, &revoked) != 0 ||
	    take_number(&at, "serial", UINT64_MAX, &token.serial) != 0 || (refused && take_refusal(&at, &token) != 0) ||
	    *at != '\0') {
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
