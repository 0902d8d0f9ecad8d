/* conf_backends - the section backends, as far as the core reads it: names and
 * plugins. A plugin's own keys are checked once its table is known. No I/O.
 * Runs where conf does; conf_backend_settings in the spawner too. */
#include "common/conf_sections.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/conf_tree.h"

#define LONGEST_NAME   260
#define LONGEST_PLUGIN 32

/* The name goes into log fields and the lock's name. */
static bool good_name(const char *name)
{
	return strlen(name) <= LONGEST_NAME &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")] == '\0';
}

/* The name becomes part of a path. */
static bool good_plugin(const char *plugin)
{
	return strlen(plugin) <= LONGEST_PLUGIN &&
	       plugin[strspn(plugin, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static int check_backend(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
			 const struct conf_backend *backend)
{
	size_t before = reader->report->count;

	if (!good_name(backend->name))
		conf_reader_fault(reader, config_setting_get_member(group, "name"),
				  "`name` in `backends` takes letters, digits and `.-_:[]`, %d at most", LONGEST_NAME);
	if (!good_plugin(backend->plugin))
		conf_reader_fault(reader, config_setting_get_member(group, "plugin"),
				  "`plugin` in `backends` takes small letters, digits and `-`, %d at most",
				  LONGEST_PLUGIN);
	for (size_t i = 0; i < conf->backend_count; i++)
		if (strcasecmp(conf->backends[i].name, backend->name) == 0)
			conf_reader_fault(reader, config_setting_get_member(group, "name"),
					  "`name` in `backends`: there is a backend `%s` already, at %s:%u",
					  conf->backends[i].name, conf->backends[i].file, conf->backends[i].line);
	return reader->report->count == before ? 0 : -1;
}

static int read_backend(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
			struct conf_backend *backend)
{
	struct conf_schema schema = {.what = "`backends`", .keys = conf_backend_keys, .open = true};
	struct popgate_settings *settings = conf_keys_read(reader, group, &schema);

	if (settings == NULL)
		return -1;
	backend->name = conf_settings_take(settings, "name");
	backend->plugin = conf_settings_take(settings, "plugin");
	backend->section = group;
	backend->file = conf_reader_place(reader, group, &backend->line);
	conf_settings_free(&settings);
	return backend->file == NULL ? -1 : check_backend(reader, group, conf, backend);
}

void conf_read_backends(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	config_setting_t *group, *list;
	struct conf_backend *backend;

	list = conf_section_list(reader, root, "backends", "name = \"main\"; plugin = \"imap\"; ...");
	if (list == NULL)
		return;
	conf->backends = calloc((size_t)config_setting_length(list), sizeof(*conf->backends));
	if (conf->backends == NULL) {
		conf_reader_no_memory(reader);
		return;
	}
	for (int i = 0; i < config_setting_length(list); i++) {
		backend = &conf->backends[conf->backend_count];
		if ((group = conf_section_element(reader, list, i)) == NULL)
			continue;
		if (read_backend(reader, group, conf, backend) == 0) {
			conf->backend_count++;
			continue;
		}
		free(backend->name);
		free(backend->plugin);
		free(backend->file);
		*backend = (struct conf_backend){0};
	}
}

struct popgate_settings *conf_backend_settings(const struct conf *conf, const struct conf_backend *backend,
					       const struct popgate_key *keys, struct conf_report *report)
{
	struct conf_reader reader = {conf->source, conf->folder, report, false};
	struct conf_schema schema = {.keys = keys, .others = conf_backend_core};
	struct popgate_settings *settings;
	char *what;

	if (asprintf(&what, "backend `%s`", backend->name) < 0) {
		conf_reader_no_memory(&reader);
		return NULL;
	}
	schema.what = what;
	settings = conf_keys_read(&reader, backend->section, &schema);
	free(what);
	return settings;
}

static bool is_complete(const struct conf_backend *backend)
{
	return backend->name != NULL && backend->plugin != NULL && backend->file != NULL; /* fanalyzer: conf_free */
}

static struct conf *section_new(const char *source, const char *name, const char *plugin)
{
	struct conf *conf = conf_tree_new(source);
	struct conf_backend *backend;

	if (conf == NULL || (conf->backends = backend = calloc(1, sizeof(*backend))) == NULL) {
		conf_free(&conf);
		return NULL;
	}
	conf->backend_count = 1;
	backend->name = strdup(name);
	backend->plugin = strdup(plugin);
	backend->file = strdup(source);
	if (!is_complete(backend)) /* fanalyzer: conf_free gives it back */
		conf_free(&conf);
	return conf;
}

struct conf *conf_read_section(const char *path, const char *name, const char *plugin, struct conf_report *report)
{
	struct conf *conf = section_new(path == NULL ? "no settings" : path, name, plugin);
	struct conf_reader reader = {path == NULL ? "no settings" : path, "/", report, false};

	if (conf == NULL) {
		conf_reader_no_memory(&reader);
		return NULL;
	}
	/* nothing stands in it yet: the defaults */
	conf_read_limits(&reader, config_root_setting((config_t *)conf->config), conf);
	if (path == NULL)
		conf->folder = strdup("/");
	if (path == NULL ? conf->folder == NULL : conf_tree_parse(conf, false, report) != 0) { /* fanalyzer: conf_free */
		conf_free(&conf);
		return NULL;
	}
	conf->backends[0].section = config_root_setting((config_t *)conf->config);
	return conf;
}
