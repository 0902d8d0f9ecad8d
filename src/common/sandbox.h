/* sandbox - what a process gives up for good once it has loaded what it needs: system calls (a
 * seccomp filter), files (Landlock) and, as root, the file system's root. Entered by each
 * process that the supervisor forks, and by `popgate session`.
 *
 * A call that a library may try for no harm fails with EPERM, EACCES or ENOSYS; one that nobody
 * but an intruder makes ends the process by SIGSYS, after a line in the log that has its number. */
#ifndef POPGATE_COMMON_SANDBOX_H
#define POPGATE_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/conf.h"
#include "common/process.h"

enum sandbox_role { SANDBOX_FRONT, SANDBOX_BROKER, SANDBOX_SPAWNER, SANDBOX_HELPER, SANDBOX_FETCHER };

/* A folder, and all below it, that sessions may use beside what every session needs. */
struct sandbox_path {
	char *path; /* absolute */
	bool write; /* make, change, rename and remove files there too */
};

struct sandbox_paths {
	struct sandbox_path *items;
	size_t count;
};

/* 0 or -1: no memory. */
int sandbox_paths_add(struct sandbox_paths *paths, const char *path, bool write);
void sandbox_paths_free(struct sandbox_paths *paths);

/* What this machine and this build have, as a line: "seccomp, Landlock ABI 6, chroot (as root)". */
void sandbox_describe(const struct conf *conf, const struct process_identity *identity, char *text, size_t size);
/* Where the configuration requires a sandbox and a part is missing: a fault in report. */
void sandbox_judge(const struct conf *conf, const struct process_identity *identity, struct conf_report *report);

/* The process's rights never grow again, by no program that it could start. Any process, at its beginning. */
void sandbox_begin(void);
/* Started as root: a root directory that is empty and can't be filled; not where the log is syslog, whose socket may
 * have to be found again. To be called before the change of user, when all files are open. 0, or -1 as for
 * sandbox_enter. */
int sandbox_leave_root(const struct conf *conf, const struct process_identity *identity);
/* Enters the role's sandbox; SANDBOX_SPAWNER is what its sessions inherit, because a filter for each
 * would cost every login; only that they don't fork is a limit of their own. `paths` (may be NULL) is for it, and
 * for SANDBOX_FETCHER, which resolves, connects and opens files as a session does, may have threads, but no children.
 * Returns 0, or -1 (logged): the configuration requires what failed. */
int sandbox_enter(enum sandbox_role role, const struct conf *conf, const struct sandbox_paths *paths);

#endif
