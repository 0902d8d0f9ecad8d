/* conf_account - see conf_account.h. No I/O. Broker, before it serves, and the verbs. */
#include "common/conf_account.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_folders.h"
#include "common/conf_near.h"
#include "common/conf_networks.h"
#include "common/conf_sections.h"
#include "common/conf_source.h"
#include "common/login_name.h"
#include "common/scram_keys.h"
#include "common/text.h"

#define WHAT	     CONF_ACCOUNT_WHAT
#define LONGEST	     512 /* octets of a name */
#define MOST_DEVICES 100

/* clang-format off */
const struct popgate_key account_table_keys[] = {
	{"user", POPGATE_KEY_STRING, POPGATE_KEY_REQUIRED, NULL, 0, 0, NULL, "the name that logs in"},
	{"disabled", POPGATE_KEY_BOOL, 0, "false", 0, 0, NULL, "lets nobody in"},
	{"hash", POPGATE_KEY_STRING, POPGATE_KEY_SECRET, NULL, 0, 0, NULL, "the password's hash, of crypt(3)"},
	{"scram_sha_1", POPGATE_KEY_STRING, POPGATE_KEY_SECRET, NULL, 0, 0, NULL, "keys for SCRAM-SHA-1"},
	{"scram_sha_256", POPGATE_KEY_STRING, POPGATE_KEY_SECRET, NULL, 0, 0, NULL, "keys for SCRAM-SHA-256"},
	{"secret", POPGATE_KEY_STRING, POPGATE_KEY_SECRET, NULL, 0, 0, NULL, "the password itself, for APOP and CRAM-MD5"},
	{"backend", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "the backend's name; the routes decide when unset"},
	{"upstream_user", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "the name upstream"},
	{"folder", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "the folder upstream"},
	{"upstream_secret", POPGATE_KEY_STRING, POPGATE_KEY_SECRET, NULL, 0, 0, NULL, "the password upstream"},
	{"oauth", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "the OAuth provider whose token opens the mailbox"},
	{"max_sessions", POPGATE_KEY_INT, 0, "0", 0, 100000, NULL, "sessions at a time; 0: no limit"},
	{"max_octets", POPGATE_KEY_OCTETS, 0, "0", 0, INT64_MAX, NULL, "octets a day; 0: no limit"},
	{"login_delay", POPGATE_KEY_SECONDS, 0, "0", 0, 86400, NULL, "seconds between two logins; 0: none"},
	CONF_SOURCE_KEYS,
	{0},
};
static const struct popgate_key device_keys[] = {
	{"name", POPGATE_KEY_STRING, POPGATE_KEY_REQUIRED, NULL, 0, 0, NULL, "which device it is"},
	{"key", POPGATE_KEY_STRING, POPGATE_KEY_REQUIRED | POPGATE_KEY_SECRET, NULL, 0, 0, NULL, "what is kept of its password"},
	{0},
};
/* clang-format on */
const char *const account_table_others[] = {"devices", "folders", "networks", CONF_SOURCE_OTHER, NULL};

const struct popgate_key *account_table_key(const char *name)
{
	for (const struct popgate_key *key = account_table_keys; key->name != NULL; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

struct reading {
	const struct conf_reader *reader;
	const struct conf *conf;
	config_setting_t *group;
	struct account *account;
};

static config_setting_t *member(const struct reading *r, const char *key)
{
	return config_setting_get_member(r->group, key);
}

/* ---- names ---- */

bool account_is_name(const char *text)
{
	size_t size = strlen(text);

	if (size == 0 || size > LONGEST || !text_is_utf8(text, size))
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static int check_name(const struct reading *r, const char *key, const char *name)
{
	if (name == NULL || account_is_name(name))
		return 0;
	conf_reader_fault(r->reader, member(r, key),
			  "`%s` in " WHAT " must be 1 to %d octets of UTF-8 without control characters", key, LONGEST);
	return -1;
}

static int find_backend(const struct reading *r, const char *name)
{
	struct conf_near near = {.word = name};

	r->account->backend = ACCOUNT_BY_ROUTE;
	for (size_t i = 0; name != NULL && i < r->conf->backend_count; i++) {
		if (strcmp(r->conf->backends[i].name, name) == 0) {
			r->account->backend = i;
			return 0;
		}
		conf_near_offer(&near, r->conf->backends[i].name);
	}
	if (name == NULL)
		return 0;
	conf_reader_fault(r->reader, member(r, "backend"), "`backend` in " WHAT ": there is no backend `%.64s`%s%s%s",
			  name, near.best ? ": did you mean `" : "", near.best ? near.best : "", near.best ? "`?" : "");
	return -1;
}

/* ---- proofs ---- */

/* crypt(3)'s forms begin with $; a * or ! in front says that no password fits. */
static int check_hash(const struct reading *r)
{
	const char *hash = r->account->hash;

	if (hash == NULL ||
	    ((*hash == '$' || *hash == '*' || *hash == '!') && strlen(hash) < 500 && account_is_name(hash)))
		return 0;
	conf_reader_fault(r->reader, member(r, "hash"),
			  "`hash` in " WHAT " is no hash of a password: `popgate passwd` makes one");
	return -1;
}

static int check_scram(const struct reading *r, const char *key, const char *text, enum scram_kind kind)
{
	struct scram_keys keys;

	if (text == NULL || scram_keys_read(kind, text, &keys) == 0)
		return 0;
	conf_reader_fault(r->reader, member(r, key),
			  "`%s` in " WHAT " is no key of SCRAM: `popgate passwd --scram` makes one", key);
	return -1;
}

static int read_device(const struct reading *r, config_setting_t *group, struct account_device *device)
{
	struct conf_schema schema = {.what = "`devices`", .keys = device_keys};
	struct popgate_settings *settings = conf_keys_read(r->reader, group, &schema);
	int result = 0;

	if (settings == NULL)
		return -1;
	if (!account_is_name(conf_setting_string(settings, "name")) ||
	    device_read(conf_setting_string(settings, "key"), &device->key) != 0) {
		conf_reader_fault(r->reader, group,
				  "this device of `%.64s` has no name, or a key that is none: `popgate "
				  "account device add` makes both",
				  r->account->user);
		result = -1;
	} else {
		device->name = conf_settings_take(settings, "name");
	}
	conf_settings_free(&settings);
	return result;
}

/* Of the one that has just been read. Its name is how it is taken away. */
static int check_device_name(const struct reading *r, config_setting_t *group)
{
	struct account *account = r->account;
	char *name = account->devices[account->device_count].name;

	for (size_t i = 0; i < account->device_count; i++) {
		if (strcmp(account->devices[i].name, name) != 0)
			continue;
		conf_reader_fault(r->reader, group, "the device `%.64s` of `%.64s` stands twice: give one another name",
				  name, account->user == NULL ? "" : account->user);
		free(name);
		account->devices[account->device_count].name = NULL;
		return -1;
	}
	return 0;
}

static int read_devices(const struct reading *r)
{
	config_setting_t *list = member(r, "devices");
	int result = 0, count = list == NULL ? 0 : config_setting_length(list);

	if (list != NULL && (!config_setting_is_list(list) || count > MOST_DEVICES)) {
		conf_reader_fault(r->reader, list, "`devices` in " WHAT " must be a list of up to %d groups",
				  MOST_DEVICES);
		return -1;
	}
	if (count == 0)
		return 0;
	r->account->devices = calloc((size_t)count, sizeof(*r->account->devices));
	if (r->account->devices == NULL) { /* fanalyzer: account_clear gives it back */
		conf_reader_no_memory(r->reader);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *group = conf_section_element(r->reader, list, i);

		if (group == NULL || read_device(r, group, &r->account->devices[r->account->device_count]) != 0 ||
		    check_device_name(r, group) != 0)
			result = -1;
		else
			r->account->device_count++;
	}
	return result;
}

/* ---- the rest ---- */

/* An account that no login could mean, and folders that none could ask for. */
static int check_reach(const struct reading *r)
{
	struct login_name read = {.user = ""};

	if (r->account->folders.count > 0 && *r->conf->folder_delimiters == '\0') {
		conf_reader_fault(r->reader, member(r, "folders"),
				  "`folders` in " WHAT " has no use: no route has a `folder_delimiter`");
		return -1;
	}
	if (r->account->user == NULL || login_name_reaches(r->conf, r->account->user, &read))
		return 0;
	conf_reader_fault(r->reader, member(r, "user"),
			  "nobody can log in as `%.64s`: the configuration reads that as %s`%.64s` (`default_domain`, "
			  "`percent_domain`, `folder_delimiter`)",
			  r->account->user, read.view ? "a folder of " : "", read.user);
	return -1;
}

static int check_provider(const struct reading *r)
{
	const struct conf_source *source = &r->account->source;
	struct conf_near near = {.word = source->text};

	if (source->kind != CONF_SOURCE_OAUTH || conf_provider_find(r->conf, source->text) != NULL)
		return 0;
	for (size_t i = 0; i < r->conf->provider_count; i++)
		conf_near_offer(&near, r->conf->providers[i].name);
	conf_reader_fault(r->reader, member(r, "oauth"),
			  "`oauth` in " WHAT ": there is no provider `%.64s` in the list `oauth` of %.200s%s%s%s",
			  source->text, r->conf->source, near.best ? ": did you mean `" : "",
			  near.best ? near.best : "", near.best ? "`?" : "");
	return -1;
}

static int fill(const struct reading *r, struct popgate_settings *settings)
{
	struct account *account = r->account;
	int result = 0;

	account->user = conf_settings_take(settings, "user");
	account->disabled = conf_setting_bool(settings, "disabled") != 0;
	account->hash = conf_settings_take(settings, "hash");
	account->scram_sha_1 = conf_settings_take(settings, "scram_sha_1");
	account->scram_sha_256 = conf_settings_take(settings, "scram_sha_256");
	account->secret = conf_settings_take(settings, "secret");
	account->upstream_user = conf_settings_take(settings, "upstream_user");
	account->folder = conf_settings_take(settings, "folder");
	account->max_sessions = (unsigned)conf_setting_int(settings, "max_sessions");
	account->max_octets = (uint64_t)conf_setting_int(settings, "max_octets");
	account->login_delay = (unsigned)conf_setting_int(settings, "login_delay");
	account->line = config_setting_source_line(r->group);
	result |= check_name(r, "user", account->user) | check_name(r, "upstream_user", account->upstream_user) |
		  check_name(r, "folder", account->folder) | check_hash(r);
	result |= check_scram(r, "scram_sha_1", account->scram_sha_1, SCRAM_SHA_1) |
		  check_scram(r, "scram_sha_256", account->scram_sha_256, SCRAM_SHA_256);
	result |= find_backend(r, conf_setting_string(settings, "backend"));
	result |= read_devices(r) | conf_folders_read(r->reader, r->group, WHAT, &account->folders) |
		  conf_networks(r->reader, r->group, "networks", WHAT, &account->networks, &account->network_count);
	if (conf_source_read(r->reader, r->group, WHAT, settings, &account->source) != 0)
		return -1;
	/* the two sources that routes don't have */
	if (conf_source_take(r->reader, r->group, WHAT, settings, CONF_SOURCE_SECRET, &account->source) != 0 ||
	    conf_source_take(r->reader, r->group, WHAT, settings, CONF_SOURCE_OAUTH, &account->source) != 0)
		result = -1;
	return check_provider(r) | check_reach(r) | result;
}

int conf_account_read(const struct conf_reader *reader, const struct conf *conf, struct config_setting_t *group,
		      struct account *account)
{
	struct conf_schema schema = {.what = WHAT, .keys = account_table_keys, .others = account_table_others};
	struct popgate_settings *settings = conf_keys_read(reader, group, &schema);
	const struct reading reading = {.reader = reader, .conf = conf, .group = group, .account = account};
	int result = settings == NULL ? -1 : fill(&reading, settings);

	conf_settings_free(&settings);
	return result;
}
