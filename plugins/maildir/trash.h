/* trash - the Maildir++ folder that removed messages go to. */
#ifndef MAILDIR_TRASH_H
#define MAILDIR_TRASH_H

#include <popgate/plugin.h>

struct trash {
	int fresh, cur; /* its new/ and cur/; -1: not open */
};

/* Opens the folder `name` of the Maildir `top`, and makes it where it lacks. 0, or -1 with PERM or TEMP. */
int trash_open(struct trash *trash, int top, const char *name, struct popgate_error *error);
void trash_close(struct trash *trash);
/* Renames a file without taking the place of another one. 0, or -1 with errno. */
int trash_rename(int from, const char *name, int to, const char *new_name);

#endif
