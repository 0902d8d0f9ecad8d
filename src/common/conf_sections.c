/* conf_sections - what the sections of the file have in common, and the plain
 * ones: the top level, limits, log. No I/O. Runs where conf does. */
#include "common/conf_sections.h"

#include <ctype.h>
#include <libconfig.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_FRONTS	     256
#define MOST_HELPERS	     64
#define LONGEST_DOMAIN	     255 /* octets */
#define LEAST_SESSION_MEMORY (16 << 20)

int conf_section_group(const struct conf_reader *reader, struct config_setting_t *root, const char *name,
		       struct config_setting_t **group_r)
{
	config_setting_t *group = config_setting_get_member(root, name);

	if (group != NULL && !config_setting_is_group(group)) {
		conf_reader_fault(reader, group, "`%s` must be a group: %s = { ... };", name, name);
		return -1;
	}
	*group_r = group;
	return 0;
}

struct config_setting_t *conf_section_list(const struct conf_reader *reader, struct config_setting_t *root,
					   const char *name, const char *example)
{
	config_setting_t *list = config_setting_get_member(root, name);

	if (list == NULL || (config_setting_is_list(list) && config_setting_length(list) == 0)) {
		conf_reader_fault(reader, list, "no %s: add %s = ( { %s } );", name, name, example);
		return NULL;
	}
	if (!config_setting_is_list(list)) {
		conf_reader_fault(reader, list, "`%s` must be a list of groups: %s = ( { ... }, { ... } );", name,
				  name);
		return NULL;
	}
	return list;
}

struct config_setting_t *conf_section_element(const struct conf_reader *reader, struct config_setting_t *list, int i)
{
	config_setting_t *element = config_setting_get_elem(list, (unsigned)i);

	if (config_setting_is_group(element))
		return element;
	conf_reader_fault(reader, element, "`%s` takes groups only: { ... }", config_setting_name(list));
	return NULL;
}

/* ---- top level ------------------------------------------------------- */

/* The processors this process may run on. */
static unsigned cores(void)
{
	cpu_set_t set;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		online = CPU_COUNT(&set);
	if (online < 1)
		return 1;
	return online > MOST_FRONTS ? MOST_FRONTS : (unsigned)online;
}

/* A domain that could not be one would make names that nobody has. */
static bool is_domain(const char *text)
{
	if (strlen(text) > LONGEST_DOMAIN)
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x80 && !isalnum((unsigned char)*text) && strchr(".-_", *text) == NULL)
			return false;
	return true;
}

int conf_domain(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		struct popgate_settings *settings, char **domain_r)
{
	const char *domain = conf_setting_string(settings, "default_domain");

	if (domain == NULL || is_domain(domain)) {
		*domain_r = conf_settings_take(settings, "default_domain");
		return 0;
	}
	conf_reader_fault(reader, config_setting_get_member(group, "default_domain"),
			  "`default_domain`%s%s is no domain: write \"example.org\", without `@`",
			  what == NULL ? "" : " in ", what == NULL ? "" : what);
	return -1;
}

void conf_read_top(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	struct conf_schema schema = {.keys = conf_top_keys, .others = conf_sections};
	struct popgate_settings *settings = conf_keys_read(reader, root, &schema);

	if (settings == NULL)
		return;
	conf->fronts = (unsigned)conf_setting_int(settings, "fronts");
	if (conf->fronts == 0)
		conf->fronts = cores();
	conf->user = conf_settings_take(settings, "user");
	conf->runtime_directory = conf_settings_take(settings, "runtime_directory");
	conf->plugin_directory = conf_settings_take(settings, "plugin_directory");
	conf->state_directory = conf_settings_take(settings, "state_directory");
	conf->token_key_file = conf_settings_take(settings, "token_key_file");
	conf->token_key_credential = conf_settings_take(settings, "token_key_credential");
	conf->accounts_file = conf_settings_take(settings, "accounts");
	conf->helpers = conf->accounts_file == NULL ? 0 : (unsigned)conf_setting_int(settings, "helpers");
	if (conf->accounts_file != NULL && conf->helpers == 0)
		conf->helpers = cores() < MOST_HELPERS ? cores() : MOST_HELPERS;
	conf->needs_agent = conf->accounts_file != NULL;
	conf->percent_domain = conf_setting_bool(settings, "percent_domain") != 0;
	(void)conf_domain(reader, root, NULL, settings, &conf->default_domain);
	conf->sandbox = (enum conf_sandbox)conf_settings_choice(settings, "sandbox");
	conf_settings_free(&settings);
}

/* ---- limits ---------------------------------------------------------- */

static int64_t milliseconds(const struct popgate_settings *settings, const char *key)
{
	return conf_setting_int(settings, key) * 1000;
}

static unsigned count(const struct popgate_settings *settings, const char *key)
{
	return (unsigned)conf_setting_int(settings, key);
}

void conf_read_limits(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	struct conf_schema schema = {.what = "`limits`", .keys = conf_limits_keys};
	struct conf_limits *limits = &conf->limits;
	struct popgate_settings *settings;
	config_setting_t *group;

	if (conf_section_group(reader, root, "limits", &group) != 0)
		return;
	if ((settings = conf_keys_read(reader, group, &schema)) == NULL)
		return;
	limits->max_connections = count(settings, "max_connections");
	limits->max_connections_per_address = count(settings, "max_connections_per_address");
	limits->handshake_timeout = milliseconds(settings, "handshake_timeout");
	limits->login_timeout = milliseconds(settings, "login_timeout");
	limits->login_penalty = milliseconds(settings, "login_penalty");
	limits->idle_timeout = milliseconds(settings, "idle_timeout");
	limits->stall_timeout = milliseconds(settings, "stall_timeout");
	limits->upstream_timeout = milliseconds(settings, "upstream_timeout");
	limits->fetch_window = milliseconds(settings, "fetch_window");
	limits->fetch_minimum = (uint64_t)conf_setting_int(settings, "fetch_minimum");
	limits->commit_timeout = milliseconds(settings, "commit_timeout");
	limits->shutdown_timeout = milliseconds(settings, "shutdown_timeout");
	limits->read_ahead = (uint64_t)conf_setting_int(settings, "read_ahead");
	limits->keep_open = milliseconds(settings, "keep_open");
	limits->max_kept_open = count(settings, "max_kept_open");
	limits->max_messages = count(settings, "max_messages");
	limits->session_memory = (uint64_t)conf_setting_int(settings, "session_memory");
	limits->session_cpu = count(settings, "session_cpu");
	if (limits->session_memory > 0 && limits->session_memory < LEAST_SESSION_MEMORY)
		conf_reader_fault(reader, config_setting_get_member(group, "session_memory"),
				  "`session_memory` in `limits` is %llu: it must be 0 or %d octets at least",
				  (unsigned long long)limits->session_memory, LEAST_SESSION_MEMORY);
	conf_settings_free(&settings);
}

/* ---- log ------------------------------------------------------------- */

void conf_read_log(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	struct conf_schema schema = {.what = "`log`", .keys = conf_log_keys};
	struct popgate_settings *settings;
	config_setting_t *group;

	if (conf_section_group(reader, root, "log", &group) != 0)
		return;
	if ((settings = conf_keys_read(reader, group, &schema)) == NULL)
		return;
	conf->log.target = (enum conf_log_target)conf_settings_choice(settings, "to");
	conf->log.level = (enum popgate_log_level)conf_settings_choice(settings, "level");
	conf->log.path = conf_settings_take(settings, "file");
	if (conf->log.target == CONF_LOG_FILE && conf->log.path == NULL)
		conf_reader_fault(reader, config_setting_get_member(group, "to"),
				  "`to` in `log` is \"file\": add `file = \"PATH\"`");
	if (conf->log.target != CONF_LOG_FILE && conf->log.path != NULL)
		conf_reader_fault(reader, config_setting_get_member(group, "file"),
				  "`file` in `log` has no use unless `to = \"file\"`: set that, or remove `file`");
	conf_settings_free(&settings);
}
