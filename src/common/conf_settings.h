/* conf_settings - the checked values of one section, by its key table. Pure
 * (memory only). The public accessors are declared in conf.h. */
#ifndef POPGATE_COMMON_CONF_SETTINGS_H
#define POPGATE_COMMON_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <popgate/plugin.h>

struct conf_value {
	char *string;	/* STRING, CHOICE, FILE; NULL: unset */
	int64_t number; /* INT, SECONDS, OCTETS, BOOL; 0 when unset */
	bool given;	/* stands in the file; false: the default or unset */
};

struct sandbox_paths;

struct popgate_settings {
	struct sandbox_paths *paths;	/* what the plugin asks for beside them; NULL: nobody notes it */
	const struct popgate_key *keys; /* the table's owner keeps it alive */
	struct conf_value values[];	/* in the order of the table */
};

size_t conf_settings_count(const struct popgate_key *keys);
/* All values unset; NULL without memory. End with conf_settings_free. */
struct popgate_settings *conf_settings_new(const struct popgate_key *keys);
/* Whether the key stands in the file. A key that the table lacks aborts, here and below. */
bool conf_settings_given(const struct popgate_settings *settings, const char *key);
/* The string, which becomes the caller's to free; NULL when unset. */
char *conf_settings_take(struct popgate_settings *settings, const char *key);
/* The position of a CHOICE's value among its choices: these stand in the order of an enum. */
unsigned conf_settings_choice(const struct popgate_settings *settings, const char *key);

#endif
