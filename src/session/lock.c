/* lock - see lock.h. The files stay, for making and removing one costs more than all
 * the rest; who opened one that has been removed meanwhile notices and tries the new one. */
#include "session/lock.h"

/* The plain functions: EVP looks for its implementation under locks on scattered
 * pages, each of which a session would copy. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fold.h"

#define FILES	  64u		    /* so that the kernel's list of each stays short */
#define PLACE_MAX (UINT64_MAX >> 2) /* an off_t, with room after it */

int lock_name(struct lock *lock, const char *directory, const char *backend, const char *user, const char *folder)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX context;
	int size;

	lock->fd = -1;
	SHA256_Init(&context);
	fold_into(&context, backend);
	fold_into(&context, user);
	fold_into(&context, folder);
	SHA256_Final(digest, &context);
	memcpy(&lock->place, digest, sizeof(lock->place));
	lock->place &= PLACE_MAX;
	size = snprintf(lock->path, sizeof(lock->path), "%s/%02u.lock", directory, digest[sizeof(lock->place)] % FILES);
	return size > 0 && (size_t)size < sizeof(lock->path) ? 0 : -1;
}

/* Whether the path still names the file that fd has open. */
static bool is_current(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
	       opened.st_ino == named.st_ino;
}

enum lock_result lock_try(struct lock *lock)
{
	struct flock octet = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)lock->place, .l_len = 1};

	for (int tries = 0; tries < 8; tries++) {
		int fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return LOCK_FAILED;
		if (fcntl(fd, F_OFD_SETLK, &octet) != 0) {
			int error = errno;

			close(fd);
			errno = error;
			return error == EAGAIN || error == EACCES ? LOCK_HELD : LOCK_FAILED;
		}
		if (is_current(fd, lock->path)) {
			(void)futimens(fd, NULL); /* or cleaners of folders may think that nobody needs it */
			lock->fd = fd;
			return LOCK_TAKEN;
		}
		close(fd);
	}
	return LOCK_HELD;
}

void lock_release(struct lock *lock)
{
	if (lock->fd < 0)
		return;
	close(lock->fd);
	lock->fd = -1;
}
