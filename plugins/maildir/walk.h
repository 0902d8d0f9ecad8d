/* walk - opens folders and files of users, without following a symbolic link.
 *
 * Each returns a descriptor, or -1 with errno; none blocks but on the disk. */
#ifndef MAILDIR_WALK_H
#define MAILDIR_WALK_H

#include <sys/stat.h>

/* The folder `rest` below the folder `base`, components with / between; flags: O_RDONLY or O_PATH. Links in the base,
 * which is an administrator's, are followed. */
int walk_folder(const char *base, const char *rest, int flags);
/* A folder in a folder. */
int walk_into(int folder, const char *name, int flags);
/* A regular file in a folder, to be read; *status_r, unless NULL, tells of it. What is no regular file: EINVAL. */
int walk_open_file(int folder, const char *name, struct stat *status_r);
/* Waits until it is on the disk. 0, also where a file system has nothing to say about that; or -1 with errno. */
int walk_sync(int fd);
/* The file whose path below the base is `rest`. */
int walk_file(const char *base, const char *rest, struct stat *status_r);

#endif
