/* walk - see walk.h.
 *
 * Each component is opened in the one before it, so nothing that is renamed meanwhile leads elsewhere. A pipe or a
 * device is opened without waiting for its other side, and given back. Runs in session processes.
 */
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "name.h"

#define FOLDER (O_DIRECTORY | O_CLOEXEC)

static int close_failed(int fd, int reason)
{
	if (fd >= 0)
		close(fd);
	errno = reason;
	return -1;
}

int walk_into(int folder, const char *name, int flags)
{
	return openat(folder, name, flags | FOLDER | O_NOFOLLOW);
}

/* `size` octets of the path that begins at `at`; closes `folder`. */
static int step(int folder, const char *at, size_t size, int flags)
{
	char name[NAME_ROOM];
	int next;

	if (size >= sizeof(name))
		return close_failed(folder, ENAMETOOLONG);
	memcpy(name, at, size);
	name[size] = '\0';
	next = walk_into(folder, name, flags);
	close_failed(folder, errno);
	return next;
}

/* The first `size` octets of `rest`. */
static int walk(const char *base, const char *rest, size_t size, int flags)
{
	int folder = open(base, O_PATH | FOLDER);

	for (size_t at = 0, part; at < size && folder >= 0; at += part + 1) {
		part = strcspn(rest + at, "/");
		if (part > 0)
			folder = step(folder, rest + at, part, at + part >= size ? flags : O_PATH);
	}
	return folder;
}

int walk_folder(const char *base, const char *rest, int flags)
{
	return walk(base, rest, strlen(rest), flags);
}

int walk_open_file(int folder, const char *name, struct stat *status_r)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0)
		return close_failed(fd, errno);
	if (!S_ISREG(status.st_mode))
		return close_failed(fd, EINVAL);
	if (status_r != NULL)
		*status_r = status;
	return fd;
}

int walk_sync(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : -1;
}

int walk_file(const char *base, const char *rest, struct stat *status_r)
{
	const char *name = strrchr(rest, '/');
	int folder = walk(base, rest, name == NULL ? 0 : (size_t)(name - rest), O_PATH), fd;

	if (folder < 0)
		return -1;
	fd = walk_open_file(folder, name == NULL ? rest : name + 1, status_r);
	close_failed(folder, errno);
	return fd;
}
