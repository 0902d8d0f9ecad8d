/* plugin - loads backend modules and makes the configured instances of them.
 * The only place with dlopen. Spawner, `popgate session`, `popgate check`, `popgate plugins`, `popgate plugin-test`. */
#ifndef POPGATE_SESSION_PLUGIN_H
#define POPGATE_SESSION_PLUGIN_H

#include <stddef.h>
#include <sys/types.h>

#include <popgate/plugin.h>

#include "common/conf.h"
#include "common/sandbox.h"

/* A configured backend: conf.backends[i] is set.items[i]. */
struct plugin_backend {
	const struct popgate_plugin *plugin;
	struct popgate_settings *settings;
	void *instance;
};

struct plugin_set {
	struct plugin_backend *items;
	size_t count;
	struct sandbox_paths paths; /* what their sessions need */
};

/* Loads the module of each backend, checks the backend's section against its
 * key table and configures an instance. owner: who may own a module, beside root (root
 * itself, where modules are loaded before its privileges are dropped).
 * Returns 0, or -1 with every fault in report (and the set empty).
 * Modules stay loaded until the process ends. */
int plugin_load(struct plugin_set *set, const struct conf *conf, const struct popgate_host *host, uid_t owner,
		struct conf_report *report);
void plugin_unload(struct plugin_set *set);

/* Loads one module that no configuration names, and judges its data. directory NULL: the built-in one.
 * Returns what it exports, or NULL with a fault in report. */
const struct popgate_plugin *plugin_load_module(const char *directory, const char *name, uid_t owner,
						struct conf_report *report);

/* The capabilities that count: those that the plugin's version of the contract knows. */
unsigned plugin_capabilities(const struct popgate_plugin *plugin);
/* Those that hold for a drop that has just been opened. */
unsigned plugin_offers(const struct popgate_plugin *plugin, void *drop);

/* Those that say what open() of this backend can work with (POPGATE_TAKES_...). */
unsigned plugin_takes(const struct popgate_plugin *plugin, void *instance);

/* Loads what the C library would load at a session's first look for a host, when it is no longer allowed to: the
 * modules that /etc/nsswitch.conf names. */
void plugin_load_resolver(void);

#endif
