/* conf_oauth - the section oauth: providers of tokens, with what is known of the large ones. No I/O; secrets stay in
 * their files. Runs where conf does. */
#include "common/conf_sections.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"

#define LONGEST	     64	  /* octets of a name */
#define LONGEST_URL  1000 /* and of other strings */
#define MOST	     1000 /* providers */
#define TENANT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
#define NAME_CHARS   TENANT_CHARS "_"

/* %s: the tenant. An endpoint that is NULL is not there, or of no use for mail. */
struct preset {
	const char *scope, *client_scope;
	const char *token, *device, *authorization;
	const char *issuer; /* NULL: depends on the tenant */
};

static const struct preset presets[] = {
    [CONF_PRESET_GENERIC] = {0},
    /* Google gives no access to mail for a login by code. */
    [CONF_PRESET_GOOGLE] = {.scope = "https://mail.google.com/",
			    .token = "https://oauth2.googleapis.com/token",
			    .authorization = "https://accounts.google.com/o/oauth2/v2/auth",
			    .issuer = "https://accounts.google.com"},
    [CONF_PRESET_MICROSOFT] = {.scope = "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
			       .client_scope = "https://outlook.office365.com/.default",
			       .token = "https://login.microsoftonline.com/%s/oauth2/v2.0/token",
			       .device = "https://login.microsoftonline.com/%s/oauth2/v2.0/devicecode",
			       .authorization = "https://login.microsoftonline.com/%s/oauth2/v2.0/authorize"},
    [CONF_PRESET_YAHOO] = {.scope = "mail-w",
			   .token = "https://api.login.yahoo.com/oauth2/get_token",
			   .authorization = "https://api.login.yahoo.com/oauth2/request_auth",
			   .issuer = "https://api.login.yahoo.com"},
};

struct reading {
	const struct conf_reader *reader;
	config_setting_t *group;
	struct popgate_settings *settings;
	struct conf_provider *provider;
};

static int fault(const struct reading *r, const char *key, const char *text)
{
	config_setting_t *at = config_setting_get_member(r->group, key);

	conf_reader_fault(r->reader, at == NULL ? r->group : at, "`%s` in `oauth` %s", key, text);
	return -1;
}

/* ---- endpoints ---- */

/* What stands there goes into requests and logs. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool is_url(const char *text)
{
	return is_plain(text) && strchr(text, ' ') == NULL && strpbrk(text, "\"'<>\\@#") == NULL;
}

static bool begins(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

/* An authority that is the loopback's, whatever follows. */
static bool is_loopback(const char *rest)
{
	static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (begins(rest, names[i]) && strchr(":/", rest[strlen(names[i])]) != NULL)
			return true;
	return false;
}

static int judge_endpoint(const struct reading *r, const char *key, const char *url)
{
	const size_t https = strlen("https://"), http = strlen("http://");

	if (strlen(url) > LONGEST_URL || !is_url(url))
		return fault(r, key, "must be a URL without spaces, quotes, `@` and `#`, of 1000 octets at most");
	if (begins(url, "https://") && url[https] != '\0' && url[https] != '/')
		return 0;
	if (r->provider->insecure && begins(url, "http://") && is_loopback(url + http))
		return 0;
	if (r->provider->insecure)
		return fault(r, key, "must begin with https://, or with http:// and 127.0.0.1, [::1] or localhost");
	return fault(r, key,
		     strcmp(key, "issuer") == 0 ? "must begin with https://"
						: "must begin with https://: secrets go there");
}

/* The setting, or the preset's. */
static int fill_endpoint(const struct reading *r, const char *key, const char *known, const char *tenant, char **url_r)
{
	const char *mark = known == NULL ? NULL : strstr(known, "%s");
	int size = 0;

	*url_r = conf_settings_take(r->settings, key);
	if (*url_r != NULL)
		return judge_endpoint(r, key, *url_r);
	if (mark != NULL)
		size = asprintf(url_r, "%.*s%s%s", (int)(mark - known), known, tenant, mark + 2);
	else if (known != NULL)
		size = (*url_r = strdup(known)) == NULL ? -1 : 0;
	if (size >= 0)
		return 0;
	*url_r = NULL;
	conf_reader_no_memory(r->reader);
	return -1;
}

static int fill_endpoints(const struct reading *r)
{
	struct conf_provider *provider = r->provider;
	const struct preset *preset = &presets[provider->preset];
	const char *tenant = conf_setting_string(r->settings, "tenant");
	const bool microsoft = provider->preset == CONF_PRESET_MICROSOFT;

	if (tenant != NULL && !microsoft)
		return fault(r, "tenant", "is for the preset \"microsoft\" alone: remove it");
	if (tenant != NULL &&
	    (*tenant == '\0' || strlen(tenant) > LONGEST || tenant[strspn(tenant, TENANT_CHARS)] != '\0'))
		return fault(r, "tenant", "must be the directory's identifier or domain");
	if (microsoft && tenant == NULL && provider->grant == CONF_GRANT_CLIENT_CREDENTIALS)
		return fault(r, "tenant", "is missing: an application's own token is of one directory");
	if (tenant == NULL)
		tenant = "common";
	if (fill_endpoint(r, "token_endpoint", preset->token, tenant, &provider->token_endpoint) != 0 ||
	    fill_endpoint(r, "device_endpoint", preset->device, tenant, &provider->device_endpoint) != 0 ||
	    fill_endpoint(r, "authorization_endpoint", preset->authorization, tenant,
			  &provider->authorization_endpoint) != 0 ||
	    fill_endpoint(r, "issuer", preset->issuer, tenant, &provider->issuer) != 0)
		return -1;
	provider->issuer_told = conf_settings_given(r->settings, "issuer");
	if (provider->token_endpoint == NULL)
		return fault(r, "token_endpoint", "is missing: the preset \"generic\" knows none");
	if (provider->grant == CONF_GRANT_REFRESH && provider->device_endpoint == NULL &&
	    provider->authorization_endpoint == NULL)
		return fault(r, "authorization_endpoint", "is missing, and device_endpoint too: nobody could log in");
	return 0;
}

/* ---- the rest ---- */

static int fill_scope(const struct reading *r)
{
	struct conf_provider *provider = r->provider;
	const struct preset *preset = &presets[provider->preset];
	const char *known = provider->grant == CONF_GRANT_REFRESH ? preset->scope : preset->client_scope;

	provider->scope = conf_settings_take(r->settings, "scope");
	if (provider->scope != NULL && (strlen(provider->scope) > LONGEST_URL || !is_plain(provider->scope)))
		return fault(r, "scope", "must be 1000 octets at most, without control characters");
	if (provider->scope == NULL && known != NULL)
		provider->scope = strdup(known); /* fanalyzer: conf_free gives it back */
	if (provider->scope == NULL && known != NULL) {
		conf_reader_no_memory(r->reader);
		return -1;
	}
	return 0;
}

static int judge_client(const struct reading *r)
{
	const struct conf_provider *provider = r->provider;

	if (*provider->client_id == '\0' || strlen(provider->client_id) > LONGEST_URL || !is_plain(provider->client_id))
		return fault(r, "client_id", "must be 1 to 1000 octets without control characters");
	if ((provider->certificate == NULL) != (provider->key == NULL))
		return fault(r, provider->key == NULL ? "certificate" : "key",
			     "goes with the other of certificate and key");
	if (provider->key != NULL && provider->client_secret_file != NULL)
		return fault(r, "client_secret_file", "and certificate exclude each other: remove one");
	if (provider->client_auth == CONF_CLIENT_SECRET_BASIC && provider->client_secret_file == NULL)
		return fault(r, "client_auth", "is \"client_secret_basic\": then client_secret_file is needed");
	if (provider->grant == CONF_GRANT_CLIENT_CREDENTIALS && provider->key == NULL &&
	    provider->client_secret_file == NULL)
		return fault(r, "grant",
			     "is \"client_credentials\": then client_secret_file, or certificate and key, are needed");
	if (provider->grant == CONF_GRANT_CLIENT_CREDENTIALS &&
	    (provider->preset == CONF_PRESET_GOOGLE || provider->preset == CONF_PRESET_YAHOO))
		return fault(r, "grant",
			     "cannot be \"client_credentials\" here: this provider gives no such token for mail");
	return 0;
}

static int judge_name(const struct reading *r, const struct conf *conf)
{
	const char *name = r->provider->name;

	if (*name == '\0' || strlen(name) > LONGEST || name[strspn(name, NAME_CHARS)] != '\0')
		return fault(r, "name", "takes 1 to 64 letters, digits and `.-_`");
	for (size_t i = 0; i < conf->provider_count; i++) {
		if (strcasecmp(conf->providers[i].name, name) != 0)
			continue;
		conf_reader_fault(r->reader, r->group, "`name` in `oauth`: there is a provider `%s` already, at %s:%u",
				  conf->providers[i].name, conf->providers[i].file, conf->providers[i].line);
		return -1;
	}
	return 0;
}

static int fill(const struct reading *r, const struct conf *conf)
{
	struct popgate_settings *settings = r->settings;
	struct conf_provider *provider = r->provider;

	provider->name = conf_settings_take(settings, "name");
	provider->preset = (enum conf_preset)conf_settings_choice(settings, "preset");
	provider->grant = (enum conf_grant)conf_settings_choice(settings, "grant");
	provider->assertion = (enum conf_assertion)conf_settings_choice(settings, "assertion");
	provider->client_auth = (enum conf_client_auth)conf_settings_choice(settings, "client_auth");
	provider->client_id = conf_settings_take(settings, "client_id");
	provider->client_secret_file = conf_settings_take(settings, "client_secret_file");
	provider->certificate = conf_settings_take(settings, "certificate");
	provider->key = conf_settings_take(settings, "key");
	provider->ca_file = conf_settings_take(settings, "ca_file");
	provider->insecure = conf_setting_bool(settings, "insecure_loopback") != 0;
	provider->file = conf_reader_place(r->reader, r->group, &provider->line);
	if (provider->file == NULL)
		return -1;
	return judge_name(r, conf) | judge_client(r) | fill_scope(r) | fill_endpoints(r);
}

static int read_provider(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
			 struct conf_provider *provider)
{
	struct conf_schema schema = {.what = "`oauth`", .keys = conf_provider_keys};
	struct popgate_settings *settings = conf_keys_read(reader, group, &schema);
	const struct reading reading = {reader, group, settings, provider};
	int result = settings == NULL ? -1 : fill(&reading, conf);

	conf_settings_free(&settings);
	return result;
}

const struct conf_provider *conf_provider_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->provider_count; i++)
		if (strcmp(conf->providers[i].name, name) == 0)
			return &conf->providers[i];
	return NULL;
}

void conf_provider_clear(struct conf_provider *provider)
{
	free(provider->name);
	free(provider->client_id);
	free(provider->client_secret_file);
	free(provider->certificate);
	free(provider->key);
	free(provider->scope);
	free(provider->token_endpoint);
	free(provider->device_endpoint);
	free(provider->authorization_endpoint);
	free(provider->issuer);
	free(provider->ca_file);
	free(provider->file);
	memset(provider, 0, sizeof(*provider));
}

/* What the whole needs. */
static void judge_all(const struct conf_reader *reader, config_setting_t *list, const struct conf *conf)
{
	if (conf->token_key_file != NULL && conf->token_key_credential != NULL)
		conf_reader_fault(reader, list,
				  "token_key_file and token_key_credential exclude each other: remove one");
	if (conf->token_key_credential != NULL &&
	    (*conf->token_key_credential == '\0' || strchr(conf->token_key_credential, '/') != NULL))
		conf_reader_fault(reader, list, "token_key_credential is a name, not a path");
	if (list == NULL)
		return;
#ifndef WITH_OAUTH
	conf_reader_fault(
	    reader, list,
	    "`oauth`: this popgate was built without OAuth: build it with libcurl, cJSON and SQLite, and not "
	    "--without-oauth");
#endif
	if (conf->token_key_file == NULL && conf->token_key_credential == NULL)
		conf_reader_fault(reader, list,
				  "`oauth` needs a key to encrypt tokens with: openssl rand -base64 32 "
				  ">/etc/popgate/token.key; chmod 600 it, and set token_key_file");
}

void conf_read_providers(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	config_setting_t *list = config_setting_get_member(root, "oauth"), *group;

	judge_all(reader, list, conf);
	if (list == NULL)
		return;
	if (!config_setting_is_list(list) || config_setting_length(list) > MOST) {
		conf_reader_fault(
		    reader, list,
		    "`oauth` must be a list of groups: oauth = ( { name = \"google\"; preset = \"google\"; "
		    "client_id = \"...\"; } );");
		return;
	}
	conf->providers = calloc((size_t)config_setting_length(list) + 1, sizeof(*conf->providers));
	if (conf->providers == NULL) {
		conf_reader_no_memory(reader);
		return;
	}
	for (int i = 0; i < config_setting_length(list); i++) {
		struct conf_provider *provider = &conf->providers[conf->provider_count];

		if ((group = conf_section_element(reader, list, i)) == NULL)
			continue;
		if (read_provider(reader, group, conf, provider) == 0)
			conf->provider_count++;
		else
			conf_provider_clear(provider);
	}
}
