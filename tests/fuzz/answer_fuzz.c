/* answer: what a provider answers: a token, a refusal, a code for a login; and a token as it is stored. What is taken
 * is within its bounds, can be stored and sent again, and replaces nothing else; what is told repeats no secret, and is
 * harmless. */
#include "agent/answer.h"
#include "agent/form.h"
#include "common/text.h"

#include "fuzz.h"

#define NOW	1700000000
#define ACCESS	"old-access-b7Q"
#define REFRESH "old-refresh-Zk4"
#define SENT	"sent-secret-9wXc"
#define CODE	"k/9 w%"
#define BASIC	"aWQ6cyszIQ=="

static const char *text_of(const struct secret *secret)
{
	return secret->data == NULL ? "" : (const char *)secret->data;
}

static void set(struct secret *secret, const char *text)
{
	REQUIRE(secret_set(secret, text, strlen(text)) == 0);
}

/* Nothing that could be a token: of 20 octets or more there are only words, and GUIDs, which the end may cut. */
static void check_runs(const char *text)
{
	static const char tokens[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+/=._~-";

	while (*(text += strcspn(text, tokens)) != '\0') {
		const size_t size = strspn(text, tokens);

		REQUIRE(size < 20 || strspn(text, "abcdefghijklmnopqrstuvwxyz_-./") >= size ||
			strspn(text, "0123456789abcdefABCDEF-.") >= size);
		text += size;
	}
}

static void check_words(const struct popgate_error *error)
{
	static const char *const secrets[] = {
	    SENT, REFRESH, CODE, BASIC, "k%2F9%20w%25", "k%2f9+w%25", "k/9+w%", "k/9%20w%", "k%252F9%2520w%2525"};
	char text[sizeof(error->text)];
	size_t size = 0;

	REQUIRE(memchr(error->text, '\0', sizeof(error->text)) != NULL && error->text[0] != '\0');
	for (const char *at = error->text; *at != '\0'; at++) {
		REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
		text[size++] = *at;
		if (at[0] == '\\' && at[1] == 'x') /* its digits are none of the provider's */
			at += 3;
	}
	text[size] = '\0';
	if (size > 3 && strcmp(text + size - 3, "...") == 0) /* of what was cut */
		text[size - 3] = '\0';
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		REQUIRE(strstr(text, secrets[i]) == NULL);
	check_runs(text);
	REQUIRE(error->status == POPGATE_TEMP || error->status == POPGATE_PERM);
}

/* What is stored is read as it was, and the longest form has room for it. */
static void check_lasts(const struct token *token)
{
	struct form *form = calloc(1, sizeof(*form));
	struct secret text = {0};
	struct token again = {0};

	REQUIRE(token->access.size == 0 || token_is_sound(text_of(&token->access), token->access.size));
	REQUIRE(token->refresh.size == 0 || token_is_sound(text_of(&token->refresh), token->refresh.size));
	REQUIRE(form != NULL && token_write(token, &text) == 0 && token_read(&text, &again) == 0);
	REQUIRE(strcmp(text_of(&again.access), text_of(&token->access)) == 0);
	REQUIRE(strcmp(text_of(&again.refresh), text_of(&token->refresh)) == 0);
	REQUIRE(again.issued == token->issued && again.expires == token->expires && again.login == token->login);
	REQUIRE(again.retry == token->retry && again.failures == token->failures && again.revoked == token->revoked);
	REQUIRE(again.serial == token->serial);
	form_add(form, "refresh_token", text_of(&token->refresh));
	REQUIRE(!form->full);
	form_clear(form);
	free(form);
	secret_clear(&text);
	token_clear(&again);
}

static void check_token(const struct json *json)
{
	struct token token = {.issued = 1, .expires = 2, .retry = 3, .failures = 4, .revoked = true, .serial = 7};
	const char *access = json_string(json, "access_token", TOKEN_MAX);
	const char *refresh = json_string(json, "refresh_token", TOKEN_MAX);
	struct popgate_error error = {0};
	enum grant_result result;
	bool is_new;

	set(&token.access, ACCESS);
	set(&token.refresh, REFRESH);
	result = answer_token("p", json, NOW, &token, &error);
	is_new = result == GRANT_SPOILED || (result == GRANT_OK && json_has(json, "refresh_token"));
	REQUIRE(result == GRANT_OK || result == GRANT_SPOILED || result == GRANT_FAILED);
	REQUIRE(!is_new || (refresh != NULL && token_is_sound(refresh, strlen(refresh))));
	REQUIRE(strcmp(text_of(&token.refresh), is_new ? refresh : REFRESH) == 0);
	if (result == GRANT_OK) {
		REQUIRE(access != NULL && token_is_sound(access, strlen(access)));
		REQUIRE(strcmp(text_of(&token.access), access) == 0);
		REQUIRE(token.issued == NOW && token.expires >= NOW + 30 && token.expires <= NOW + 366 * 86400);
		REQUIRE(token.serial == 8 && token.retry == 0 && token.failures == 0 && !token.revoked);
	} else {
		check_words(&error);
		REQUIRE(error.status == POPGATE_TEMP && strncmp(error.text, "p answers with ", 15) == 0);
		REQUIRE(strcmp(text_of(&token.access), ACCESS) == 0 && token.issued == 1 && token.expires == 2);
		REQUIRE(token.serial == 7 && token.retry == 3 && token.failures == 4 && token.revoked);
	}
	check_lasts(&token);
	token_clear(&token);
}

static void check_refusal(const struct json *json, long status)
{
	const struct quote_secrets sent = {{SENT, REFRESH, CODE, [QUOTE_BASIC] = BASIC}};
	struct popgate_error error = {0};
	enum grant_result result = answer_refusal("p", status, json, &sent, &error);

	REQUIRE(result != GRANT_OK && result != GRANT_SPOILED);
	check_words(&error);
	/* who says nothing that is understood, or is overrun, has ended no permission */
	if (json == NULL || json_string(json, "error", 64) == NULL || status >= 500 || status == 429)
		REQUIRE(result == GRANT_FAILED);
	if (result == GRANT_FAILED)
		REQUIRE(error.status == POPGATE_TEMP);
}

static void check_url(const char *url)
{
	REQUIRE(strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "http://", 7) == 0);
	for (; *url != '\0'; url++)
		REQUIRE(*url > 0x20 && *url < 0x7f);
}

static void check_device(const struct json *json)
{
	struct popgate_error error = {0};
	struct grant_device device = {0};

	if (answer_device("p", json, &device, &error) != 0) {
		check_words(&error);
		REQUIRE(device.code.data == NULL);
		return;
	}
	REQUIRE(device.code.size > 0 && device.code.size <= TOKEN_MAX);
	REQUIRE(memchr(device.user_code, '\0', sizeof(device.user_code)) != NULL && device.user_code[0] != '\0');
	for (const char *at = device.user_code; *at != '\0'; at++)
		REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
	REQUIRE(memchr(device.url, '\0', sizeof(device.url)) != NULL);
	REQUIRE(memchr(device.complete, '\0', sizeof(device.complete)) != NULL);
	check_url(device.url);
	if (device.complete[0] != '\0')
		check_url(device.complete);
	REQUIRE(device.lifetime >= 0 && device.lifetime <= 1800);
	REQUIRE(device.interval >= 1 && device.interval <= 60);
	secret_clear(&device.code);
}

static void check_stored(const uint8_t *data, size_t size)
{
	struct secret text = {0};
	struct token token = {0};

	if (size == 0 || size > SECRET_MAX || secret_set(&text, data, size) != 0)
		return;
	if (token_read(&text, &token) == 0)
		check_lasts(&token);
	else
		REQUIRE(token.access.data == NULL && token.refresh.data == NULL);
	token_clear(&token);
	secret_clear(&text);
}

/* What is taken out of an object, whatever it is. */
static void check_json(const struct json *json)
{
	static const char *const names[] = {"access_token", "error", "error_description", "expires_in", "user_code"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = json_string(json, names[i], 100);
		int64_t number = -1;

		REQUIRE(text == NULL || (*text != '\0' && strlen(text) <= 100 && text_is_utf8(text, strlen(text))));
		for (const char *at = text == NULL ? "" : text; *at != '\0'; at++)
			REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
		REQUIRE(text == NULL || json_has(json, names[i]));
		if (json_number(json, names[i], 1000, &number) == 0)
			REQUIRE(number >= 0 && number <= 1000);
		else
			REQUIRE(number == -1);
	}
}

/* t: a token; d: a code for a login; 4, 5: a refusal with that kind of status; s: a stored token. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char kind = size > 0 ? (char)data[0] : 't';
	char *copy = fuzz_copy(data + (size > 0), size - (size > 0));
	struct json *json = json_parse(copy, size - (size > 0));

	if (kind == 's')
		check_stored(data + 1, size - 1);
	else if (kind == '4' || kind == '5' || kind == '9')
		check_refusal(json, kind == '4' ? 400 : kind == '5' ? 503 : 429);
	if (json != NULL) {
		REQUIRE(size - (size > 0) <= JSON_MAX && memchr(copy, '\0', size - (size > 0)) == NULL);
		check_json(json);
		if (kind == 'd')
			check_device(json);
		else
			check_token(json);
	}
	json_free(&json);
	free(copy);
	return 0;
}
