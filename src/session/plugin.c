/* plugin - see plugin.h. A module's file and its exported data are judged
 * before any of its functions is called. */
#include "session/plugin.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_settings.h"
#include "session/plugin_asks.h"

#define PATH_OCTETS 4096

/* The capabilities that each version of the contract knows. */
#define CAPABILITIES_1_0 (POPGATE_CAN_PREFETCH | POPGATE_CAN_REFRESH)
#define CAPABILITIES_1_2 (CAPABILITIES_1_0 | POPGATE_EXACT_SIZE | POPGATE_STABLE_ID)
#define TAKES		 (POPGATE_TAKES_FOLDER | POPGATE_TAKES_TOKEN | POPGATE_TAKES_MASTER | POPGATE_TAKES_NONE)
#define CAPABILITIES_1_3 (CAPABILITIES_1_2 | TAKES)

/* What a fault refers to. */
struct place {
	const char *name; /* the module's */
	const char *file; /* where the configuration names it; NULL: nowhere */
	unsigned line;
	struct conf_report *report;
	char path[PATH_OCTETS];
};

#define FAULT(place, ...) conf_report_add((place)->report, (place)->file, (place)->line, __VA_ARGS__)

static int check_owner(const struct place *place, const char *path, const struct stat *status, uid_t owner)
{
	if (status->st_uid != 0 && status->st_uid != owner) {
		FAULT(place, "plugin %s: %s belongs to user %lu, who is neither root nor the service user: chown it",
		      place->name, path, (unsigned long)status->st_uid);
		return -1;
	}
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		FAULT(place, "plugin %s: %s can be written by its group or by others (mode %04o): chmod go-w it",
		      place->name, path, (unsigned)status->st_mode & 07777u);
		return -1;
	}
	return 0;
}

static int check_file(const struct place *place, const char *directory, uid_t owner)
{
	struct stat status;

	if (stat(directory, &status) != 0 || stat(place->path, &status) != 0) {
		FAULT(place, "plugin %s: no module %s (%s); the folder is plugin_directory or --plugin-dir",
		      place->name, place->path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(status.st_mode)) {
		FAULT(place, "plugin %s: %s is not a regular file", place->name, place->path);
		return -1;
	}
	if (check_owner(place, place->path, &status, owner) != 0 || stat(directory, &status) != 0)
		return -1;
	return check_owner(place, directory, &status, owner);
}

/* The functions that every plugin must have, and those its capabilities announce. */
static const char *missing_function(const struct popgate_plugin *plugin)
{
	const struct {
		bool there;
		const char *name;
	} functions[] = {
	    {plugin->configure != NULL, "configure"},
	    {plugin->destroy != NULL, "destroy"},
	    {plugin->open != NULL, "open"},
	    {plugin->list != NULL, "list"},
	    {plugin->fetch != NULL, "fetch"},
	    {plugin->commit != NULL, "commit"},
	    {plugin->close != NULL, "close"},
	    {plugin->prefetch != NULL || (plugin->capabilities & POPGATE_CAN_PREFETCH) == 0, "prefetch"},
	    {plugin->refresh != NULL || (plugin->capabilities & POPGATE_CAN_REFRESH) == 0, "refresh"},
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (!functions[i].there)
			return functions[i].name;
	return NULL;
}

/* What a module of that minor version must have at least. */
static size_t size_of_minor(unsigned minor)
{
	if (minor < 2)
		return offsetof(struct popgate_plugin, offers);
	return minor < 3 ? offsetof(struct popgate_plugin, takes) : sizeof(struct popgate_plugin);
}

/* Looks at data only. */
static int check_table(const struct place *place, const struct popgate_plugin *plugin)
{
	const char *missing;

	if (plugin->magic != POPGATE_PLUGIN_MAGIC) {
		FAULT(place,
		      "plugin %s: %s exports something else as `popgate_plugin`: rebuild it with popgate's header",
		      place->name, place->path);
		return -1;
	}
	if (plugin->abi_major != POPGATE_ABI_MAJOR || plugin->abi_minor > POPGATE_ABI_MINOR) {
		FAULT(place, "plugin %s: %s was built for plugin ABI %u.%u, this popgate has %u.%u: %s", place->name,
		      place->path, plugin->abi_major, plugin->abi_minor, POPGATE_ABI_MAJOR, POPGATE_ABI_MINOR,
		      plugin->abi_major > POPGATE_ABI_MAJOR || plugin->abi_minor > POPGATE_ABI_MINOR
			  ? "upgrade popgate, or rebuild the plugin with its header"
			  : "rebuild the plugin");
		return -1;
	}
	if (plugin->size < size_of_minor(plugin->abi_minor) || plugin->key_size != sizeof(struct popgate_key)) {
		FAULT(place,
		      "plugin %s: %s has structures of other sizes (%zu and %zu octets, not %zu and %zu): rebuild it",
		      place->name, place->path, plugin->size, plugin->key_size, size_of_minor(plugin->abi_minor),
		      sizeof(struct popgate_key));
		return -1;
	}
	if (plugin->name == NULL || strcmp(plugin->name, place->name) != 0 || plugin->keys == NULL) {
		FAULT(place, "plugin %s: %s calls itself %s or has no key table", place->name, place->path,
		      plugin->name == NULL ? "nothing" : plugin->name);
		return -1;
	}
	missing = missing_function(plugin);
	if (missing != NULL) {
		FAULT(place, "plugin %s: %s lacks the function %s", place->name, place->path, missing);
		return -1;
	}
	return 0;
}

static const struct popgate_plugin *load_module(const struct place *place, const char *directory, uid_t owner)
{
	const struct popgate_plugin *plugin;
	void *module;

	if (check_file(place, directory, owner) != 0)
		return NULL;
	module = dlopen(place->path, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL) {
		FAULT(place, "plugin %s: cannot be loaded: %s", place->name, dlerror());
		return NULL;
	}
	plugin = dlsym(module, "popgate_plugin");
	if (plugin == NULL)
		FAULT(place, "plugin %s: %s exports no `popgate_plugin`: it is not a popgate plugin", place->name,
		      place->path);
	return plugin != NULL && check_table(place, plugin) == 0 ? plugin : NULL;
}

static const struct popgate_plugin *load_named(struct place *place, const char *directory, uid_t owner)
{
	int size = snprintf(place->path, sizeof(place->path), "%s/%s.so", directory, place->name);

	if (size < 0 || (size_t)size >= sizeof(place->path)) {
		FAULT(place, "plugin %s: plugin_directory is too long", place->name);
		return NULL;
	}
	return load_module(place, directory, owner);
}

const struct popgate_plugin *plugin_load_module(const char *directory, const char *name, uid_t owner,
						struct conf_report *report)
{
	struct place place = {.name = name, .report = report};

	return load_named(&place, directory == NULL ? PLUGIN_DIRECTORY : directory, owner);
}

unsigned plugin_capabilities(const struct popgate_plugin *plugin)
{
	static const unsigned known[] = {CAPABILITIES_1_0, CAPABILITIES_1_0, CAPABILITIES_1_2, CAPABILITIES_1_3};

	return plugin->capabilities & known[plugin->abi_minor];
}

unsigned plugin_offers(const struct popgate_plugin *plugin, void *drop)
{
	unsigned capabilities = plugin_capabilities(plugin);

	return plugin->abi_minor < 2 || plugin->offers == NULL ? capabilities : capabilities & plugin->offers(drop);
}

unsigned plugin_takes(const struct popgate_plugin *plugin, void *instance)
{
	unsigned takes = plugin_capabilities(plugin) & TAKES;

	return plugin->abi_minor < 3 || plugin->takes == NULL ? takes : takes & plugin->takes(instance);
}

static int load_backend(struct plugin_backend *item, const struct conf *conf, const struct conf_backend *backend,
			struct sandbox_paths *paths, const struct popgate_host *host, uid_t owner,
			struct conf_report *report)
{
	const char *directory = conf->plugin_directory == NULL ? PLUGIN_DIRECTORY : conf->plugin_directory;
	struct place place = {.name = backend->plugin, .file = backend->file, .line = backend->line, .report = report};
	struct popgate_error error = {.status = POPGATE_PERM};

	item->plugin = load_named(&place, directory, owner);
	if (item->plugin == NULL)
		return -1;
	item->settings = conf_backend_settings(conf, backend, item->plugin->keys, report);
	if (item->settings == NULL)
		return -1;
	item->settings->paths = paths;
	if (item->plugin->configure(host, item->settings, &item->instance, &error) != 0) {
		error.text[sizeof(error.text) - 1] = '\0';
		FAULT(&place, "backend %s: %s", backend->name, error.text);
		return -1;
	}
	return 0;
}

int plugin_load(struct plugin_set *set, const struct conf *conf, const struct popgate_host *host, uid_t owner,
		struct conf_report *report)
{
	int result = 0;

	memset(set, 0, sizeof(*set));
	set->items = calloc(conf->backend_count, sizeof(*set->items));
	if (set->items == NULL) {
		conf_report_add(report, conf->source, 0, "out of memory");
		return -1;
	}
	set->count = conf->backend_count;
	for (size_t i = 0; i < set->count; i++)
		if (load_backend(&set->items[i], conf, &conf->backends[i], &set->paths, host, owner, report) != 0)
			result = -1;
	if (result == 0) {
		size_t before = report->count;

		plugin_judge_routes(set, conf, report);
		result = report->count == before ? 0 : -1;
	}
	if (result != 0)
		plugin_unload(set);
	return result;
}

void plugin_unload(struct plugin_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->items[i].instance != NULL)
			set->items[i].plugin->destroy(set->items[i].instance);
		conf_settings_free(&set->items[i].settings);
	}
	free(set->items);
	set->items = NULL;
	set->count = 0;
	sandbox_paths_free(&set->paths);
}

/* ---- the resolver's modules ---- */

/* A module stays loaded, and the C library finds it by its name; what it has built in is no module. */
static void load_service(const char *name)
{
	char file[64];

	for (const char *at = name; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && *at != '_')
			return; /* "[NOTFOUND=return]" */
	if (snprintf(file, sizeof(file), "libnss_%s.so.2", name) < (int)sizeof(file))
		(void)dlopen(file, RTLD_NOW | RTLD_LOCAL);
}

static void load_services(char *line)
{
	char *rest = line, *word;

	line[strcspn(line, "#\n")] = '\0';
	while ((word = strsep(&rest, " \t")) != NULL)
		if (*word != '\0')
			load_service(word);
}

void plugin_load_resolver(void)
{
	FILE *file = fopen("/etc/nsswitch.conf", "re");
	char line[512];

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "hosts:", 6) == 0)
			load_services(line + 6);
	fclose(file);
}
