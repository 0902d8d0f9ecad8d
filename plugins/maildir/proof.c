/* proof - see proof.h.
 *
 * Keeps no copy of a password, compares hashes in constant time, and tells the client nothing of why: no such user,
 * no such password and a disabled one are the same to it. Blocks for as long as the hash takes. Runs in a session
 * process.
 */
#include "proof.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "status.h"
#include "walk.h"

#define HASH_ROOM 512u

enum verdict { PROOF_YES, PROOF_NO, PROOF_MALFORMED, PROOF_FAILED };

/* Hashes the password in the manner of `hash`, and compares. */
static enum verdict try_hash(const struct popgate_credential *credential, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	enum verdict verdict = PROOF_FAILED;
	const char *made;

	if (data == NULL)
		return PROOF_FAILED;
	errno = 0;
	made = crypt_rn((const char *)credential->secret, hash, data, sizeof(*data));
	if (made != NULL) {
		size_t size = strlen(made);
		/* what is longer than the password is not compared: a password with NUL in it is none */
		int equal = size == strlen(hash) && CRYPTO_memcmp(made, hash, size) == 0 &&
			    strlen((const char *)credential->secret) == credential->secret_size;

		verdict = equal ? PROOF_YES : PROOF_NO;
	} else if (errno == ERANGE) {
		verdict = PROOF_NO; /* longer than any password that crypt takes */
	} else if (errno != ENOMEM) {
		verdict = PROOF_MALFORMED;
	}
	explicit_bzero(data, sizeof(*data));
	free(data);
	return verdict;
}

/* Costs what a password costs. */
static int refuse(const struct maildir_conf *conf, const struct popgate_credential *credential,
		  struct popgate_error *error, const char *why)
{
	if (try_hash(credential, conf->dummy) == PROOF_FAILED)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	return status_fail(error, POPGATE_AUTH, "%s", why);
}

static int check_file(const struct stat *status, const char *path, struct popgate_error *error)
{
	if ((status->st_mode & 077) == 0)
		return 0;
	return status_fail(error, POPGATE_PERM, "others may read %.150s: chmod 600 it", path);
}

/* The one line of the file; empty: there is none. */
static int read_hash(int fd, char hash_r[HASH_ROOM])
{
	ssize_t got = read(fd, hash_r, HASH_ROOM - 1);
	size_t size;

	if (got < 0)
		return -1;
	hash_r[got] = '\0';
	size = strcspn(hash_r, "\r\n");
	if (strspn(hash_r + size, "\r\n") != (size_t)got - size || size == HASH_ROOM - 1)
		size = 0;
	hash_r[size] = '\0';
	return 0;
}

static int prove(const struct maildir_conf *conf, const struct popgate_credential *credential, const char *hash,
		 struct popgate_error *error)
{
	if (hash[0] == '\0' || hash[0] == '*' || hash[0] == '!')
		return refuse(conf, credential, error, "the password is disabled");
	switch (try_hash(credential, hash)) {
	case PROOF_YES:
		return 0;
	case PROOF_NO:
		return status_fail(error, POPGATE_AUTH, "wrong password");
	case PROOF_MALFORMED:
		return refuse(conf, credential, error, "the password's hash is malformed");
	case PROOF_FAILED:
		break;
	}
	return status_fail(error, POPGATE_TEMP, "out of memory");
}

/* Who is not there, unless nobody is: without the folder of all users the passwords are only away. */
static int refuse_stranger(const struct maildir_conf *conf, const struct popgate_credential *credential,
			   struct popgate_error *error)
{
	int folder = walk_folder(conf->passwords.base, "", O_PATH);

	if (folder < 0)
		return status_errno(error, conf->passwords.base);
	close(folder);
	return refuse(conf, credential, error, "no such user");
}

int proof_check(const struct maildir_conf *conf, struct popgate_session *session, const char *user, struct stat *file_r,
		struct popgate_error *error)
{
	char path[PATH_ROOM], hash[HASH_ROOM];
	struct popgate_credential credential;
	int fd, result;

	if (conf->host->credential(session, &credential, error) != 0)
		return -1;
	if (conf->passwords.base == NULL)
		return refuse(conf, &credential, error,
			      "there is no password_file, and no account has proved the user");
	if (path_fill(conf->passwords.rest, user, path) != 0)
		return refuse(conf, &credential, error, "no user can have this name");
	fd = walk_file(conf->passwords.base, path, file_r);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG))
		return refuse_stranger(conf, &credential, error);
	if (fd < 0)
		return status_errno(error, path);
	result = check_file(file_r, path, error);
	if (result == 0 && read_hash(fd, hash) != 0)
		result = status_errno(error, path);
	close(fd);
	if (result == 0)
		result = prove(conf, &credential, hash, error);
	explicit_bzero(hash, sizeof(hash));
	return result;
}

/* Whatever changes a file changes its time of change. */
bool proof_lasts(const struct maildir_conf *conf, const char *user, const struct stat *file)
{
	char path[PATH_ROOM];
	struct stat now;
	int fd = path_fill(conf->passwords.rest, user, path) == 0 ? walk_file(conf->passwords.base, path, &now) : -1;

	if (fd < 0)
		return false;
	close(fd);
	return now.st_dev == file->st_dev && now.st_ino == file->st_ino && now.st_size == file->st_size &&
	       now.st_mode == file->st_mode && now.st_ctim.tv_sec == file->st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == file->st_ctim.tv_nsec;
}
