/* grant - see grant.h. */
#include "agent/grant.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/form.h"
#include "agent/http.h"
#include "agent/json.h"
#include "common/base64.h"
#include "common/fault.h"

#define BASIC "Authorization: Basic "

/* ---- asking ---- */

static const char *text_of(const struct secret *secret)
{
	return secret->data == NULL ? NULL : (const char *)secret->data;
}

/* What proves the application, as it is sent: secret until the answer has been read. */
struct proof {
	char *header;		 /* of the request; NULL: none */
	struct secret assertion; /* in the form; may be empty */
};

static void clear_proof(struct proof *proof)
{
	if (proof->header != NULL)
		secret_wipe(proof->header, strlen(proof->header));
	free(proof->header);
	secret_clear(&proof->assertion);
}

/* What proves this application by a header (RFC 6749, section 2.3.1): the caller's to wipe and free. 0 or -1. */
static int make_basic(const struct conf_provider *provider, const struct oauth_client *client, char **header_r)
{
	struct form *pair = calloc(1, sizeof(*pair));
	char *header = malloc(sizeof(BASIC) + BASE64_ENCODED_SIZE(FORM_MAX));
	int result = -1;

	if (pair != NULL && header != NULL) {
		form_add_pair(pair, provider->client_id, text_of(&client->secret));
		memcpy(header, BASIC, sizeof(BASIC));
		base64_encode(pair->text, pair->size, header + sizeof(BASIC) - 1);
		result = pair->full ? -1 : 0;
		form_clear(pair);
	}
	free(pair);
	if (result == 0)
		*header_r = header;
	else
		free(header);
	return result;
}

/* How the application says who it is, in the form, or else in a header. 0 or -1. */
static int add_client(const struct oauth *oauth, const struct conf_provider *provider, struct form *form,
		      struct proof *proof)
{
	const struct oauth_client *client = oauth_client(oauth, provider);
	int result;

	if (provider->client_auth == CONF_CLIENT_SECRET_BASIC)
		return make_basic(provider, client, &proof->header);
	form_add(form, "client_id", provider->client_id);
	form_add(form, "client_secret", text_of(&client->secret));
	if (client->key.key.size == 0)
		return 0;
	result = jwt_assertion(&client->key, provider->assertion, provider->client_id, provider->token_endpoint,
			       (int64_t)time(NULL), &proof->assertion);
	form_add(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	form_add(form, "client_assertion", text_of(&proof->assertion));
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

/* Sends the form. 0 or -1. */
static int post(const struct conf_provider *provider, const char *url, const struct form *form, const char *header,
		struct http_answer *answer_r, struct popgate_error *error)
{
	const struct http_request request = {.url = url, .body = form->text, .size = form->size, .header = header};

	if (form->full)
		return fault_set(error, POPGATE_PERM, "the request to %s would be too long", provider->name);
	return http_post(provider, &request, answer_r, error);
}

/* Sends the form, which is freed (NULL: there was no memory for it), with what proves this application. sent: the
 * secrets that are in the form. With OK *json_r is the answer, the caller's to free. */
static enum grant_result ask(const struct oauth *oauth, const struct conf_provider *provider, const char *endpoint,
			     struct form *form, struct quote_secrets *sent, struct json **json_r, int64_t *wait_r,
			     struct popgate_error *error)
{
	enum grant_result result = GRANT_FAILED;
	struct http_answer answer = {0};
	struct json *json = NULL;
	struct proof proof = {0};

	(void)fault_set(error, POPGATE_TEMP, "out of memory, or no random numbers");
	if (form == NULL)
		return GRANT_FAILED;
	if (add_client(oauth, provider, form, &proof) == 0 &&
	    post(provider, endpoint, form, proof.header, &answer, error) == 0) {
		sent->texts[QUOTE_CLIENT] = text_of(&oauth_client(oauth, provider)->secret);
		sent->texts[QUOTE_ASSERTION] = text_of(&proof.assertion);
		sent->texts[QUOTE_BASIC] = proof.header == NULL ? NULL : proof.header + sizeof(BASIC) - 1;
		json = json_parse(answer.body.data == NULL ? "" : (const char *)answer.body.data, answer.body.size);
		*wait_r = answer.retry_after;
		if (answer.status != 200)
			result = answer_refusal(provider->name, answer.status, json, sent, error);
		else if (json == NULL)
			(void)fault_set(error, POPGATE_TEMP,
					"%s answers with something that is no JSON object, or a boundless one",
					provider->name);
		else
			result = GRANT_OK;
	}
	if (result == GRANT_OK)
		*json_r = json;
	else
		json_free(&json);
	http_clear(&answer);
	clear_proof(&proof);
	form_clear(form);
	free(form);
	return result;
}

enum grant_result grant_ask(const struct oauth *oauth, const struct conf_provider *provider, const struct grant *grant,
			    struct token *token, int64_t *wait_r, struct popgate_error *error)
{
	struct form *form = calloc(1, sizeof(*form));
	struct quote_secrets sent = {{[QUOTE_REFRESH] = text_of(&token->refresh),
				      [QUOTE_CODE] = grant->code,
				      [QUOTE_VERIFIER] = grant->verifier}};
	enum grant_result result;
	struct json *json = NULL;

	*wait_r = 0;
	if (form != NULL)
		add_grant(provider, grant, token, form);
	result = ask(oauth, provider, provider->token_endpoint, form, &sent, &json, wait_r, error);
	if (result == GRANT_OK)
		result = answer_token(provider->name, json, (int64_t)time(NULL), token, error);
	json_free(&json);
	return result;
}

enum grant_result grant_begin_device(const struct oauth *oauth, const struct conf_provider *provider,
				     struct grant_device *device_r, struct popgate_error *error)
{
	struct form *form = calloc(1, sizeof(*form));
	struct quote_secrets sent = {{NULL}};
	enum grant_result result;
	struct json *json = NULL;
	int64_t wait;

	*device_r = (struct grant_device){0};
	if (form != NULL)
		form_add(form, "scope", provider->scope);
	result = ask(oauth, provider, provider->device_endpoint, form, &sent, &json, &wait, error);
	if (result == GRANT_OK && answer_device(provider->name, json, device_r, error) != 0)
		result = GRANT_FAILED;
	json_free(&json);
	return result;
}
