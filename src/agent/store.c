/* store - see store.h. A commit is on disk, directory and all, before it counts as done. */
#include "agent/store.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/seal.h"
#include "common/deadline.h"
#include "common/fault.h"
#include "common/text.h"
#include "state/database.h"

#define LOOK	  20 /* milliseconds between two looks at a lock */
#define LONGEST	  1024
#define ABOUT_MAX (2 * LONGEST + 32)
#define PROOF	  "popgate tokens"
#define PLACE_MAX (UINT64_MAX >> 2) /* an off_t, with room after it */

/* What a sealed text belongs to. */
struct about {
	size_t size;
	char text[ABOUT_MAX];
};

struct store {
	struct database database;
	const struct secret *key;
	int lock; /* -1: not held */
	char lock_path[4096];
};

static const struct database_kind tokens = {
    .file = STORE_FILE,
    .what = "the token store",
    .remedy = "move it away, and have everybody log in anew by `popgate oauth login`",
    .schema = "PRAGMA secure_delete = ON;"
	      "PRAGMA synchronous = EXTRA;"
	      "PRAGMA temp_store = MEMORY;"
	      "CREATE TABLE IF NOT EXISTS proof (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL);"
	      "CREATE TABLE IF NOT EXISTS tokens (provider TEXT NOT NULL, account TEXT NOT NULL, sealed BLOB "
	      "NOT NULL, PRIMARY KEY (provider, account)) WITHOUT ROWID;",
};

static int fail_key(const struct store *store, struct popgate_error *error)
{
	return fault_set(error, POPGATE_PERM,
			 "the token key is not the one that %.120s was encrypted with: put the old key back, or move "
			 "the store away and have everybody log in anew",
			 store->database.path);
}

/* ---- names ---- */

static void add(struct about *about, const char *text)
{
	for (; *text != '\0' && about->size < sizeof(about->text) - 1; text++)
		about->text[about->size++] = text_lower(*text);
	about->text[about->size++] = '\0';
}

static struct about about_row(const char *provider, const char *account)
{
	struct about about = {0};

	add(&about, PROOF);
	add(&about, provider);
	add(&about, account);
	return about;
}

/* ---- statements ---- */

/* One of a row: provider and account are the first two parameters, both in small letters. */
static sqlite3_stmt *prepare_row(const struct store *store, const char *text, const struct about *about)
{
	sqlite3_stmt *statement = database_prepare(&store->database, text);
	const char *provider = about->text + sizeof(PROOF), *account = provider + strlen(provider) + 1;

	if (statement == NULL)
		return NULL;
	if (sqlite3_bind_text(statement, 1, provider, -1, SQLITE_TRANSIENT) == SQLITE_OK &&
	    sqlite3_bind_text(statement, 2, account, -1, SQLITE_TRANSIENT) == SQLITE_OK)
		return statement;
	sqlite3_finalize(statement);
	return NULL;
}

/* Opens what stands in a row's column 0. */
static int unseal(const struct store *store, sqlite3_stmt *statement, const struct about *about, struct secret *plain_r)
{
	const void *sealed = sqlite3_column_blob(statement, 0);

	return sealed == NULL ? -1
			      : seal_open(store->key, about->text, about->size, sealed,
					  (size_t)sqlite3_column_bytes(statement, 0), plain_r);
}

/* Binds a text, sealed, as a parameter. 0 or -1. */
static int bind_sealed(const struct store *store, sqlite3_stmt *statement, int parameter, const struct about *about,
		       const void *plain, size_t size)
{
	unsigned char *sealed = malloc(size + SEAL_MORE);
	int result = -1;

	if (sealed != NULL && seal_close(store->key, about->text, about->size, plain, size, sealed) == 0 &&
	    sqlite3_bind_blob(statement, parameter, sealed, (int)(size + SEAL_MORE), SQLITE_TRANSIENT) == SQLITE_OK)
		result = 0;
	free(sealed);
	return result;
}

/* ---- opening ---- */

/* 0: the key is the right one. 1: there is no proof yet. -1 */
static int try_key(const struct store *store, const struct about *about, struct popgate_error *error)
{
	sqlite3_stmt *statement = database_prepare(&store->database, "SELECT sealed FROM proof WHERE one = 1");
	const int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
	struct secret plain = {0};
	int result = 0;

	if (code == SQLITE_DONE)
		result = 1;
	else if (code != SQLITE_ROW)
		result = database_fail(&store->database, error);
	else if (unseal(store, statement, about, &plain) != 0 || !secret_equal(&plain, PROOF, strlen(PROOF)))
		result = fail_key(store, error);
	sqlite3_finalize(statement);
	secret_clear(&plain);
	return result;
}

/* A row that only the right key opens. Who makes the store writes it; of two who do one is first. */
static int prove_key(const struct store *store, struct popgate_error *error)
{
	const struct about about = about_row("", "");
	int result = try_key(store, &about, error);
	sqlite3_stmt *statement;

	if (result <= 0)
		return result;
	statement = database_prepare(&store->database, "INSERT OR IGNORE INTO proof (one, sealed) VALUES (1, ?)");
	result = statement != NULL && bind_sealed(store, statement, 1, &about, PROOF, strlen(PROOF)) == 0 &&
			 sqlite3_step(statement) == SQLITE_DONE
		     ? 0
		     : database_fail(&store->database, error);
	sqlite3_finalize(statement);
	return result == 0 ? try_key(store, &about, error) : -1;
}

struct store *store_open(const char *directory, const struct secret *key, int patience, struct popgate_error *error)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		(void)fault_set(error, POPGATE_TEMP, "out of memory");
		return NULL;
	}
	store->lock = -1;
	store->key = key;
	if (snprintf(store->lock_path, sizeof(store->lock_path), "%s/" STORE_LOCK_FILE, directory) >=
	    (int)sizeof(store->lock_path))
		(void)fault_set(error, POPGATE_PERM, "state_directory: its path is too long");
	else if (database_open(&store->database, &tokens, directory, patience, error) == 0 &&
		 prove_key(store, error) == 0)
		return store;
	store_close(&store);
	return NULL;
}

void store_close(struct store **store)
{
	struct store *old = *store;

	*store = NULL;
	if (old == NULL)
		return;
	store_unlock(old);
	database_close(&old->database);
	free(old);
}

/* ---- the lock ---- */

static int place_of(const struct about *about, uint64_t *place_r)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(about->text, about->size, digest, NULL, EVP_sha256(), NULL) != 1)
		return -1;
	memcpy(place_r, digest, sizeof(*place_r));
	*place_r &= PLACE_MAX;
	return 0;
}

int store_lock(struct store *store, const char *provider, const char *account, int64_t deadline,
	       struct popgate_error *error)
{
	const struct about about = about_row(provider, account);
	struct flock octet = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	uint64_t place;
	int fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || place_of(&about, &place) != 0) {
		if (fd >= 0)
			close(fd);
		return fault_set(error, POPGATE_TEMP, "%.150s: %s", store->lock_path, strerror(errno));
	}
	octet.l_start = (off_t)place;
	while (fcntl(fd, F_OFD_SETLK, &octet) != 0) {
		if ((errno == EAGAIN || errno == EACCES || errno == EINTR) && deadline_now() < deadline) {
			(void)poll(NULL, 0, LOOK);
			continue;
		}
		close(fd);
		return fault_set(error, POPGATE_TEMP, "another process asks for this token already, and takes long");
	}
	store->lock = fd;
	return 0;
}

void store_unlock(struct store *store)
{
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
}

/* ---- rows ---- */

int store_get(struct store *store, const char *provider, const char *account, struct token *token_r,
	      struct popgate_error *error)
{
	const struct about about = about_row(provider, account);
	sqlite3_stmt *statement =
	    prepare_row(store, "SELECT sealed FROM tokens WHERE provider = ? AND account = ?", &about);
	const int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
	struct secret plain = {0};
	int result = 0;

	if (code == SQLITE_DONE)
		result = 1;
	else if (code != SQLITE_ROW)
		result = database_fail(&store->database, error);
	else if (unseal(store, statement, &about, &plain) != 0 || token_read(&plain, token_r) != 0)
		result = fault_set(error, POPGATE_PERM,
				   "the stored token of %.60s is damaged: `popgate oauth login %.60s` gets a new one",
				   account, account);
	sqlite3_finalize(statement);
	secret_clear(&plain);
	return result;
}

int store_put(struct store *store, const char *provider, const char *account, const struct token *token,
	      struct popgate_error *error)
{
	const struct about about = about_row(provider, account);
	sqlite3_stmt *statement =
	    prepare_row(store, "INSERT OR REPLACE INTO tokens (provider, account, sealed) VALUES (?, ?, ?)", &about);
	struct secret plain = {0};
	int result = -1;

	if (statement == NULL)
		result = database_fail(&store->database, error);
	else if (token_write(token, &plain) != 0 ||
		 bind_sealed(store, statement, 3, &about, plain.data, plain.size) != 0)
		result = fault_set(error, POPGATE_TEMP, "the token cannot be encrypted: out of memory, or too long");
	else
		result = sqlite3_step(statement) == SQLITE_DONE ? 0 : database_fail(&store->database, error);
	sqlite3_finalize(statement);
	secret_clear(&plain);
	return result;
}

int store_remove(struct store *store, const char *provider, const char *account, struct popgate_error *error)
{
	const struct about about = about_row(provider, account);
	sqlite3_stmt *statement = prepare_row(store, "DELETE FROM tokens WHERE provider = ? AND account = ?", &about);
	int result =
	    statement != NULL && sqlite3_step(statement) == SQLITE_DONE ? 0 : database_fail(&store->database, error);

	sqlite3_finalize(statement);
	if (result == 0 && sqlite3_changes(store->database.sqlite) == 0)
		return 1;
	return result;
}
