/* oauth - see oauth.h. */
#include "agent/oauth.h"

#include <stdlib.h>
#include <string.h>

#include "agent/http.h"
#include "agent/source.h"
#include "common/log.h"
#include "state/seal.h"
#include "state/store.h"

static int read_key(struct oauth *oauth, struct conf_report *report)
{
	const struct conf *conf = oauth->conf;
	struct popgate_error error = {.status = POPGATE_PERM};
	struct secret line = {0};
	const char *name = conf->token_key_file;
	int result;

	if (name != NULL) {
		result = source_read_file(name, &line, &error);
	} else {
		name = conf->token_key_credential;
		result = source_read_credential(name, &line, &error);
	}
	if (result != 0)
		conf_report_add(report, conf->source, 0, "the token key: %s", error.text);
	else if ((result = seal_key(&line, &oauth->key)) != 0)
		conf_report_add(report, conf->source, 0,
				"the token key %s must be 32 octets in base64, on one line: openssl rand -base64 32",
				name);
	secret_clear(&line);
	return result;
}

static int read_client(const struct conf_provider *provider, struct oauth_client *client, struct conf_report *report)
{
	struct popgate_error error;

	if (provider->key != NULL)
		return jwt_key_read(provider, &client->key, report);
	if (provider->client_secret_file == NULL ||
	    source_read_file(provider->client_secret_file, &client->secret, &error) == 0)
		return 0;
	conf_report_add(report, provider->file, provider->line, "client_secret_file %s", error.text);
	return -1;
}

struct oauth *oauth_new(const struct conf *conf, struct conf_report *report)
{
	struct oauth *oauth = calloc(1, sizeof(*oauth));
	struct popgate_error error = {0};
	int result = 0;

	if (oauth == NULL || (oauth->clients = calloc(conf->provider_count + 1, sizeof(*oauth->clients))) == NULL) {
		conf_report_add(report, NULL, 0, "out of memory");
		free(oauth);
		return NULL;
	}
	oauth->conf = conf;
	if (http_load(&error) != 0) {
		conf_report_add(report, conf->source, 0, "%s", error.text);
		result = -1;
	}
	result |= read_key(oauth, report);
	for (size_t i = 0; i < conf->provider_count; i++)
		result |= read_client(&conf->providers[i], &oauth->clients[i], report);
	if (result != 0)
		oauth_free(&oauth);
	return oauth;
}

static void clear_client(struct oauth_client *client)
{
	secret_clear(&client->secret);
	jwt_key_clear(&client->key);
}

void oauth_free(struct oauth **oauth)
{
	struct oauth *old = *oauth;

	*oauth = NULL;
	if (old == NULL)
		return;
	for (size_t i = 0; i < old->conf->provider_count; i++)
		clear_client(&old->clients[i]);
	secret_clear(&old->key);
	free(old->clients);
	free(old);
}

static void copy(const struct secret *secret, unsigned char *data, size_t room, size_t *size_r)
{
	*size_r = secret->size > room ? 0 : secret->size;
	if (*size_r > 0)
		memcpy(data, secret->data, *size_r);
}

void oauth_lend(const struct oauth *oauth, const struct conf_provider *provider, struct oauth_loan *loan_r)
{
	const struct oauth_client *client = oauth_client(oauth, provider);

	copy(&oauth->key, loan_r->key, sizeof(loan_r->key), &loan_r->key_size);
	copy(&client->secret, loan_r->client, sizeof(loan_r->client), &loan_r->client_size);
	copy(&client->key.certificate, loan_r->certificate, sizeof(loan_r->certificate), &loan_r->certificate_size);
	copy(&client->key.key, loan_r->signing, sizeof(loan_r->signing), &loan_r->signing_size);
}

static int take(struct secret *secret, const unsigned char *data, size_t size)
{
	return size == 0 ? 0 : secret_set(secret, data, size);
}

int oauth_take(struct oauth *oauth, const struct conf_provider *provider, struct oauth_loan *loan)
{
	struct oauth_client *client = &oauth->clients[provider - oauth->conf->providers];
	int result;

	for (size_t i = 0; i < oauth->conf->provider_count; i++)
		clear_client(&oauth->clients[i]);
	result = secret_set(&oauth->key, loan->key, loan->key_size);
	result |= take(&client->secret, loan->client, loan->client_size);
	result |= take(&client->key.certificate, loan->certificate, loan->certificate_size);
	result |= take(&client->key.key, loan->signing, loan->signing_size);
	secret_wipe(loan, sizeof(*loan));
	return result;
}

int oauth_judge_store(const struct oauth *oauth, struct conf_report *report)
{
	struct popgate_error error = {0};

	if (store_judge(oauth->conf->state_directory, &oauth->key, STORE_PATIENCE, &error) == DATABASE_GOOD)
		return 0;
	conf_report_add(report, oauth->conf->source, 0, "%s", error.text);
	return -1;
}

int oauth_begin_store(const struct oauth *oauth, struct conf_report *report)
{
	struct popgate_error error = {0};
	struct log_line line;

	switch (store_judge(oauth->conf->state_directory, &oauth->key, STORE_PATIENCE, &error)) {
	case DATABASE_GOOD:
		break;
	case DATABASE_REFUSED:
		conf_report_add(report, oauth->conf->source, 0, "%s", error.text);
		return -1;
	case DATABASE_USELESS:
		log_begin(&line, POPGATE_LOG_WARN, "tokens_unusable", NULL);
		log_text(&line, "msg", error.text);
		log_end(&line);
		break;
	}
	return 0;
}

const struct conf_provider *oauth_provider(const struct oauth *oauth, const char *name)
{
	return conf_provider_find(oauth->conf, name);
}

const struct oauth_client *oauth_client(const struct oauth *oauth, const struct conf_provider *provider)
{
	return &oauth->clients[provider - oauth->conf->providers];
}
