/* grant - see grant.h. Nothing of a token goes into an error. */
#include "agent/grant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "agent/form.h"
#include "agent/http.h"
#include "agent/json.h"
#include "common/fault.h"
#include "common/text.h"

#define LIFETIME_DEFAULT 3600 /* seconds, where none is told */
#define LIFETIME_MAX	 (366 * 86400)
#define LIFETIME_LEAST	 30
#define DEVICE_LIFETIME	 1800 /* seconds that a code counts at most */
#define INTERVAL_DEFAULT 5
#define INTERVAL_MAX	 60
#define WORD_MAX	 64  /* octets of an error's name */
#define REASON_MAX	 400 /* and of its description */

/* ---- asking ---- */

static const char *text_of(const struct secret *secret)
{
	return secret->data == NULL ? NULL : (const char *)secret->data;
}

/* How the application says who it is. 0 or -1. */
static int add_client(const struct oauth *oauth, const struct conf_provider *provider, struct form *form)
{
	const struct oauth_client *client = oauth_client(oauth, provider);
	struct secret assertion = {0};
	int result = 0;

	form_add(form, "client_id", provider->client_id);
	form_add(form, "client_secret", text_of(&client->secret));
	if (client->key.key == NULL)
		return 0;
	result = jwt_assertion(&client->key, provider->assertion, provider->client_id, provider->token_endpoint,
			       (int64_t)time(NULL), &assertion);
	form_add(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	form_add(form, "client_assertion", text_of(&assertion));
	secret_clear(&assertion);
	return result;
}

static void add_grant(const struct conf_provider *provider, const struct grant *grant, const struct token *token,
		      struct form *form)
{
	switch (grant->by) {
	case GRANT_BY_REFRESH:
		form_add(form, "grant_type", "refresh_token");
		form_add(form, "refresh_token", text_of(&token->refresh));
		return;
	case GRANT_BY_CLIENT:
		form_add(form, "grant_type", "client_credentials");
		form_add(form, "scope", provider->scope);
		return;
	case GRANT_BY_DEVICE:
		form_add(form, "grant_type", "urn:ietf:params:oauth:grant-type:device_code");
		form_add(form, "device_code", grant->code);
		return;
	case GRANT_BY_CODE:
		form_add(form, "grant_type", "authorization_code");
		form_add(form, "code", grant->code);
		form_add(form, "redirect_uri", grant->redirect);
		form_add(form, "code_verifier", grant->verifier);
		return;
	}
}

/* Sends the form, which is wiped. 0 or -1. */
static int post(const struct conf_provider *provider, const char *url, struct form *form, struct http_answer *answer_r,
		struct popgate_error *error)
{
	struct secret body = {0};
	int result;

	if (form->full || secret_set(&body, form->text, form->size) != 0)
		result = fault_set(error, POPGATE_TEMP, "out of memory, or the request is too long");
	else
		result = http_post(provider, url, &body, answer_r, error);
	form_clear(form);
	secret_clear(&body);
	return result;
}

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

#define SENT 4

/* Secrets of a request, which its answer may repeat; NULL: none. */
struct sent {
	const char *texts[SENT];
};

/* A provider's words for the log; "" where a secret is in them. */
static void quote(const char *text, const struct sent *sent, char *shown, size_t size)
{
	shown[0] = '\0';
	for (size_t i = 0; i < SENT; i++)
		if (sent->texts[i] != NULL && *sent->texts[i] != '\0' && strstr(text, sent->texts[i]) != NULL)
			return;
	text_harmless(text, strlen(text), shown, size);
}

/* What an answer that is no success says. */
static enum grant_result take_refusal(const struct conf_provider *provider, long status, const struct json *json,
				      const struct sent *sent, struct popgate_error *error)
{
	const char *word = json == NULL ? NULL : json_string(json, "error", WORD_MAX);
	const char *reason = json == NULL ? NULL : json_string(json, "error_description", JSON_MAX);
	char shown[REASON_MAX / 2] = "";

	if (reason != NULL)
		quote(reason, sent, shown, sizeof(shown));
	if (status >= 500 || status == 429 || status == 408 || word == NULL) {
		(void)fault_set(error, POPGATE_TEMP, "%s answers with HTTP status %ld%s", provider->name, status,
				word == NULL && status < 500 ? ", and nothing that is understood" : "");
		return GRANT_FAILED;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) != 0)
			continue;
		(void)fault_set(error, words[i].result == GRANT_FAILED ? POPGATE_TEMP : POPGATE_PERM,
				"%s refuses: %s%s%s", provider->name, words[i].word, *shown == '\0' ? "" : ": ", shown);
		return words[i].result;
	}
	quote(word, sent, shown, sizeof(shown));
	(void)fault_set(error, POPGATE_PERM, "%s refuses: %s", provider->name, shown);
	return GRANT_DENIED;
}

static int fail(const struct conf_provider *provider, const char *why, struct popgate_error *error)
{
	return fault_set(error, POPGATE_TEMP, "%s answers with %s", provider->name, why);
}

/* ---- requests ---- */

/* Sends the form, which is freed (NULL: there was no memory for it), with what proves this application. With OK
 * *json_r is the answer, the caller's to free. */
static enum grant_result ask(const struct oauth *oauth, const struct conf_provider *provider, const char *endpoint,
			     struct form *form, const struct sent *sent, struct json **json_r, int64_t *wait_r,
			     struct popgate_error *error)
{
	enum grant_result result = GRANT_FAILED;
	struct http_answer answer = {0};
	struct json *json = NULL;

	(void)fault_set(error, POPGATE_TEMP, "out of memory, or no random numbers");
	if (form == NULL)
		return GRANT_FAILED;
	if (add_client(oauth, provider, form) == 0 && post(provider, endpoint, form, &answer, error) == 0) {
		json = json_parse(answer.body.data == NULL ? "" : (const char *)answer.body.data, answer.body.size);
		*wait_r = answer.retry_after;
		if (answer.status != 200)
			result = take_refusal(provider, answer.status, json, sent, error);
		else if (json == NULL)
			(void)fail(provider, "something that is no JSON object, or a boundless one", error);
		else
			result = GRANT_OK;
	}
	if (result == GRANT_OK)
		*json_r = json;
	else
		json_free(&json);
	http_clear(&answer);
	form_clear(form);
	free(form);
	return result;
}

/* ---- tokens ---- */

/* A token that is no token, or not of the kind that is sent as it is, is none. */
static int take_token(const struct conf_provider *provider, const struct json *json, struct token *token,
		      struct popgate_error *error)
{
	const char *access = json_string(json, "access_token", TOKEN_MAX);
	const char *refresh = json_string(json, "refresh_token", TOKEN_MAX);
	const char *type = json_string(json, "token_type", WORD_MAX);
	struct secret fresh = {0}, next = {0};
	int64_t lifetime = LIFETIME_DEFAULT;

	if (access == NULL || !token_is_sound(access, strlen(access)))
		return fail(provider, "no access token, or one that is malformed", error);
	if (json_has(json, "refresh_token") && (refresh == NULL || !token_is_sound(refresh, strlen(refresh))))
		return fail(provider, "a refresh token that is malformed", error);
	if (type != NULL && strcasecmp(type, "Bearer") != 0)
		return fail(provider, "a token of another type than Bearer", error);
	(void)json_number(json, "expires_in", LIFETIME_MAX, &lifetime);
	if (secret_set(&fresh, access, strlen(access)) != 0 ||
	    (refresh != NULL && secret_set(&next, refresh, strlen(refresh)) != 0)) {
		secret_clear(&fresh);
		return fault_set(error, POPGATE_TEMP, "out of memory");
	}
	secret_move(&token->access, &fresh);
	if (refresh != NULL)
		secret_move(&token->refresh, &next);
	token->issued = (int64_t)time(NULL);
	token->expires = token->issued + (lifetime < LIFETIME_LEAST ? LIFETIME_LEAST : lifetime);
	token->serial++;
	token->retry = 0;
	token->failures = 0;
	token->revoked = false;
	return 0;
}

enum grant_result grant_ask(const struct oauth *oauth, const struct conf_provider *provider, const struct grant *grant,
			    struct token *token, int64_t *wait_r, struct popgate_error *error)
{
	struct form *form = calloc(1, sizeof(*form));
	const struct sent sent = {
	    {text_of(&oauth_client(oauth, provider)->secret), text_of(&token->refresh), grant->code, grant->verifier}};
	enum grant_result result;
	struct json *json = NULL;

	*wait_r = 0;
	if (form != NULL)
		add_grant(provider, grant, token, form);
	result = ask(oauth, provider, provider->token_endpoint, form, &sent, &json, wait_r, error);
	if (result == GRANT_OK && take_token(provider, json, token, error) != 0)
		result = GRANT_FAILED;
	json_free(&json);
	return result;
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

static int take_device(const struct conf_provider *provider, const struct json *json, struct grant_device *device,
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

enum grant_result grant_begin_device(const struct oauth *oauth, const struct conf_provider *provider,
				     struct grant_device *device_r, struct popgate_error *error)
{
	struct form *form = calloc(1, sizeof(*form));
	const struct sent sent = {{text_of(&oauth_client(oauth, provider)->secret)}};
	enum grant_result result;
	struct json *json = NULL;
	int64_t wait;

	*device_r = (struct grant_device){0};
	if (form != NULL)
		form_add(form, "scope", provider->scope);
	result = ask(oauth, provider, provider->device_endpoint, form, &sent, &json, &wait, error);
	if (result == GRANT_OK && take_device(provider, json, device_r, error) != 0)
		result = GRANT_FAILED;
	json_free(&json);
	return result;
}
