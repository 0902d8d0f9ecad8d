/* conf_folders - the key `folders`: which folders a login name may ask for. Internal to conf. */
#ifndef POPGATE_COMMON_CONF_FOLDERS_H
#define POPGATE_COMMON_CONF_FOLDERS_H

#include "common/conf_reader.h"

/* Reads it where it is; else the list is empty. 0, or -1 with a fault in the report. `what` names the section. */
int conf_folders_read(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		      struct conf_folders *folders_r);
/* Frees what it points to. */
void conf_folders_clear(struct conf_folders *folders);

#endif
