/* conf_source - where an upstream credential comes from, as routes and accounts write it. Internal to conf. */
#ifndef POPGATE_COMMON_CONF_SOURCE_H
#define POPGATE_COMMON_CONF_SOURCE_H

#include "common/conf_keys.h"

/* The keys of both; a table of a section that has them ends with these. */
#define CONF_SOURCE_KEYS                                                                                               \
	{"auth_user", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "who authenticates upstream and acts for the user"},    \
	    {"secret_file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "file with the password upstream"},                 \
	{                                                                                                              \
		"secret_credential", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL,                                          \
		    "systemd credential with the password upstream"                                                    \
	}
/* The key that is read beside the table. */
#define CONF_SOURCE_OTHER "secret_command"

/* The key that says so; NULL: none does, it is the client's own password. */
const char *conf_source_key(enum conf_source_kind kind);
/* Fills *source, which is all zero, with what the section says. 0, or -1 with a fault. `what` names the section. */
int conf_source_read(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		     struct popgate_settings *settings, struct conf_source *source);
/* Takes the string of the key that says so as the source, unless there is one already. 0, or -1 with a fault. */
int conf_source_take(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		     struct popgate_settings *settings, enum conf_source_kind kind, struct conf_source *source);

#endif
