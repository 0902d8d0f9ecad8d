/* conf_keys - checks one group of the file against a table of typed keys and
 * yields its values. The same for the core's sections and the plugins'. */
#ifndef POPGATE_COMMON_CONF_KEYS_H
#define POPGATE_COMMON_CONF_KEYS_H

#include <stdbool.h>

#include "common/conf_reader.h"
#include "common/conf_settings.h"

struct conf_schema {
	const char *what;		/* how messages name the section: "`limits`"; NULL: the file's top level */
	const struct popgate_key *keys; /* ends with name NULL */
	const char *const *others;	/* keys that somebody else reads, ends with NULL; NULL: none */
	bool open;			/* any other key is somebody else's */
};

/* Reads a group; NULL stands for an empty one. Every fault of the section is
 * reported. Returns the values, or NULL with at least one fault. */
struct popgate_settings *conf_keys_read(const struct conf_reader *reader, struct config_setting_t *group,
					const struct conf_schema *schema);
/* Whether a key's default fits the key itself (whose choices are there). 0, or -1 with a fault in report. */
int conf_key_judge(const struct popgate_key *key, struct conf_report *report);

#endif
