/* plugin_test_data - checks of what a module exports and of configure(), beyond what the loader refuses: names, the
 * key table, instances. Never opens a drop. The check's own process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_keys.h"
#include "common/conf_words.h"
#include "common/text.h"
#include "session/plugin.h"
#include "session/plugin_test.h"
#include "session/plugin_test_check.h"

#define NAME_MAX_OCTETS 32
#define KEYS_MAX	1000 /* a table that does not end */
#define SMALL		"abcdefghijklmnopqrstuvwxyz0123456789"

static bool one_line(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	return *text != '\0' && text_is_utf8(text, strlen(text));
}

/* The loader has judged it already. */
static void module(struct plugin_test *test)
{
	(void)test;
}

static void names(struct plugin_test *test)
{
	const struct popgate_plugin *plugin = test->plugin;
	size_t size = strlen(plugin->name);

	if (size == 0 || size > NAME_MAX_OCTETS || plugin->name[strspn(plugin->name, SMALL "-")] != '\0')
		plugin_test_fail(test, "expected a name of 1-32 octets of a-z 0-9 -, came `%s`", plugin->name);
	if (plugin->version == NULL || !one_line(plugin->version))
		plugin_test_fail(test, "expected a version of one line, came `%s`",
				 plugin->version == NULL ? "NULL" : plugin->version);
	if (plugin->summary == NULL || !one_line(plugin->summary))
		plugin_test_fail(test, "expected a summary of one line, came `%s`",
				 plugin->summary == NULL ? "NULL" : plugin->summary);
}

static void capabilities(struct plugin_test *test)
{
	unsigned unknown = test->plugin->capabilities & ~plugin_capabilities(test->plugin);

	if (unknown != 0)
		plugin_test_fail(test, "expected bits that ABI %u.%u knows, came 0x%x too", test->plugin->abi_major,
				 test->plugin->abi_minor, unknown);
}

/* ---- the key table ---- */

static void check_choices(const struct plugin_test *test, const struct popgate_key *key)
{
	if (key->type != POPGATE_KEY_CHOICE)
		return;
	if (key->choices == NULL || key->choices[0] == NULL)
		plugin_test_fail(test, "`%s`: expected choices, came none", key->name);
	for (size_t i = 0; key->choices[i] != NULL; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(key->choices[i], key->choices[j]) == 0)
				plugin_test_fail(test, "`%s`: expected each choice once, came \"%s\" twice", key->name,
						 key->choices[i]);
}

static void check_help(const struct plugin_test *test, const struct popgate_key *key)
{
	if (key->help == NULL || !one_line(key->help))
		plugin_test_fail(test, "`%s`: expected a help of one line, came `%s`", key->name,
				 key->help == NULL ? "NULL" : key->help);
	if (key->help[strlen(key->help) - 1] == '.')
		plugin_test_fail(test, "`%s`: expected a help without a final dot, came `%s`", key->name, key->help);
}

static void check_fallback(const struct plugin_test *test, const struct popgate_key *key)
{
	struct conf_report report = {0};
	bool secret = (key->flags & POPGATE_KEY_SECRET) != 0, fits;

	if (key->fallback == NULL)
		return;
	if ((key->flags & POPGATE_KEY_REQUIRED) != 0)
		plugin_test_fail(test, "`%s`: expected no default of a required key, came %s%s%s", key->name,
				 secret ? "" : "`", secret ? "one" : key->fallback, secret ? "" : "`");
	fits = conf_key_judge(key, &report) == 0;
	if (!fits && secret)
		plugin_test_fail(test, "`%s`: expected a default that fits its key, came another", key->name);
	if (!fits)
		plugin_test_fail(test, "expected a default that fits its key, came: %s",
				 report.first == NULL ? "out of memory" : report.first->text);
}

static void check_key(const struct plugin_test *test, const struct popgate_key *key)
{
	if (*key->name == '\0' || key->name[strspn(key->name, SMALL "_")] != '\0')
		plugin_test_fail(test, "expected keys of a-z 0-9 _, came `%s`", key->name);
	if (strcmp(key->name, "name") == 0 || strcmp(key->name, "plugin") == 0)
		plugin_test_fail(test, "expected keys that popgate does not read itself, came `%s`", key->name);
	if (conf_words_takes(key->type) == NULL)
		plugin_test_fail(test, "`%s`: expected a type of the header, came %d", key->name, (int)key->type);
	if ((key->flags & ~(POPGATE_KEY_REQUIRED | POPGATE_KEY_SECRET)) != 0)
		plugin_test_fail(test, "`%s`: expected flags of the header, came 0x%x", key->name, key->flags);
	if (key->min > key->max)
		plugin_test_fail(test, "`%s`: expected a range, came from %lld to %lld", key->name, (long long)key->min,
				 (long long)key->max);
	check_choices(test, key);
	check_help(test, key);
	check_fallback(test, key);
}

static void settings(struct plugin_test *test)
{
	const struct popgate_key *keys = test->plugin->keys;

	for (size_t i = 0; keys[i].name != NULL; i++) {
		if (i == KEYS_MAX)
			plugin_test_fail(test, "expected an end of the key table, came none");
		check_key(test, &keys[i]);
		for (size_t j = 0; j < i; j++)
			if (strcmp(keys[i].name, keys[j].name) == 0)
				plugin_test_fail(test, "expected each key once, came `%s` twice", keys[i].name);
	}
}

/* ---- instances ---- */

static void configure(struct plugin_test *test)
{
	(void)plugin_test_configure(test);
}

static void destroy(struct plugin_test *test, void *instance)
{
	test->child->call = "destroy";
	test->plugin->destroy(instance);
	test->child->call = NULL;
}

static void destroy_nothing(struct plugin_test *test)
{
	destroy(test, NULL);
}

static void destroy_instance(struct plugin_test *test)
{
	size_t after;

	destroy(test, plugin_test_configure(test));
	after = plugin_test_descriptors();
	/* what libraries have opened for good is no leak; what is opened again is */
	destroy(test, plugin_test_configure(test));
	if (plugin_test_descriptors() > after)
		plugin_test_fail(test, "expected %zu descriptors after destroy, came %zu", after,
				 plugin_test_descriptors());
}

/* Each ends without the other, in either order. */
static void two_instances(struct plugin_test *test)
{
	void *first = plugin_test_configure(test), *second = plugin_test_configure(test);

	destroy(test, first);
	first = plugin_test_configure(test);
	destroy(test, first);
	destroy(test, second);
}

const struct plugin_check plugin_checks_data[] = {
    {.name = "module", .gives = STAGE_MODULE, .run = module},
    {.name = "names", .needs = STAGE_MODULE, .run = names},
    {.name = "capabilities", .needs = STAGE_MODULE, .run = capabilities},
    {.name = "settings", .needs = STAGE_MODULE, .run = settings},
    {.name = "destroy: nothing", .needs = STAGE_MODULE, .run = destroy_nothing},
    {.name = "configure", .needs = STAGE_MODULE, .gives = STAGE_CONFIGURED, .run = configure},
    {.name = "configure: two instances", .needs = STAGE_CONFIGURED, .run = two_instances},
    {.name = "destroy: an instance", .needs = STAGE_CONFIGURED, .run = destroy_instance},
    {.name = NULL},
};
