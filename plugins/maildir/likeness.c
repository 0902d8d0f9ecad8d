/* likeness - see likeness.h.
 *
 * What can't be read is like itself alone. Changes nothing, and blocks on the disk alone. Runs in a session process.
 */
#include "likeness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "walk.h"

#define BLOCK 65536u

/* All of the file. */
static bool feed(EVP_MD_CTX *context, int fd, char *block)
{
	ssize_t got;

	while ((got = read(fd, block, BLOCK)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || EVP_DigestUpdate(context, block, (size_t)got) != 1)
			return false;
	}
	return true;
}

static bool digest_file(int fd, unsigned char digest_r[LIKENESS_DIGEST])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	char *block = malloc(BLOCK);
	bool done = context != NULL && block != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    feed(context, fd, block) && EVP_DigestFinal_ex(context, digest_r, NULL) == 1;

	free(block);
	EVP_MD_CTX_free(context);
	return done;
}

int likeness_take(int folder, const char *name, struct likeness *likeness_r)
{
	struct likeness likeness = {.known = true};
	struct stat status;
	int fd;

	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	fd = walk_open_file(folder, name, &status);
	if (fd >= 0) {
		likeness.read = digest_file(fd, likeness.digest);
		close(fd);
	}
	likeness.device = status.st_dev;
	likeness.inode = status.st_ino;
	likeness.size = (uint64_t)status.st_size;
	*likeness_r = likeness;
	return 0;
}

bool likeness_same(const struct likeness *one, const struct likeness *other)
{
	if (!one->known || !other->known)
		return false;
	if (one->device == other->device && one->inode == other->inode)
		return true;
	return one->read && other->read && one->size == other->size &&
	       memcmp(one->digest, other->digest, LIKENESS_DIGEST) == 0;
}
