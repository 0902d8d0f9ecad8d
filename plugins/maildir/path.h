/* path - templates of paths, and what user names may make of them. Pure.
 *
 * %u is the whole user name, %n what stands before its last @ (all of it without one), %d what stands behind it, %%
 * a percent sign. The base of a template is its folders before the first that holds a %, or all but the last. */
#ifndef MAILDIR_PATH_H
#define MAILDIR_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_ROOM 1024u /* octets of a path below its base, with the NUL */

/* What is wrong with a template, for the administrator; NULL: nothing. */
const char *path_fault(const char *template);
/* Octets of the base of a template without fault; a / and what lies below it follow. */
size_t path_base(const char *template);
/* What is wrong with a name of a Maildir++ folder; NULL: nothing. */
const char *path_folder_fault(const char *folder);
/* The folder's name on the disk: .NAME, with . for each /. The name has no fault. */
void path_folder(const char *folder, char name_r[PATH_ROOM]);
/* Whether that name is this folder's; INBOX is no folder here. */
bool path_is_named(const char *folder, const char *name);
/* Fills in what follows the base. 0, or -1: this user name makes no path, because it is none, lacks a domain that is
 * asked for, or would lead elsewhere. */
int path_fill(const char *rest, const char *user, char path_r[PATH_ROOM]);

#endif
