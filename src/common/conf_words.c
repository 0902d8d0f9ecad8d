/* conf_words - see conf_words.h. No I/O. Runs where conf does, and in `popgate plugins`. */
#include "common/conf_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *conf_words_takes(enum popgate_key_type type)
{
	switch (type) {
	case POPGATE_KEY_STRING:
	case POPGATE_KEY_CHOICE:
	case POPGATE_KEY_FILE:
		return "a string";
	case POPGATE_KEY_BOOL:
		return "true or false";
	case POPGATE_KEY_INT:
	case POPGATE_KEY_SECONDS:
	case POPGATE_KEY_OCTETS:
		return "a number";
	}
	return NULL;
}

bool conf_words_bounded(const struct popgate_key *key)
{
	return key->min != 0 || key->max != 0;
}

static const char *unit(enum popgate_key_type type)
{
	if (type == POPGATE_KEY_SECONDS)
		return " seconds";
	return type == POPGATE_KEY_OCTETS ? " octets" : "";
}

void conf_words_range(const struct popgate_key *key, char *text, size_t size)
{
	const char *word = unit(key->type);

	if (conf_words_bounded(key))
		snprintf(text, size, "from %lld to %lld%s", (long long)key->min, (long long)key->max, word);
	else
		snprintf(text, size, "%s", *word == '\0' ? "" : word + 1);
}

char *conf_words_choices(const char *const *choices)
{
	char *list = strdup("");

	for (size_t i = 0; list != NULL && choices[i] != NULL; i++) {
		const char *between = i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ";
		char *longer;

		if (asprintf(&longer, "%s%s\"%s\"", list, between, choices[i]) < 0)
			longer = NULL;
		free(list);
		list = longer;
	}
	return list;
}

/* "a number", "a number of seconds", "a number from 1 to 600 seconds". */
static char *number(const struct popgate_key *key)
{
	char range[96], *text;

	conf_words_range(key, range, sizeof(range));
	if (asprintf(&text, "%s%s%s", conf_words_takes(key->type),
		     *range == '\0'	       ? ""
		     : conf_words_bounded(key) ? " "
					       : " of ",
		     range) < 0)
		return NULL;
	return text;
}

char *conf_words_value(const struct popgate_key *key)
{
	switch (key->type) {
	case POPGATE_KEY_STRING:
	case POPGATE_KEY_BOOL:
		return strdup(conf_words_takes(key->type));
	case POPGATE_KEY_FILE:
		return strdup("a path");
	case POPGATE_KEY_CHOICE:
		return key->choices == NULL ? strdup("one of no choices") : conf_words_choices(key->choices);
	case POPGATE_KEY_INT:
	case POPGATE_KEY_SECONDS:
	case POPGATE_KEY_OCTETS:
		return number(key);
	}
	return strdup("an unknown type");
}
