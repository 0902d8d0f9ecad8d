/* plugin_list - see plugin_list.h. Each module is loaded and printed in a process of its own; none of its functions is
 * called. */
#include "session/plugin_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/conf_words.h"
#include "common/process.h"
#include "session/plugin.h"
#include "session/plugin_child.h"

#define WIDTH	    79
#define PATIENCE    10000 /* milliseconds to load a module */
#define LINE_INDENT 4
#define HELP_INDENT 8

struct wanted {
	const char *directory, *name;
};

/* ---- words ---- */

/* The capabilities, in the order of their bits. */
static const struct {
	unsigned bit;
	const char *words;
} abilities[] = {
    {POPGATE_CAN_PREFETCH, "reads ahead"},
    {POPGATE_CAN_REFRESH, "can be kept open between logins"},
    {POPGATE_EXACT_SIZE, "lists exact sizes"},
    {POPGATE_STABLE_ID, "ids survive a move to another server"},
    {POPGATE_TAKES_FOLDER, "takes folders from logins"},
    {POPGATE_TAKES_TOKEN, "takes OAuth tokens"},
    {POPGATE_TAKES_MASTER, "takes master users"},
    {POPGATE_TAKES_NONE, "leaves the proof of passwords to local accounts"},
};

/* Writes the text in lines of WIDTH columns; the first stands where the cursor is, at `column`. */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
	bool first = true;

	while (*text != '\0') {
		size_t blanks = strspn(text, " "), size = strcspn(text + blanks, " ");

		if (!first && column + 1 + size > WIDTH) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			putchar(' ');
			column++;
		}
		for (size_t i = 0; i < size; i++)
			putchar((unsigned char)text[blanks + i] < 0x20 || text[blanks + i] == 0x7f ? '?'
												   : text[blanks + i]);
		column += size;
		first = false;
		text += blanks + size;
	}
	putchar('\n');
}

static void print_line(size_t column, const char *text, size_t indent)
{
	printf("%*s", (int)column, "");
	print_wrapped(text, column, indent);
}

static void print_abilities(const struct popgate_plugin *plugin)
{
	unsigned capabilities = plugin_capabilities(plugin);
	char text[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++)
		if ((capabilities & abilities[i].bit) != 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used == 0 ? "" : ", ",
						 abilities[i].words);
	if (used > 0)
		print_line(2, text, LINE_INDENT);
}

/* ---- settings ---- */

static bool is_text(const struct popgate_key *key)
{
	return key->type == POPGATE_KEY_STRING || key->type == POPGATE_KEY_CHOICE || key->type == POPGATE_KEY_FILE;
}

/* "; default 3", which the caller frees; NULL without memory. */
static char *default_of(const struct popgate_key *key)
{
	const char *quote = is_text(key) ? "\"" : "";
	char *text;

	if (key->fallback == NULL)
		return strdup("");
	if ((key->flags & POPGATE_KEY_SECRET) != 0)
		return strdup("; has a default");
	return asprintf(&text, "; default %s%s%s", quote, key->fallback, quote) < 0 ? NULL : text;
}

static void print_key(const struct popgate_key *key)
{
	char *value = conf_words_value(key), *fallback = default_of(key), *line = NULL;
	int size = -1;

	if (value != NULL && fallback != NULL)
		size = asprintf(&line, "%s = %s%s%s%s", key->name, value,
				(key->flags & POPGATE_KEY_REQUIRED) != 0 ? ", required" : "",
				(key->flags & POPGATE_KEY_SECRET) != 0 ? ", secret" : "", fallback);
	if (size >= 0) {
		print_line(LINE_INDENT, line, HELP_INDENT);
		print_line(HELP_INDENT, key->help == NULL ? "" : key->help, HELP_INDENT);
		free(line);
	}
	free(fallback);
	free(value);
}

static void print_plugin(const struct popgate_plugin *plugin)
{
	char *line;

	if (asprintf(&line, "%s %s, ABI %u.%u: %s", plugin->name, plugin->version == NULL ? "?" : plugin->version,
		     plugin->abi_major, plugin->abi_minor, plugin->summary == NULL ? "?" : plugin->summary) < 0)
		return;
	print_line(0, line, LINE_INDENT);
	free(line);
	print_abilities(plugin);
	if (plugin->keys[0].name == NULL)
		puts("  no settings");
	else
		puts("  settings:");
	for (const struct popgate_key *key = plugin->keys; key->name != NULL; key++)
		print_key(key);
}

/* ---- modules ---- */

static void describe(struct plugin_child *child, void *context)
{
	const struct wanted *wanted = context;
	struct conf_report report = {0};
	const struct popgate_plugin *plugin;

	child->call = "loading";
	/* whoever may load modules here: root before its privileges are gone, or the user himself */
	plugin = plugin_load_module(wanted->directory, wanted->name, geteuid(), &report);
	if (plugin == NULL)
		plugin_child_tell(child, PLUGIN_FAILED, "%s",
				  report.first == NULL ? "out of memory" : report.first->text);
	print_plugin(plugin);
}

static int list_one(const char *directory, const char *name)
{
	struct wanted wanted = {directory, name};
	struct plugin_child *child = plugin_child_run(describe, &wanted, PATIENCE);
	int result = PROCESS_EXIT_OK;

	if (child == NULL || child->verdict != PLUGIN_OK) {
		printf("%s: cannot be used\n  ", name);
		print_wrapped(child == NULL ? "out of memory" : child->text, 2, LINE_INDENT);
		result = PROCESS_EXIT_CONF;
	}
	plugin_child_free(&child);
	return result;
}

static int is_module(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);

	return entry->d_name[0] != '.' && size > 3 && strcmp(entry->d_name + size - 3, ".so") == 0;
}

static int list_all(const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_module, alphasort), result = PROCESS_EXIT_OK;

	if (count < 0) {
		fprintf(stderr, "popgate plugins: %s: %s\n", directory, strerror(errno));
		return PROCESS_EXIT_CONF;
	}
	if (count == 0)
		printf("no modules in %s\n", directory);
	for (int i = 0; i < count; i++) {
		int one;

		entries[i]->d_name[strlen(entries[i]->d_name) - 3] = '\0';
		if (i > 0)
			putchar('\n');
		one = list_one(directory, entries[i]->d_name);
		result = one == PROCESS_EXIT_OK ? result : one;
		free(entries[i]);
	}
	free(entries);
	return result;
}

int plugin_list_run(const char *directory, const char *name)
{
	if (directory == NULL)
		directory = PLUGIN_DIRECTORY;
	return name == NULL ? list_all(directory) : list_one(directory, name);
}
