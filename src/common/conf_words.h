/* conf_words - a key of a section in words: the same for faults of a configuration
 * and for the list of a plugin's settings. Pure. */
#ifndef POPGATE_COMMON_CONF_WORDS_H
#define POPGATE_COMMON_CONF_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include <popgate/plugin.h>

/* What the key takes in the file: "a string", "a number", "true or false"; NULL: an unknown type. */
const char *conf_words_takes(enum popgate_key_type type);
/* Whether the key's numbers are bounded. */
bool conf_words_bounded(const struct popgate_key *key);
/* "from 1 to 600 seconds"; where they are not bounded the unit alone, or nothing. */
void conf_words_range(const struct popgate_key *key, char *text, size_t size);
/* "a", "b" or "c", for the caller to free; NULL without memory. */
char *conf_words_choices(const char *const *choices);
/* All of it: what may stand behind the key's `=`, for the caller to free; NULL without memory. */
char *conf_words_value(const struct popgate_key *key);

#endif
