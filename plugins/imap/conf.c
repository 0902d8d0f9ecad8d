/* conf - settings of an imap backend, checked once.
 *
 * Settings that contradict each other are refused rather than ignored.
 * Holds no credential. Runs in the spawner and in `popgate check`.
 */
#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libetpan/libetpan_version.h>

#include "scram.h"
#include "status.h"

#define LITERAL_MAX (60u * 1024u * 1024u)
#define FETCH_LEAST 65536u

static const char *const securities[] = {"tls", "starttls", "none", NULL};
static const char *const auths[] = {"auto",	   "login",	  "plain",   "sasl-login", "scram-sha-256",
				    "scram-sha-1", "oauthbearer", "xoauth2", "external",   NULL};
static const char *const deletes[] = {"expunge", "flag", "move", "keep", NULL};
static const char *const minimums[] = {"1.2", "1.3", NULL};
static const char *const withouts[] = {"alone", "refuse", "move", NULL};

const struct popgate_key conf_keys[] = {
    {.name = "host",
     .type = POPGATE_KEY_STRING,
     .flags = POPGATE_KEY_REQUIRED,
     .help = "IMAP server, a name or an address; its certificate must carry it"},
    {.name = "port",
     .type = POPGATE_KEY_INT,
     .fallback = "0",
     .max = 65535,
     .help = "port; 0: 993 with security tls, else 143"},
    {.name = "security",
     .type = POPGATE_KEY_CHOICE,
     .fallback = "tls",
     .choices = securities,
     .help = "tls from the first octet, starttls, or none (passwords and mail in clear)"},
    {.name = "ca_file",
     .type = POPGATE_KEY_FILE,
     .help = "PEM file of the only certificate authorities to trust; the system's when unset"},
    {.name = "pin",
     .type = POPGATE_KEY_STRING,
     .help = "sha256//BASE64 of the server's public key, which must be this one as well; several with ; between"},
    {.name = "tls_minimum",
     .type = POPGATE_KEY_CHOICE,
     .choices = minimums,
     .help = "the least version of TLS, 1.2 when unset"},
    {.name = "client_certificate",
     .type = POPGATE_KEY_FILE,
     .help = "PEM file of the certificate that is shown to the server, with its chain; for auth = external"},
    {.name = "client_key", .type = POPGATE_KEY_FILE, .help = "PEM file of its private key; mode 600"},
    {.name = "auth",
     .type = POPGATE_KEY_CHOICE,
     .fallback = "auto",
     .choices = auths,
     .help = "the one mechanism that proves users; auto: the best that the server offers, under TLS the fastest"},
    {.name = "folder",
     .type = POPGATE_KEY_STRING,
     .fallback = "INBOX",
     .help = "folder that is the maildrop, in UTF-8; \\Junk and the like: the one that the server has for that use"},
    {.name = "delete",
     .type = POPGATE_KEY_CHOICE,
     .fallback = "expunge",
     .choices = deletes,
     .help = "what a deleted message's fate is: expunge, flag (only mark \\Deleted), move (to trash_folder) or keep"},
    {.name = "trash_folder",
     .type = POPGATE_KEY_STRING,
     .help = "where delete or without_uidplus = \"move\" puts messages; a folder's name, or \\Trash"},
    {.name = "without_uidplus",
     .type = POPGATE_KEY_CHOICE,
     .fallback = "alone",
     .choices = withouts,
     .help = "on servers without UIDPLUS: expunge when nobody else has marked a message (alone), refuse, "
	     "or move (to trash_folder) by the extension MOVE"},
    {.name = "send_id",
     .type = POPGATE_KEY_BOOL,
     .fallback = "true",
     .help = "say the program's name to servers that have ID"},
    {.name = "pipeline_login",
     .type = POPGATE_KEY_BOOL,
     .fallback = "true",
     .help = "send SELECT and the listing together with LOGIN, where the greeting shows that the server can take it"},
    {.name = "reconnect_timeout",
     .type = POPGATE_KEY_SECONDS,
     .fallback = "30",
     .min = 1,
     .max = 600,
     .help = "how long a lost connection may take to come back"},
    {.name = "fetch_max",
     .type = POPGATE_KEY_OCTETS,
     .fallback = "0",
     .max = UINT32_MAX,
     .help = "larger messages are asked for in pieces of this size; 0: as large as libetpan takes"},
    {.name = "guard_message",
     .type = POPGATE_KEY_OCTETS,
     .fallback = "4294967295",
     .min = 65536,
     .max = UINT32_MAX,
     .help = "the largest message that is taken from the server"},
    {.name = "guard_reply",
     .type = POPGATE_KEY_OCTETS,
     .fallback = "1048576",
     .min = 65536,
     .max = 1073741824,
     .help = "what a command may bring beside messages, and beside what their number explains"},
    {.name = "guard_responses",
     .type = POPGATE_KEY_INT,
     .fallback = "10000",
     .min = 1000,
     .max = 10000000,
     .help = "lines that a command may bring, beside what the number of messages explains"},
    {.name = "guard_line",
     .type = POPGATE_KEY_OCTETS,
     .fallback = "1048576",
     .min = 8192,
     .max = 67108864,
     .help = "the longest line of a response"},
    {.name = "guard_literal",
     .type = POPGATE_KEY_OCTETS,
     .fallback = "65536",
     .min = 1024,
     .max = 16777216,
     .help = "the largest literal that is no message"},
    {.name = "guard_depth",
     .type = POPGATE_KEY_INT,
     .fallback = "64",
     .min = 8,
     .max = 200,
     .help = "how deep parentheses may be nested"},
    {.name = NULL},
};

static int refuse(struct popgate_error *error, const char *key, const char *why)
{
	return status_fail(error, POPGATE_PERM, "%s: %s", key, why);
}

static int check_server(const char *server, struct popgate_error *error)
{
	if (*server == '\0')
		return refuse(error, "host", "must not be empty");
	for (const char *at = server; *at != '\0'; at++) {
		if ((unsigned char)*at >= 0x80)
			return refuse(error, "host", "must be ASCII; write an international name in its xn-- form");
		if (*at <= ' ' || *at == 0x7f || strchr("/@\"\\", *at) != NULL)
			return refuse(error, "host", "holds a character that no host name has");
	}
	return 0;
}

static int read_place(struct place *place, const char *key, const char *name, struct popgate_error *error)
{
	const char *fault = place_set(place, name);

	return fault == NULL ? 0 : refuse(error, key, fault);
}

/* libetpan's releases from 1.10 on take no literal above 64 MiB. */
static int read_fetch(struct imap_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	bool limited = libetpan_get_version_major() > 1 || libetpan_get_version_minor() >= 10;
	uint64_t most = limited ? LITERAL_MAX : UINT32_MAX;
	uint64_t wished = (uint64_t)conf->host->setting_int(settings, "fetch_max");

	if (wished > 0 && wished < FETCH_LEAST)
		return refuse(error, "fetch_max", "must be 0 or at least 65536 (64 KiB)");
	if (most > conf->message_max)
		most = conf->message_max;
	conf->fetch_max = wished == 0 || wished > most ? most : wished;
	return 0;
}

static int read_trust(struct imap_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	static const char *const keys[] = {"ca_file", "pin", "tls_minimum", "client_certificate", "client_key"};
	const struct popgate_host *host = conf->host;
	const char *key;
	const struct trust_wish wish = {.ca_file = host->setting_string(settings, "ca_file"),
					.pins = host->setting_string(settings, "pin"),
					.certificate = host->setting_string(settings, "client_certificate"),
					.key = host->setting_string(settings, "client_key"),
					.tls_1_3 = host->setting_choice(settings, "tls_minimum") == 1};
	char text[200];

	conf->certificate = wish.certificate != NULL;
	if ((wish.certificate != NULL) != (wish.key != NULL))
		return refuse(error, wish.key == NULL ? "client_key" : "client_certificate",
			      "is missing, and of no use is one without the other");
	for (size_t i = 0; conf->security == CONF_NONE && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (host->setting_string(settings, keys[i]) != NULL)
			return refuse(error, keys[i], "has no meaning with security = \"none\"");
	if (conf->security == CONF_NONE || trust_new(&wish, &conf->trust, &key, text, sizeof(text)) == 0)
		return 0;
	return refuse(error, key, text);
}

static int read_auth(struct imap_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	bool scram;

	conf->auth = (enum conf_auth)conf->host->setting_choice(settings, "auth");
	scram = conf->auth == CONF_AUTH_SCRAM_SHA_256 || conf->auth == CONF_AUTH_SCRAM_SHA_1;
	if (conf->auth == CONF_AUTH_EXTERNAL && !conf->certificate)
		return refuse(error, "auth", "\"external\" needs client_certificate and client_key");
	return scram && !scram_is_there() ? refuse(error, "auth", "this popgate was built without GNU libgsasl") : 0;
}

static int read_server(struct imap_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	const struct popgate_host *host = conf->host;

	conf->server = host->setting_string(settings, "host");
	if (conf->server == NULL)
		return refuse(error, "host", "is required");
	conf->port = (unsigned)host->setting_int(settings, "port");
	conf->security = (enum conf_security)host->setting_choice(settings, "security");
	if (conf->port == 0)
		conf->port = conf->security == CONF_TLS ? 993 : 143;
	if (check_server(conf->server, error) != 0 || read_trust(conf, settings, error) != 0)
		return -1;
	return read_auth(conf, settings, error);
}

static int read_folder(struct imap_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	const char *folder = conf->host->setting_string(settings, "folder");

	return read_place(&conf->folder, "folder", folder != NULL ? folder : "INBOX", error);
}

static int read_trash(struct imap_conf *conf, const char *trash, struct popgate_error *error)
{
	const char *key = conf->delete == CONF_MOVE ? "delete" : "without_uidplus";

	if (trash == NULL)
		return status_fail(error, POPGATE_PERM, "trash_folder: is required with %s = \"move\"", key);
	if (read_place(&conf->trash, "trash_folder", trash, error) != 0)
		return -1;
	return place_is_same(&conf->trash, &conf->folder)
		   ? refuse(error, "trash_folder", "must not be the maildrop's own folder")
		   : 0;
}

static int read_delete(struct imap_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	const struct popgate_host *host = conf->host;
	const char *trash = host->setting_string(settings, "trash_folder");
	bool expunges;

	conf->delete = (enum conf_delete)host->setting_choice(settings, "delete");
	conf->without = (enum conf_without)host->setting_choice(settings, "without_uidplus");
	expunges = conf->delete == CONF_EXPUNGE || conf->delete == CONF_MOVE;
	if (conf->without == CONF_MOVE_ONLY && !expunges)
		return refuse(error, "without_uidplus",
			      "\"move\" has a meaning only with delete = \"expunge\" or \"move\"");
	if (conf->delete == CONF_MOVE || conf->without == CONF_MOVE_ONLY)
		return read_trash(conf, trash, error);
	if (trash == NULL)
		return 0;
	return refuse(error, "trash_folder", "has a meaning only with delete or without_uidplus = \"move\"");
}

static void read_guard(struct imap_conf *conf, const struct popgate_settings *settings)
{
	const struct popgate_host *host = conf->host;

	conf->message_max = (uint32_t)host->setting_int(settings, "guard_message");
	conf->small.octets = (uint64_t)host->setting_int(settings, "guard_reply");
	conf->small.lines = (uint64_t)host->setting_int(settings, "guard_responses");
	conf->bounds.line = (uint32_t)host->setting_int(settings, "guard_line");
	conf->bounds.literal = (uint32_t)host->setting_int(settings, "guard_literal");
	conf->bounds.depth = (unsigned)host->setting_int(settings, "guard_depth");
}

int conf_new(const struct popgate_host *host, const struct popgate_settings *settings, struct imap_conf **conf_r,
	     struct popgate_error *error)
{
	struct imap_conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return status_fail(error, POPGATE_PERM, "out of memory");
	conf->host = host;
	conf->send_id = host->setting_bool(settings, "send_id") != 0;
	conf->pipeline_login = host->setting_bool(settings, "pipeline_login") != 0;
	read_guard(conf, settings);
	conf->reconnect_timeout = host->setting_int(settings, "reconnect_timeout") * 1000;
	if (read_server(conf, settings, error) != 0 || read_folder(conf, settings, error) != 0 ||
	    read_delete(conf, settings, error) != 0 || read_fetch(conf, settings, error) != 0) {
		conf_free(&conf);
		return -1;
	}
	*conf_r = conf;
	return 0;
}

void conf_free(struct imap_conf **conf)
{
	if (*conf == NULL)
		return;
	trust_free(&(*conf)->trust);
	place_clear(&(*conf)->folder);
	place_clear(&(*conf)->trash);
	free(*conf);
	*conf = NULL;
}
