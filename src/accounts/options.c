/* options - see options.h. */
#include "accounts/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum id { ID_RELOAD = 256, ID_SCRAM, ID_DEVICE, ID_NO_PASSWORD, ID_UNSET, ID_TSV, ID_KEY };

static const struct {
	struct option option;
	unsigned takes;
} others[] = {
    {{"config", required_argument, NULL, 'c'}, 0},
    {{"help", no_argument, NULL, 'h'}, 0},
    {{"reload", no_argument, NULL, ID_RELOAD}, 0},
    {{"scram", no_argument, NULL, ID_SCRAM}, OPTIONS_SCRAM},
    {{"device", required_argument, NULL, ID_DEVICE}, OPTIONS_NEW},
    {{"no-password", no_argument, NULL, ID_NO_PASSWORD}, OPTIONS_NEW},
    {{"unset", required_argument, NULL, ID_UNSET}, OPTIONS_UNSET},
    {{"tsv", no_argument, NULL, ID_TSV}, OPTIONS_TSV},
};

#define OTHERS		(sizeof(others) / sizeof(others[0]))
#define KEYS_MAX	40
#define NAME_MAX_OCTETS 32

/* The options that a verb takes; those of keys have ids from ID_KEY. */
struct table {
	struct option options[OTHERS + KEYS_MAX + 1];
	size_t count;
	const char *keys[KEYS_MAX];
	size_t key_count;
	char names[KEYS_MAX][NAME_MAX_OCTETS];
};

/* ---- the table ---- */

static void swap_sign(char *text, char from, char to)
{
	for (; *text != '\0'; text++)
		if (*text == from)
			*text = to;
}

static void add_key(struct table *table, const char *key, int has_argument)
{
	char *name;

	if (table->key_count == KEYS_MAX || strlen(key) >= NAME_MAX_OCTETS)
		abort(); /* the table of keys has outgrown this one */
	name = table->names[table->key_count];
	memcpy(name, key, strlen(key) + 1);
	swap_sign(name, '_', '-');
	table->options[table->count++] = (struct option){name, has_argument, NULL, ID_KEY + (int)table->key_count};
	table->keys[table->key_count++] = key;
}

/* All but the user, who is named without an option, and devices, which have verbs of their own. A secret is no
 * argument, since others can see those. */
static void add_keys(struct table *table)
{
	for (const struct popgate_key *key = account_table_keys; key->name != NULL; key++)
		if (strcmp(key->name, "user") != 0)
			add_key(table, key->name,
				key->type == POPGATE_KEY_BOOL || (key->flags & POPGATE_KEY_SECRET) != 0
				    ? no_argument
				    : required_argument);
	for (const char *const *key = account_table_others; *key != NULL; key++)
		if (strcmp(*key, "devices") != 0)
			add_key(table, *key, required_argument);
}

static void fill(struct table *table, unsigned takes)
{
	for (size_t i = 0; i < OTHERS; i++)
		if (others[i].takes == 0 || (others[i].takes & takes) != 0)
			table->options[table->count++] = others[i].option;
	if ((takes & OPTIONS_KEYS) != 0)
		add_keys(table);
}

/* ---- reading ---- */

/* The key's name in the table, whichever signs are between its words; NULL: there is none that may be away. */
static const char *find_key(char *name)
{
	const struct popgate_key *known;

	swap_sign(name, '-', '_');
	known = account_table_key(name);
	if (known != NULL && (known->flags & POPGATE_KEY_REQUIRED) == 0)
		return known->name;
	for (const char *const *key = account_table_others; *key != NULL; key++)
		if (strcmp(*key, name) == 0)
			return *key;
	return NULL;
}

/* One that takes no list stands once: what comes last counts, as with any option. */
static void take_value(struct accounts_options *options, const char *key, const char *text, bool asks)
{
	size_t at = options->value_count;

	for (size_t i = 0; !account_table_lists(key) && i < options->value_count; i++)
		if (strcmp(options->values[i].key, key) == 0)
			at = i;
	options->values[at] = (struct account_value){key, asks ? NULL : text == NULL ? "true" : text};
	options->value_count += at == options->value_count ? 1 : 0;
}

static bool is_secret(const char *key)
{
	const struct popgate_key *known = account_table_key(key);

	return known != NULL && (known->flags & POPGATE_KEY_SECRET) != 0;
}

static int take(struct accounts_options *options, const struct table *table, int option)
{
	if (option >= ID_KEY) {
		const char *key = table->keys[option - ID_KEY];

		take_value(options, key, optarg, is_secret(key));
	} else if (option == ID_UNSET) {
		const char *key = find_key(optarg);

		options->unset[options->unset_count++] = key;
		if (key == NULL)
			options->why = "--unset takes a key of the account, and not `user`";
		return key == NULL ? -1 : 0;
	} else if (option == 'c') {
		options->file = optarg;
	} else if (option == ID_DEVICE) {
		options->device = optarg;
	} else if (option == 'h') {
		options->help = true;
	} else if (option == ID_RELOAD) {
		options->reload = true;
	} else if (option == ID_SCRAM) {
		options->scram = true;
	} else if (option == ID_TSV) {
		options->tsv = true;
	} else if (option == ID_NO_PASSWORD) {
		options->no_password = true;
	} else {
		return -1;
	}
	return 0;
}

int accounts_options_read(struct accounts_options *options, int argc, char **argv, unsigned takes)
{
	struct table table = {0};
	int option;

	options->values = calloc((size_t)argc + 1, sizeof(*options->values));
	options->unset = calloc((size_t)argc + 1, sizeof(*options->unset));
	options->value_count = options->unset_count = 0;
	if (options->values == NULL || options->unset == NULL)
		return -1;
	fill(&table, takes);
	optind = 0; /* from the start, and words are looked for anew */
	while ((option = getopt_long(argc, argv, "c:h", table.options, NULL)) != -1)
		if (take(options, &table, option) != 0)
			return -1;
	options->words = argv + optind;
	options->word_count = argc - optind;
	return 0;
}

void accounts_options_free(struct accounts_options *options)
{
	free(options->values);
	free(options->unset);
	options->values = NULL;
	options->unset = NULL;
	options->value_count = options->unset_count = 0;
}

bool accounts_options_have(const struct accounts_options *options, const char *key)
{
	for (size_t i = 0; i < options->value_count; i++)
		if (strcmp(options->values[i].key, key) == 0)
			return true;
	return false;
}
