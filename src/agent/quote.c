/* quote - see quote.h. How a provider encodes what it repeats is not known, and it may repeat a part: so what looks
 * like a token is left out, and the secrets themselves are sought only because they may be short, or look like words.
 */
#include "agent/quote.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/text.h"

#define LONGEST	     1024 /* octets of what may be shown: more than any size that is asked for */
#define GUID	     36
#define ENCODED_MOST 5

/* ---- secrets ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = text_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes the encoding of a form once, in place; what is no encoding stays. Whether there was any. */
static bool decode(char *text)
{
	char *out = text;
	bool changed = false;

	for (const char *in = text; *in != '\0'; in++) {
		const int high = *in == '%' ? digit(in[1]) : -1, low = high < 0 ? -1 : digit(in[2]);

		if (low < 0 || (high == 0 && low == 0)) {
			*out++ = *in;
			continue;
		}
		*out++ = (char)(high << 4 | low);
		in += 2;
		changed = true;
	}
	*out = '\0';
	return changed;
}

/* A space may be written so, and a plus sign left as it is. */
static void spread(char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '+')
			*text = ' ';
}

/* Whether what is sought, in which plus signs are spread, is in a text that may have been encoded several times. */
static bool is_in(char *text, const char *sought)
{
	for (int times = 0; times < ENCODED_MOST; times++) {
		spread(text);
		if (strstr(text, sought) != NULL)
			return true;
		if (!decode(text))
			break;
	}
	return false;
}

static void drop(char *copy, size_t size)
{
	if (copy != NULL)
		secret_wipe(copy, size);
	free(copy);
}

/* Whether a secret is in a text. Also where there is no memory. */
static bool has(const char *text, const char *secret)
{
	char *plain = strdup(text), *sought = strdup(secret);
	bool found = true;

	if (plain != NULL && sought != NULL) {
		spread(sought);
		found = is_in(plain, sought);
	}
	drop(plain, strlen(text));
	drop(sought, strlen(secret));
	return found;
}

static bool repeats_one(const char *text, const struct quote_secrets *secrets)
{
	for (size_t i = 0; i < QUOTE_SECRETS; i++) {
		const char *secret = secrets->texts[i];

		if (secret != NULL && *secret != '\0' && has(text, secret))
			return true;
	}
	return false;
}

/* ---- runs ---- */

static bool is_letter(char c)
{
	return text_lower(c) >= 'a' && text_lower(c) <= 'z';
}

static bool is_of_tokens(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || (c != '\0' && strchr("%+/=._~-", c) != NULL);
}

/* unsupported_grant_type, login.example.com/common: random letters would have others among them. */
static bool is_words(const char *run, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!(run[i] >= 'a' && run[i] <= 'z') && strchr("_-./", run[i]) == NULL)
			return false;
	return true;
}

/* Of a request, or an application: who runs the gateway needs it to ask the provider. */
static bool is_guid(const char *run, size_t size)
{
	while (size > GUID && run[size - 1] == '.')
		size--; /* of the sentence */
	for (size_t i = 0; i < size; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? run[i] != '-' : digit(run[i]) < 0)
			return false;
	return size == GUID;
}

/* Whether it is a piece of one. */
static bool is_piece(const char *run, size_t size, const struct quote_secrets *secrets)
{
	for (size_t i = 0; i < QUOTE_SECRETS; i++) {
		const char *secret = secrets->texts[i];

		if (secret != NULL && memmem(secret, strlen(secret), run, size) != NULL)
			return true;
	}
	return false;
}

static bool may_be_shown(const char *run, size_t size, const struct quote_secrets *secrets)
{
	return size < QUOTE_RUN || ((is_words(run, size) || is_guid(run, size)) && !is_piece(run, size, secrets));
}

void quote_text(const char *text, const struct quote_secrets *secrets, char *shown, size_t room)
{
	char kept[LONGEST];
	size_t used = 0;

	if (repeats_one(text, secrets))
		text = "";
	while (*text != '\0' && used < sizeof(kept)) {
		const char *from = text;
		size_t run = 0;

		while (is_of_tokens(text[run]))
			run++;
		text += run == 0 ? 1 : run;
		run = (size_t)(text - from);
		if (!may_be_shown(from, run, secrets)) {
			from = "...";
			run = 3;
		}
		for (size_t i = 0; i < run && used < sizeof(kept); i++)
			kept[used++] = from[i];
	}
	text_harmless(kept, used, shown, room);
}
