/* conf_accounts - reads the accounts file: a libconfig file of its own with the list `accounts`. It holds secrets, so
 * nobody else may read it, and what is not kept is wiped as far as libconfig lets us. Broker, before it serves, and
 * the verbs. */
#include "common/account_table.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/conf_account.h"
#include "common/conf_literal.h"
#include "common/conf_sections.h"
#include "common/conf_tree.h"
#include "common/secret.h"

#define MOST	    2000000
#define MOST_FAULTS 100 /* that are told of one file: nobody reads more */

static const char *const file_keys[] = {"accounts", NULL};

/* With a secret of its own upstream and no proof here anybody could come in. */
static int check_guarded(const struct conf_reader *reader, config_setting_t *group, const struct account *account)
{
	if (account->source.kind == CONF_SOURCE_CLIENT || account_proofs(account) != 0 || account->disabled)
		return 0;
	conf_reader_fault(
	    reader, group,
	    "the account `%.64s` opens its mailbox by itself, so it needs a password here: `popgate passwd`, or "
	    "`popgate account device add`",
	    account->user == NULL ? "" : account->user);
	return -1;
}

static struct accounts *read_list(const struct conf_reader *reader, const struct conf *conf, config_setting_t *list)
{
	size_t faults = reader->report->count;
	int count = config_setting_length(list);
	struct accounts *accounts = count > MOST ? NULL : account_table_new((size_t)count);

	if (accounts == NULL) {
		conf_reader_fault(reader, list, "`accounts` has more than memory has room for, or than %d", MOST);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *group = conf_section_element(reader, list, i);
		const struct account *before;
		struct account account = {0};

		if (reader->report->count - faults >= MOST_FAULTS) {
			conf_reader_fault(reader, group, "what is behind this is not looked at: mend the faults above");
			break;
		}
		if (group == NULL || conf_account_read(reader, conf, group, &account) != 0 ||
		    check_guarded(reader, group, &account) != 0) {
			account_clear(&account);
			continue;
		}
		before = account_table_add(accounts, &account);
		if (before == NULL)
			continue;
		conf_reader_fault(reader, group,
				  "the account `%.64s` stands twice: remove this one or the one at line %u",
				  account.user, before->line);
		account_clear(&account);
	}
	return accounts;
}

static struct accounts *read_root(const struct conf_reader *reader, const struct conf *conf, config_setting_t *root)
{
	static const struct popgate_key none[] = {{0}};
	struct conf_schema schema = {.keys = none, .others = file_keys};
	struct popgate_settings *settings = conf_keys_read(reader, root, &schema);
	config_setting_t *list = config_setting_get_member(root, "accounts");

	if (settings == NULL)
		return NULL;
	conf_settings_free(&settings);
	if (list != NULL && config_setting_is_list(list))
		return read_list(reader, conf, list);
	conf_reader_fault(reader, list,
			  "the file must hold a list of accounts: accounts = ( { user = \"...\"; }, ... );");
	return NULL;
}

/* What stands in it opens mailboxes. */
static int check_file(const char *path, struct conf_report *report)
{
	struct stat status;

	if (stat(path, &status) != 0) {
		conf_report_add(report, path, 0, "the accounts file cannot be read: %s%s", strerror(errno),
				errno == ENOENT ? "; `popgate account add` makes it" : "");
		return -1;
	}
	if (!S_ISREG(status.st_mode)) {
		conf_report_add(report, path, 0, "the accounts file is no regular file");
		return -1;
	}
	if ((status.st_mode & 077) == 0)
		return 0;
	conf_report_add(report, path, 0, "others than its owner may use the accounts file: chmod 600 it");
	return -1;
}

/* What libconfig has read; its scanner's buffers are out of reach. */
static void wipe(config_setting_t *setting)
{
	if (config_setting_type(setting) == CONFIG_TYPE_STRING && setting->value.sval != NULL)
		secret_wipe(setting->value.sval, strlen(setting->value.sval));
	for (int i = 0; config_setting_is_aggregate(setting) && i < config_setting_length(setting); i++)
		wipe(config_setting_get_elem(setting, (unsigned)i));
}

struct accounts *accounts_read(const struct conf *conf, struct conf_report *report)
{
	const char *path = conf->accounts_file;
	struct conf *tree = check_file(path, report) == 0 ? conf_tree_new(path) : NULL;
	struct conf_reader reader = {path, NULL, report, true};
	struct accounts *accounts = NULL;
	size_t before = report->count;

	if (tree != NULL && conf_tree_parse(tree, true, report) == 0) {
		reader.folder = tree->folder;
		accounts = read_root(&reader, conf, config_root_setting((config_t *)tree->config));
	}
	if (tree != NULL)
		wipe(config_root_setting((config_t *)tree->config));
	conf_free(&tree);
	if (accounts == NULL && report->count == 0)
		conf_reader_no_memory(&reader);
	if (report->count != before || accounts == NULL)
		accounts_free(&accounts);
	return accounts;
}

/* ---- out of values ---- */

bool account_table_lists(const char *key)
{
	for (const char *const *other = account_table_others; *other != NULL; other++)
		if (strcmp(*other, key) == 0)
			return true;
	return false;
}

bool account_table_quotes(const char *key)
{
	const struct popgate_key *known = account_table_key(key);

	switch (known == NULL ? POPGATE_KEY_STRING : known->type) {
	case POPGATE_KEY_STRING:
	case POPGATE_KEY_CHOICE:
	case POPGATE_KEY_FILE:
		return true;
	case POPGATE_KEY_BOOL:
	case POPGATE_KEY_INT:
	case POPGATE_KEY_SECONDS:
	case POPGATE_KEY_OCTETS:
		return false;
	}
	return true;
}

static bool put_string(config_setting_t *parent, const char *key, const char *text)
{
	config_setting_t *setting = config_setting_add(parent, key, CONFIG_TYPE_STRING);

	return setting != NULL && config_setting_set_string(setting, text) == CONFIG_TRUE;
}

static bool put_element(config_setting_t *group, const char *key, const char *text)
{
	config_setting_t *list = config_setting_get_member(group, key);

	if (list == NULL)
		list = config_setting_add(group, key, CONFIG_TYPE_LIST);
	return list != NULL && put_string(list, NULL, text);
}

static bool put_bool(config_setting_t *group, const char *key, bool value)
{
	config_setting_t *setting = config_setting_add(group, key, CONFIG_TYPE_BOOL);

	return setting != NULL && config_setting_set_bool(setting, value) == CONFIG_TRUE;
}

static bool put_number(config_setting_t *group, const char *key, int64_t value)
{
	config_setting_t *setting = config_setting_add(group, key, CONFIG_TYPE_INT64);

	return setting != NULL && config_setting_set_int64(setting, value) == CONFIG_TRUE;
}

/* As libconfig would have read it; what has the wrong type is a string, and told of as such. */
static bool put(config_setting_t *group, const struct account_value *value)
{
	size_t size = strlen(value->text);
	int integer = 0;
	int64_t number;

	if (account_table_lists(value->key))
		return put_element(group, value->key, value->text);
	if (account_table_quotes(value->key))
		return put_string(group, value->key, value->text);
	if (strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0)
		return put_bool(group, value->key, value->text[0] == 't');
	if (conf_scan_number(value->text, size, &integer) == size && integer != 0 &&
	    conf_literal_parse(value->text, size, &number) == 0)
		return put_number(group, value->key, number);
	return put_string(group, value->key, value->text);
}

int account_table_read(const struct conf *conf, const char *source, const char *user,
		       const struct account_value *values, size_t count, struct account *account_r,
		       struct conf_report *report)
{
	const struct conf_reader reader = {source, "/", report, true};
	config_setting_t *root;
	config_t config;
	bool good;
	int result;

	config_init(&config);
	root = config_root_setting(&config);
	good = put_string(root, "user", user);
	for (size_t i = 0; good && i < count; i++)
		good = values[i].text == NULL || put(root, &values[i]);
	if (good) {
		result = conf_account_read(&reader, conf, root, account_r);
	} else {
		conf_reader_no_memory(&reader);
		result = -1;
	}
	wipe(root);
	config_destroy(&config);
	if (result != 0)
		account_clear(account_r);
	return result;
}
