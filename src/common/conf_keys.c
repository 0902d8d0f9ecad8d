/* conf_keys - see conf_keys.h. No I/O. Runs where conf does.
 * A string that is empty, holds a control character or isn't UTF-8 is refused
 * here, for every key of every section. */
#include "common/conf_keys.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_near.h"
#include "common/conf_words.h"
#include "common/number.h"
#include "common/text.h"

#define SHOWN 64 /* octets of a value that a message repeats */

/* One key of one section being read. */
struct reading {
	const struct conf_reader *reader;
	const struct conf_schema *schema;
	const struct popgate_key *key;
	config_setting_t *setting; /* the key's, or the group's when it doesn't stand there */
	struct conf_value *value;
};

/* ---- faults ---------------------------------------------------------- */

/* "`port` in `listeners` " and a message. */
static int fault(const struct reading *reading, const char *message)
{
	const char *what = reading->schema->what;

	conf_reader_fault(reading->reader, reading->setting, "`%s`%s%s %s", reading->key->name, what ? " in " : "",
			  what ? what : "", message);
	return -1;
}

/* As fault; takes `message` from asprintf, and its result. */
static int fault_made(const struct reading *reading, int size, char *message)
{
	if (size < 0) {
		conf_reader_no_memory(reading->reader);
		return -1;
	}
	fault(reading, message);
	free(message);
	return -1;
}

static const char *standing(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_LIST:
		return "a list";
	case CONFIG_TYPE_ARRAY:
		return "an array";
	case CONFIG_TYPE_FLOAT:
		return "a fraction";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a number";
	}
	return "nothing";
}

static int mistyped(const struct reading *reading)
{
	char *message = NULL;
	int size =
	    asprintf(&message, "takes %s, not %s", conf_words_takes(reading->key->type), standing(reading->setting));

	return fault_made(reading, size, message);
}

/* ---- values ---------------------------------------------------------- */

static int store_number(const struct reading *reading, int64_t number)
{
	const struct popgate_key *key = reading->key;
	char range[96], *message = NULL;
	int size;

	if (!conf_words_bounded(key) || (number >= key->min && number <= key->max)) {
		reading->value->number = number;
		return 0;
	}
	conf_words_range(key, range, sizeof(range));
	size = asprintf(&message, "is %lld: it must be %s", (long long)number, range);
	return fault_made(reading, size, message);
}

static int check_string(const struct reading *reading, const char *string)
{
	size_t size = strlen(string);

	if (size == 0)
		return fault(reading, "is empty");
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)string[i] < 0x20 || string[i] == 0x7f)
			return fault(reading, "holds a control character");
	if (!text_is_utf8(string, size))
		return fault(reading, "is not UTF-8");
	return 0;
}

static int keep_string(const struct reading *reading, const char *string)
{
	if ((reading->value->string = strdup(string)) != NULL) /* fanalyzer: conf_settings_free gives it back */
		return 0;
	conf_reader_no_memory(reading->reader);
	return -1;
}

static int store_choice(const struct reading *reading, const char *string)
{
	struct conf_near near = {.word = string};
	char shown[SHOWN], *choices, *message = NULL;
	int size = -1;

	for (size_t i = 0; reading->key->choices[i] != NULL; i++) {
		if (strcmp(reading->key->choices[i], string) == 0)
			return keep_string(reading, string);
		conf_near_offer(&near, reading->key->choices[i]);
	}
	text_harmless(string, strlen(string), shown, sizeof(shown));
	if ((choices = conf_words_choices(reading->key->choices)) != NULL)
		size =
		    asprintf(&message, "is \"%s\": it must be %s%s%s%s", shown, choices,
			     near.best ? "; did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "");
	free(choices);
	return fault_made(reading, size, message);
}

static int store_string(const struct reading *reading, const char *string)
{
	if (check_string(reading, string) != 0)
		return -1;
	if (reading->key->type == POPGATE_KEY_CHOICE)
		return store_choice(reading, string);
	if (reading->key->type != POPGATE_KEY_FILE)
		return keep_string(reading, string);
	reading->value->string = conf_reader_absolute(reading->reader, string);
	return reading->value->string == NULL ? -1 : 0;
}

/* ---- where values come from ------------------------------------------ */

static int read_number(const struct reading *reading)
{
	int type = config_setting_type(reading->setting);

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
		return mistyped(reading);
	if (config_setting_get_hook(reading->setting) != NULL)
		return -1; /* beyond 64 bits, faulted already */
	return store_number(reading, config_setting_get_int64(reading->setting));
}

static int read_bool(const struct reading *reading)
{
	if (config_setting_type(reading->setting) != CONFIG_TYPE_BOOL)
		return mistyped(reading);
	reading->value->number = config_setting_get_bool(reading->setting) ? 1 : 0;
	return 0;
}

static int read_string(const struct reading *reading)
{
	if (config_setting_type(reading->setting) != CONFIG_TYPE_STRING)
		return mistyped(reading);
	return store_string(reading, config_setting_get_string(reading->setting));
}

static int read_given(const struct reading *reading)
{
	reading->value->given = true;
	switch (reading->key->type) {
	case POPGATE_KEY_STRING:
	case POPGATE_KEY_CHOICE:
	case POPGATE_KEY_FILE:
		return read_string(reading);
	case POPGATE_KEY_BOOL:
		return read_bool(reading);
	case POPGATE_KEY_INT:
	case POPGATE_KEY_SECONDS:
	case POPGATE_KEY_OCTETS:
		return read_number(reading);
	}
	return fault(reading, "has an unknown type in the plugin's table of keys");
}

static int fallback_number(const struct reading *reading)
{
	const char *text = reading->key->fallback;
	uint64_t value;
	int negative = *text == '-';

	if (number_parse(text + negative, strlen(text) - (size_t)negative, INT64_MAX, &value) != 0)
		return fault(reading, "has a default that is no number");
	return store_number(reading, negative ? -(int64_t)value : (int64_t)value);
}

/* A default that doesn't fit its own key is the plugin's fault, and told like any other. */
static int read_fallback(const struct reading *reading)
{
	switch (reading->key->type) {
	case POPGATE_KEY_STRING:
	case POPGATE_KEY_CHOICE:
	case POPGATE_KEY_FILE:
		return store_string(reading, reading->key->fallback);
	case POPGATE_KEY_BOOL:
		reading->value->number = strcmp(reading->key->fallback, "true") == 0;
		if (reading->value->number == 0 && strcmp(reading->key->fallback, "false") != 0)
			return fault(reading, "has a default that is neither true nor false");
		return 0;
	case POPGATE_KEY_INT:
	case POPGATE_KEY_SECONDS:
	case POPGATE_KEY_OCTETS:
		return fallback_number(reading);
	}
	return fault(reading, "has an unknown type in the plugin's table of keys");
}

static int read_key(const struct conf_reader *reader, config_setting_t *group, const struct conf_schema *schema,
		    const struct popgate_key *key, struct conf_value *value)
{
	struct reading reading = {reader, schema, key, group, value};
	config_setting_t *setting = group == NULL ? NULL : config_setting_get_member(group, key->name);

	if (setting != NULL) {
		reading.setting = setting;
		return read_given(&reading);
	}
	if ((key->flags & POPGATE_KEY_REQUIRED) != 0)
		return fault(&reading, "is missing");
	return key->fallback == NULL ? 0 : read_fallback(&reading);
}

/* ---- unknown keys ---------------------------------------------------- */

static bool known(const struct conf_schema *schema, const char *name)
{
	for (const struct popgate_key *key = schema->keys; key->name != NULL; key++)
		if (strcmp(key->name, name) == 0)
			return true;
	for (const char *const *other = schema->others; other != NULL && *other != NULL; other++)
		if (strcmp(*other, name) == 0)
			return true;
	return false;
}

/* "`a`, `b`, `c`" of all keys the section takes; NULL without memory. */
static char *list_keys(const struct conf_schema *schema)
{
	FILE *stream;
	char *list = NULL;
	size_t size;

	if ((stream = open_memstream(&list, &size)) == NULL)
		return NULL;
	for (const char *const *other = schema->others; other != NULL && *other != NULL; other++)
		fprintf(stream, "%s`%s`", other == schema->others ? "" : ", ", *other);
	for (const struct popgate_key *key = schema->keys; key->name != NULL; key++)
		fprintf(stream, "%s`%s`", key == schema->keys && schema->others == NULL ? "" : ", ", key->name);
	if (fclose(stream) == 0)
		return list;
	free(list);
	return NULL;
}

static void unknown(const struct conf_reader *reader, const config_setting_t *setting, const struct conf_schema *schema)
{
	struct conf_near near = {.word = config_setting_name(setting)};
	const char *in = schema->what == NULL ? "" : " in ", *what = schema->what == NULL ? "" : schema->what;
	char *keys;

	for (const char *const *other = schema->others; other != NULL && *other != NULL; other++)
		conf_near_offer(&near, *other);
	for (const struct popgate_key *key = schema->keys; key->name != NULL; key++)
		conf_near_offer(&near, key->name);
	if (near.best != NULL) {
		conf_reader_fault(reader, setting, "unknown key `%.*s`%s%s: did you mean `%s`?", SHOWN, near.word, in,
				  what, near.best);
		return;
	}
	if ((keys = list_keys(schema)) == NULL)
		conf_reader_no_memory(reader);
	else
		conf_reader_fault(reader, setting, "unknown key `%.*s`%s%s: it takes %s", SHOWN, near.word, in, what,
				  keys);
	free(keys);
}

static int check_unknown(const struct conf_reader *reader, config_setting_t *group, const struct conf_schema *schema)
{
	int result = 0;

	for (int i = 0; !schema->open && group != NULL && i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);

		if (known(schema, config_setting_name(setting)))
			continue;
		unknown(reader, setting, schema);
		result = -1;
	}
	return result;
}

int conf_key_judge(const struct popgate_key *key, struct conf_report *report)
{
	const struct conf_reader reader = {.source = "the key table", .folder = "/", .report = report};
	const struct popgate_key table[] = {*key, {.name = NULL}};
	const struct conf_schema schema = {.keys = table};
	struct popgate_settings *settings = conf_settings_new(table);
	int result;

	if (settings == NULL) {
		conf_reader_no_memory(&reader);
		return -1;
	}
	result = key->fallback == NULL
		     ? 0
		     : read_fallback(&(struct reading){&reader, &schema, &table[0], NULL, settings->values});
	conf_settings_free(&settings);
	return result;
}

struct popgate_settings *conf_keys_read(const struct conf_reader *reader, struct config_setting_t *group,
					const struct conf_schema *schema)
{
	struct popgate_settings *settings = conf_settings_new(schema->keys);
	int result;

	if (settings == NULL) {
		conf_reader_no_memory(reader);
		return NULL;
	}
	result = check_unknown(reader, group, schema);
	for (size_t i = 0; schema->keys[i].name != NULL; i++)
		if (read_key(reader, group, schema, &schema->keys[i], &settings->values[i]) != 0)
			result = -1;
	if (result != 0)
		conf_settings_free(&settings);
	return settings;
}
