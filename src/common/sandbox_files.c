/* sandbox_files - see sandbox_files.h. By raw system calls: the C library has no functions for them. */
#include "common/sandbox_files.h"

#include "config.h"

#ifdef HAVE_LINUX_LANDLOCK_H

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the header may be too old for; the kernel's version tells what it takes. */
#define ACCESS_REFER	 (UINT64_C(1) << 13)
#define ACCESS_TRUNCATE	 (UINT64_C(1) << 14)
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15)
#define NET_BIND_TCP	 (UINT64_C(1) << 0)
#define NET_CONNECT_TCP	 (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT	 (UINT64_C(1) << 0)
#define SCOPE_SIGNAL	 (UINT64_C(1) << 1)

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)
#define MAKING                                                                                                         \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                  \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | ACCESS_REFER)
/* Those that mean something for a file that is no folder. */
#define OF_A_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)

/* As the kernel has it; older ones take the beginning alone. */
struct attributes {
	uint64_t files, net, scope;
};

static long create_ruleset(const struct attributes *attributes, size_t size, uint32_t flags)
{
	return syscall(SYS_landlock_create_ruleset, attributes, size, flags);
}

int sandbox_files_version(void)
{
	long version = create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

/* Every right to files that this version can take away. */
static uint64_t all_rights(int version)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		rights |= ACCESS_REFER;
	if (version >= 3)
		rights |= ACCESS_TRUNCATE;
	if (version >= 5)
		rights |= ACCESS_IOCTL_DEV;
	return rights;
}

static uint64_t rights_of(enum sandbox_access access)
{
	switch (access) {
	case SANDBOX_READ:
		return READING;
	case SANDBOX_LOCKS:
		return READING | WRITING | LANDLOCK_ACCESS_FS_MAKE_REG;
	case SANDBOX_WRITE:
		return READING | WRITING | MAKING;
	}
	return 0;
}

static int add_rule(int ruleset, const struct sandbox_rule *rule, uint64_t known)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rights_of(rule->access) & known};
	struct stat status;
	int result = -1;

	beneath.parent_fd = open(rule->path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	if (fstat(beneath.parent_fd, &status) == 0) {
		if (!S_ISDIR(status.st_mode))
			beneath.allowed_access &= OF_A_FILE;
		result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	}
	close(beneath.parent_fd);
	return result;
}

int sandbox_files_enter(const struct sandbox_rule *rules, size_t count, bool connect)
{
	int version = sandbox_files_version(), result = 0, ruleset;
	struct attributes attributes = {.files = all_rights(version)};
	size_t size = sizeof(attributes.files);

	if (version >= 4) {
		attributes.net = NET_BIND_TCP | (connect ? 0 : NET_CONNECT_TCP);
		size += sizeof(attributes.net);
	}
	if (version >= 6) {
		attributes.scope = SCOPE_ABSTRACT | SCOPE_SIGNAL;
		size += sizeof(attributes.scope);
	}
	ruleset = (int)create_ruleset(&attributes, size, 0);
	if (ruleset < 0)
		return -1;
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_rule(ruleset, &rules[i], attributes.files);
	if (result == 0)
		result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return result;
}

#else

#include <errno.h>

int sandbox_files_version(void)
{
	return 0;
}

int sandbox_files_enter(const struct sandbox_rule *rules, size_t count, bool connect)
{
	(void)rules, (void)count, (void)connect;
	errno = ENOSYS;
	return -1;
}

#endif
