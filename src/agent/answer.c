/* answer - see answer.h. Nothing of a token goes into an error. */
#include "agent/answer.h"

#include <string.h>
#include <strings.h>

#include "common/fault.h"
#include "common/text.h"

#define LIFETIME_DEFAULT 3600 /* seconds, where none is told */
#define LIFETIME_MAX	 (366 * 86400)
#define LIFETIME_LEAST	 30
#define DEVICE_LIFETIME	 1800 /* seconds that a code counts at most */
#define INTERVAL_DEFAULT 5
#define INTERVAL_MAX	 60
#define WORD_MAX	 64  /* octets of an error's name */
#define REASON_MAX	 200 /* and of its description, as it is shown */

/* ---- refusals ---- */

static const struct {
	const char *word;
	enum grant_result result;
} words[] = {{"invalid_grant", GRANT_REVOKED},	       {"authorization_pending", GRANT_PENDING},
	     {"slow_down", GRANT_SLOW_DOWN},	       {"access_denied", GRANT_DENIED},
	     {"expired_token", GRANT_DENIED},	       {"invalid_client", GRANT_DENIED},
	     {"unauthorized_client", GRANT_DENIED},    {"unsupported_grant_type", GRANT_DENIED},
	     {"invalid_scope", GRANT_DENIED},	       {"invalid_request", GRANT_DENIED},
	     {"interaction_required", GRANT_REVOKED},  {"server_error", GRANT_FAILED},
	     {"temporarily_unavailable", GRANT_FAILED}};

enum grant_result answer_refusal(const char *provider, long status, const struct json *json,
				 const struct quote_secrets *sent, struct popgate_error *error)
{
	const char *word = json == NULL ? NULL : json_string(json, "error", WORD_MAX);
	const char *reason = json == NULL ? NULL : json_string(json, "error_description", JSON_MAX);
	char shown[REASON_MAX] = "";

	if (reason != NULL)
		quote_text(reason, sent, shown, sizeof(shown));
	if (status >= 500 || status == 429 || status == 408 || word == NULL) {
		(void)fault_set(error, POPGATE_TEMP, "%s answers with HTTP status %ld%s", provider, status,
				word == NULL && status < 500 ? ", and nothing that is understood" : "");
		return GRANT_FAILED;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) != 0)
			continue;
		(void)fault_set(error, words[i].result == GRANT_FAILED ? POPGATE_TEMP : POPGATE_PERM,
				"%s refuses: %s%s%s", provider, words[i].word, *shown == '\0' ? "" : ": ", shown);
		return words[i].result;
	}
	quote_text(word, sent, shown, sizeof(shown));
	(void)fault_set(error, POPGATE_PERM, "%s refuses: %s", provider, shown);
	return GRANT_DENIED;
}

static int fail(const char *provider, const char *why, struct popgate_error *error)
{
	return fault_set(error, POPGATE_TEMP, "%s answers with %s", provider, why);
}

/* ---- tokens ---- */

/* A token that is no token, or not of the kind that is sent as it is, is none. */
static bool is_there(const char *text)
{
	return text != NULL && token_is_sound(text, strlen(text));
}

/* 0 or -1: what is in the answer can be no refresh token. One that is good replaces the token's at once: the one that
 * it was got by may be spent, whatever else the answer says. */
static int take_refresh(const char *provider, const struct json *json, struct token *token, bool *taken_r,
			struct popgate_error *error)
{
	const char *refresh = json_string(json, "refresh_token", TOKEN_MAX);
	struct secret next = {0};

	*taken_r = false;
	if (!json_has(json, "refresh_token"))
		return 0;
	if (!is_there(refresh))
		return fail(provider, "a refresh token that is malformed", error);
	if (secret_set(&next, refresh, strlen(refresh)) != 0)
		return fault_set(error, POPGATE_TEMP, "out of memory");
	secret_move(&token->refresh, &next);
	*taken_r = true;
	return 0;
}

static int take_access(const char *provider, const struct json *json, int64_t now, struct token *token,
		       struct popgate_error *error)
{
	const char *access = json_string(json, "access_token", TOKEN_MAX);
	const char *type = json_string(json, "token_type", WORD_MAX);
	int64_t lifetime = LIFETIME_DEFAULT;
	struct secret fresh = {0};

	if (!is_there(access))
		return fail(provider, "no access token, or one that is malformed", error);
	if (json_has(json, "token_type") && (type == NULL || strcasecmp(type, "Bearer") != 0))
		return fail(provider, "a token of another type than Bearer", error);
	(void)json_number(json, "expires_in", LIFETIME_MAX, &lifetime);
	if (secret_set(&fresh, access, strlen(access)) != 0)
		return fault_set(error, POPGATE_TEMP, "out of memory");
	secret_move(&token->access, &fresh);
	token->issued = now;
	token->expires = now + (lifetime < LIFETIME_LEAST ? LIFETIME_LEAST : lifetime);
	token->serial++;
	token->retry = 0;
	token->failures = 0;
	token->revoked = false;
	return 0;
}

enum grant_result answer_token(const char *provider, const struct json *json, int64_t now, struct token *token,
			       struct popgate_error *error)
{
	bool taken;

	if (take_refresh(provider, json, token, &taken, error) != 0)
		return GRANT_FAILED;
	if (take_access(provider, json, now, token, error) != 0)
		return taken ? GRANT_SPOILED : GRANT_FAILED;
	return GRANT_OK;
}

/* ---- devices ---- */

/* A URL that a person is shown must be one, and harmless on a terminal. */
static int take_url(const struct json *json, const char *name, char *url, size_t size)
{
	const char *text = json_string(json, name, size - 1);

	if (text == NULL || (strncasecmp(text, "https://", 8) != 0 && strncasecmp(text, "http://", 7) != 0))
		return -1;
	for (const char *at = text; *at != '\0'; at++)
		if (*at <= 0x20 || *at >= 0x7f)
			return -1;
	memcpy(url, text, strlen(text) + 1);
	return 0;
}

int answer_device(const char *provider, const struct json *json, struct grant_device *device,
		  struct popgate_error *error)
{
	const char *code = json_string(json, "device_code", TOKEN_MAX);
	const char *shown = json_string(json, "user_code", sizeof(device->user_code) - 1);

	if (code == NULL || shown == NULL ||
	    (take_url(json, "verification_uri", device->url, sizeof(device->url)) != 0 &&
	     take_url(json, "verification_url", device->url, sizeof(device->url)) != 0))
		return fail(provider, "no code for a login, or one that is malformed", error);
	text_harmless(shown, strlen(shown), device->user_code, sizeof(device->user_code));
	(void)take_url(json, "verification_uri_complete", device->complete, sizeof(device->complete));
	device->lifetime = DEVICE_LIFETIME;
	device->interval = INTERVAL_DEFAULT;
	(void)json_number(json, "expires_in", DEVICE_LIFETIME, &device->lifetime);
	(void)json_number(json, "interval", INTERVAL_MAX, &device->interval);
	if (device->interval < 1)
		device->interval = 1;
	return secret_set(&device->code, code, strlen(code)) == 0 ? 0 : fault_set(error, POPGATE_TEMP, "out of memory");
}
