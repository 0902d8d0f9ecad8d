/* lock - see lock.h. Files are removed by their holder; who opened one that has
 * been removed meanwhile notices and tries the new one. */
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
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_OCTETS 16 /* of the digest, in the file's name */

static void feed(SHA256_CTX *context, const char *part)
{
	char folded[256];
	size_t size = strlen(part) + 1; /* the NUL keeps the parts apart */

	for (size_t done = 0; done < size;) {
		size_t n = 0;

		for (; n < sizeof(folded) && done < size; n++, done++)
			folded[n] = part[done] >= 'A' && part[done] <= 'Z' ? (char)(part[done] + 32) : part[done];
		SHA256_Update(context, folded, n);
	}
}

int lock_name(struct lock *lock, const char *directory, const char *backend, const char *user, const char *folder)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char name[NAME_OCTETS * 2 + 1];
	SHA256_CTX context;
	int size;

	lock->fd = -1;
	SHA256_Init(&context);
	feed(&context, backend);
	feed(&context, user);
	feed(&context, folder);
	SHA256_Final(digest, &context);
	for (size_t i = 0; i < NAME_OCTETS; i++)
		snprintf(name + 2 * i, 3, "%02x", digest[i]);
	size = snprintf(lock->path, sizeof(lock->path), "%s/%s.lock", directory, name);
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
	for (int tries = 0; tries < 8; tries++) {
		int fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return LOCK_FAILED;
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			int error = errno;

			close(fd);
			errno = error;
			return error == EWOULDBLOCK ? LOCK_HELD : LOCK_FAILED;
		}
		if (is_current(fd, lock->path)) {
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
	if (is_current(lock->fd, lock->path)) /* else somebody removed it, and it may be another's now */
		(void)unlink(lock->path);
	close(lock->fd);
	lock->fd = -1;
}
