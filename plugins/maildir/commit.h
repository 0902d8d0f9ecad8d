/* commit - removes what was DELEd, as the settings say. */
#ifndef MAILDIR_COMMIT_H
#define MAILDIR_COMMIT_H

#include "drop.h"

/* As popgate_plugin.commit. Errors: TEMP, PERM. */
int commit_messages(void *opaque, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		    struct popgate_error *error);

#endif
