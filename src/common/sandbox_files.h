/* sandbox_files - Landlock: which files this process and its children may still open. As much as the
 * kernel's version of it knows; blocks on the file system for a moment. */
#ifndef POPGATE_COMMON_SANDBOX_FILES_H
#define POPGATE_COMMON_SANDBOX_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum sandbox_access {
	SANDBOX_READ,  /* files and folders */
	SANDBOX_LOCKS, /* read, write and make plain files, none may be removed */
	SANDBOX_WRITE  /* everything with files and folders */
};

/* One rule: an absolute path, and all below it where that is a folder. What isn't there is passed over. */
struct sandbox_rule {
	const char *path;
	enum sandbox_access access;
};

/* The version of the kernel's Landlock; 0: none. */
int sandbox_files_version(void);
/* Allows these and no others; no TCP port may be bound, no process outside signalled, and without `connect`
 * no TCP connection made (by versions that know it). Returns 0, or -1 with errno. */
int sandbox_files_enter(const struct sandbox_rule *rules, size_t count, bool connect);

#endif
