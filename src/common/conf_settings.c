/* conf_settings - see conf_settings.h. Pure, supervisor and spawner.
 * An accessor that is asked for a key the table lacks, or by the wrong type,
 * aborts: that is a fault of the program, which no input can bring about. */
#include "common/conf_settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf.h"

enum kind { TEXT, NUMBER, TRUTH };

static enum kind kind_of(enum popgate_key_type type)
{
	switch (type) {
	case POPGATE_KEY_STRING:
	case POPGATE_KEY_CHOICE:
	case POPGATE_KEY_FILE:
		return TEXT;
	case POPGATE_KEY_INT:
	case POPGATE_KEY_SECONDS:
	case POPGATE_KEY_OCTETS:
		return NUMBER;
	case POPGATE_KEY_BOOL:
		return TRUTH;
	}
	abort();
}

static size_t position(const struct popgate_settings *settings, const char *key)
{
	for (size_t i = 0; settings->keys[i].name != NULL; i++)
		if (strcmp(settings->keys[i].name, key) == 0)
			return i;
	abort();
}

static size_t position_of_kind(const struct popgate_settings *settings, const char *key, enum kind kind)
{
	size_t i = position(settings, key);

	if (kind_of(settings->keys[i].type) != kind)
		abort();
	return i;
}

size_t conf_settings_count(const struct popgate_key *keys)
{
	size_t count = 0;

	while (keys[count].name != NULL)
		count++;
	return count;
}

struct popgate_settings *conf_settings_new(const struct popgate_key *keys)
{
	struct popgate_settings *settings;

	settings = calloc(1, sizeof(*settings) + conf_settings_count(keys) * sizeof(settings->values[0]));
	if (settings != NULL)
		settings->keys = keys;
	return settings;
}

void conf_settings_free(struct popgate_settings **settings)
{
	if (*settings == NULL)
		return;
	for (size_t i = 0; (*settings)->keys[i].name != NULL; i++)
		free((*settings)->values[i].string);
	free(*settings);
	*settings = NULL;
}

bool conf_settings_given(const struct popgate_settings *settings, const char *key)
{
	return settings->values[position(settings, key)].given;
}

char *conf_settings_take(struct popgate_settings *settings, const char *key)
{
	struct conf_value *value = &settings->values[position_of_kind(settings, key, TEXT)];
	char *string = value->string;

	value->string = NULL;
	return string;
}

unsigned conf_settings_choice(const struct popgate_settings *settings, const char *key)
{
	size_t i = position_of_kind(settings, key, TEXT);
	const char *const *choices = settings->keys[i].choices;

	for (unsigned choice = 0; settings->values[i].string != NULL && choices[choice] != NULL; choice++)
		if (strcmp(choices[choice], settings->values[i].string) == 0)
			return choice;
	abort();
}

const char *conf_setting_string(const struct popgate_settings *settings, const char *key)
{
	return settings->values[position_of_kind(settings, key, TEXT)].string;
}

int64_t conf_setting_int(const struct popgate_settings *settings, const char *key)
{
	return settings->values[position_of_kind(settings, key, NUMBER)].number;
}

int conf_setting_bool(const struct popgate_settings *settings, const char *key)
{
	return settings->values[position_of_kind(settings, key, TRUTH)].number != 0;
}
