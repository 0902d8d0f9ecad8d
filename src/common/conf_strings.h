/* conf_strings - keys that hold several strings: key = "one"; or key = ( "one", "two" ); or with []. Internal to conf.
 */
#ifndef POPGATE_COMMON_CONF_STRINGS_H
#define POPGATE_COMMON_CONF_STRINGS_H

#include <stddef.h>

#include "common/conf_reader.h"

/* The strings of a key that may be absent, as libconfig has them: they live as long as the tree. *strings_r is the
 * caller's to free; NULL where there are none. 0, or -1 with a fault in the report. `what` names the section. */
int conf_strings(const struct conf_reader *reader, struct config_setting_t *group, const char *key, const char *what,
		 const char ***strings_r, size_t *count_r);

#endif
