/* edit - changes in the text of an accounts file that leave all else as it was written. Pure.
 *
 * Each takes an edit, whose text holds a well-formed file, and replaces the text. 0; or -1 with *why_r, and the text as
 * it was (NULL: no memory). What is added has the line ends that the text begins with. Accounts and devices are named
 * by their position. */
#ifndef POPGATE_ACCOUNTS_EDIT_H
#define POPGATE_ACCOUNTS_EDIT_H

#include <stddef.h>

struct edit {
	char *text; /* allocated; a NUL follows */
	size_t size;
};

/* A string as libconfig reads it, with its quotes; the caller's to free, NULL: no memory. */
char *edit_quote(const char *string);

/* How many accounts there are. */
int edit_count(const struct edit *edit, size_t *count_r, const char **why_r);
/* value: as it is to stand there. An old one that has comments inside is not replaced. */
int edit_set(struct edit *edit, size_t account, const char *key, const char *value, const char **why_r);
/* That the key does not stand there is no fault. */
int edit_unset(struct edit *edit, size_t account, const char *key, const char **why_r);
/* group: its settings, each with its `;`, one behind the other; a `\n` between two begins a line. Or several groups
 * with their brackets and with commas between them, as they are to stand there. */
int edit_add_account(struct edit *edit, const char *group, const char **why_r);
int edit_remove_account(struct edit *edit, size_t account, const char **why_r);
int edit_add_device(struct edit *edit, size_t account, const char *group, const char **why_r);
/* Likewise a setting of a device. */
int edit_set_device(struct edit *edit, size_t account, size_t device, const char *key, const char *value,
		    const char **why_r);
int edit_remove_device(struct edit *edit, size_t account, size_t device, const char **why_r);

#endif
