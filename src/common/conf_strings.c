/* conf_strings - see conf_strings.h. No I/O. Runs where conf does. */
#include "common/conf_strings.h"

#include <libconfig.h>
#include <stdlib.h>

#define MOST 1000

static int read_one(const struct conf_reader *reader, config_setting_t *setting, const char *key, const char *what,
		    const char **string_r)
{
	const char *string =
	    config_setting_type(setting) == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;

	if (string == NULL || *string == '\0') {
		conf_reader_fault(reader, setting,
				  "`%s` in %s takes strings that are not empty: \"...\", or (\"...\", \"...\")", key,
				  what);
		return -1;
	}
	*string_r = string;
	return 0;
}

int conf_strings(const struct conf_reader *reader, struct config_setting_t *group, const char *key, const char *what,
		 const char ***strings_r, size_t *count_r)
{
	config_setting_t *setting = config_setting_get_member(group, key);
	const char **strings;
	size_t count;

	*strings_r = NULL;
	*count_r = 0;
	if (setting == NULL)
		return 0;
	count = config_setting_is_aggregate(setting) ? (size_t)config_setting_length(setting) : 1;
	if (count > MOST || config_setting_is_group(setting)) {
		conf_reader_fault(reader, setting, "`%s` in %s takes up to %d strings: (\"...\", \"...\")", key, what,
				  MOST);
		return -1;
	}
	strings = calloc(count + 1, sizeof(*strings));
	if (strings == NULL) {
		conf_reader_no_memory(reader);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		config_setting_t *one =
		    config_setting_is_aggregate(setting) ? config_setting_get_elem(setting, (unsigned)i) : setting;

		if (read_one(reader, one, key, what, &strings[i]) != 0) {
			free(strings);
			return -1;
		}
	}
	*strings_r = strings;
	*count_r = count;
	return 0;
}
