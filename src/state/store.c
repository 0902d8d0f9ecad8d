/* store - see store.h. A commit is on disk, directory and all, before it counts as done. A store comes into being
 * whole, under its name only then: what stands there and is none, or empty, was one, and is left as it is. */
#include "state/store.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/fault.h"
#include "common/text.h"
#include "state/database.h"
#include "state/seal.h"

#define LOOK	  20   /* milliseconds between two looks at a lock */
#define PAUSE	  1000 /* and between two tries to write */
#define TRIES	  4
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
	char directory[4000], path[4096], lock_path[4096];
};

#define WAYS                                                                                                           \
	"PRAGMA secure_delete = ON;"                                                                                   \
	"PRAGMA synchronous = EXTRA;"                                                                                  \
	"PRAGMA temp_store = MEMORY;"
#define WHAT "the token store"
/* How the next one is made is left to the operator: what is damaged may be all that there is of it. */
#define REMEDY                                                                                                         \
	"put a copy of it back, or move it away with " STORE_FILE "-journal, and have everybody log in anew by "       \
	"`popgate oauth login`"

static const struct database_kind tokens = {
    .file = STORE_FILE, .what = WHAT, .remedy = REMEDY, .schema = WAYS, .is_there = true};

static const char schema[] = WAYS "CREATE TABLE proof (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL);"
				  "CREATE TABLE tokens (provider TEXT NOT NULL, account TEXT NOT NULL, sealed BLOB "
				  "NOT NULL, PRIMARY KEY (provider, account)) WITHOUT ROWID;";

/* ---- errors ---- */

static int fail_damaged(const struct store *store, const char *how, struct popgate_error *error)
{
	return fault_set(error, POPGATE_PERM, WHAT " %.80s %s: " REMEDY, store->path, how);
}

static int fail(const struct store *store, struct popgate_error *error)
{
	/* an error of the language is one of the tables */
	if ((sqlite3_errcode(store->database.sqlite) & 0xff) == SQLITE_ERROR)
		return fail_damaged(store, "is damaged", error);
	return database_fail(&store->database, error);
}

static int fail_making(const struct store *store, const char *why, struct popgate_error *error)
{
	return fault_set(error, POPGATE_TEMP, WHAT " %.120s cannot be made: %.80s", store->path, why);
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

/* ---- the key ---- */

/* Whether a statement's first row has a text of this about that the key opens. 1: there is no row. -1: another key,
 * damage, or error has words. */
static int open_first(const struct store *store, sqlite3_stmt *statement, const struct about *about)
{
	const int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
	struct secret plain = {0};
	int result = -1;

	if (code == SQLITE_DONE)
		result = 1;
	else if (code == SQLITE_ROW && unseal(store, statement, about, &plain) == 0)
		result = 0;
	secret_clear(&plain);
	return result;
}

/* Whether the key opens any token: so a flipped bit in the proof shuts nobody out. */
static bool opens_a_token(const struct store *store)
{
	sqlite3_stmt *statement = database_prepare(&store->database, "SELECT sealed, provider, account FROM tokens");
	bool opened = false;

	while (!opened && statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		const char *provider = (const char *)sqlite3_column_text(statement, 1);
		const char *account = (const char *)sqlite3_column_text(statement, 2);
		const struct about about = about_row(provider == NULL ? "" : provider, account == NULL ? "" : account);
		struct secret plain = {0};

		opened = unseal(store, statement, &about, &plain) == 0;
		secret_clear(&plain);
	}
	sqlite3_finalize(statement);
	return opened;
}

/* The row that only the right key opens, of the time when the store was made. */
static enum store_state prove_key(const struct store *store, struct popgate_error *error)
{
	const struct about about = about_row("", "");
	sqlite3_stmt *statement = database_prepare(&store->database, "SELECT sealed FROM proof WHERE one = 1");
	const int result = open_first(store, statement, &about);
	const int code = sqlite3_errcode(store->database.sqlite) & 0xff;

	if (result < 0 && code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE)
		(void)fail(store, error);
	else if (result == 0 || opens_a_token(store)) {
		sqlite3_finalize(statement);
		return STORE_GOOD;
	} else if (result > 0)
		(void)fail_damaged(store, "lacks its proof of the key", error);
	else {
		(void)fault_set(error, POPGATE_PERM,
				"the token key is not the one that %.80s was encrypted with: put the old key back, or "
				"move the store away and have everybody log in anew",
				store->path);
		sqlite3_finalize(statement);
		return STORE_REFUSED;
	}
	sqlite3_finalize(statement);
	return STORE_USELESS;
}

/* ---- opening ---- */

/* The tables, and the proof. */
static int fill(struct store *store, const char *name, int patience, struct popgate_error *error)
{
	const struct database_kind kind = {.file = name, .what = WHAT, .remedy = REMEDY, .schema = schema};
	const struct about about = about_row("", "");
	sqlite3_stmt *statement = NULL;
	int result = database_open(&store->database, &kind, store->directory, patience, error);

	if (result == 0)
		statement = database_prepare(&store->database, "INSERT INTO proof (one, sealed) VALUES (1, ?)");
	if (result == 0 && (statement == NULL || bind_sealed(store, statement, 1, &about, PROOF, strlen(PROOF)) != 0 ||
			    sqlite3_step(statement) != SQLITE_DONE))
		result = fail_making(store, sqlite3_errmsg(store->database.sqlite), error);
	sqlite3_finalize(statement);
	database_close(&store->database);
	return result;
}

/* Gives it its name, if nobody else has made one meanwhile, for good. */
static int publish(const struct store *store, const char *path, struct popgate_error *error)
{
	const bool named = link(path, store->path) == 0 || errno == EEXIST;
	int folder = named ? open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int result = folder >= 0 && fsync(folder) == 0 ? 0 : fail_making(store, strerror(errno), error);

	if (folder >= 0)
		close(folder);
	return result;
}

static int make(struct store *store, int patience, struct popgate_error *error)
{
	char path[4200];
	int fd, result;

	/* SQLite would play it back into the new one */
	(void)snprintf(path, sizeof(path), "%s-journal", store->path);
	if (access(path, F_OK) == 0)
		return fail_damaged(store, "is missing, though its -journal is there", error);
	(void)snprintf(path, sizeof(path), "%s.XXXXXX", store->path);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return fail_making(store, strerror(errno), error);
	close(fd);
	result = fill(store, path + strlen(store->directory) + 1, patience, error);
	if (result == 0)
		result = publish(store, path, error);
	(void)unlink(path);
	return result;
}

/* What has its name, before SQLite touches it. */
static enum store_state judge_file(struct store *store, int patience, struct popgate_error *error)
{
	struct stat status;

	if (lstat(store->path, &status) != 0 && errno == ENOENT && make(store, patience, error) != 0)
		return STORE_USELESS;
	if (lstat(store->path, &status) != 0)
		(void)fault_set(error, POPGATE_TEMP, "the token store %.120s: %s", store->path, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		(void)fail_damaged(store, "is no file", error);
	else if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
		(void)fault_set(error, POPGATE_PERM,
				"the token store %.120s must be a file of the service's user that nobody else may use: "
				"chmod 600",
				store->path);
		return STORE_REFUSED;
	} else if (status.st_size == 0)
		(void)fail_damaged(store, "is empty", error);
	else
		return STORE_GOOD;
	return STORE_USELESS;
}

/* *store_r is the caller's to close, whatever the result. */
static enum store_state open_all(const char *directory, const struct secret *key, int patience, struct store **store_r,
				 struct popgate_error *error)
{
	struct store *store = *store_r = calloc(1, sizeof(*store));
	enum store_state state;

	if (store == NULL) {
		(void)fault_set(error, POPGATE_TEMP, "out of memory");
		return STORE_USELESS;
	}
	store->lock = -1;
	store->key = key;
	if (snprintf(store->directory, sizeof(store->directory), "%s", directory) >= (int)sizeof(store->directory)) {
		(void)fault_set(error, POPGATE_PERM, "state_directory: its path is too long");
		return STORE_REFUSED;
	}
	(void)snprintf(store->path, sizeof(store->path), "%s/" STORE_FILE, store->directory);
	(void)snprintf(store->lock_path, sizeof(store->lock_path), "%s/" STORE_LOCK_FILE, store->directory);
	state = judge_file(store, patience, error);
	if (state != STORE_GOOD)
		return state;
	if (database_open(&store->database, &tokens, directory, patience, error) != 0)
		return STORE_USELESS;
	return prove_key(store, error);
}

struct store *store_open(const char *directory, const struct secret *key, int patience, struct popgate_error *error)
{
	struct store *store;

	if (open_all(directory, key, patience, &store, error) != STORE_GOOD)
		store_close(&store);
	return store;
}

enum store_state store_judge(const char *directory, const struct secret *key, int patience, struct popgate_error *error)
{
	struct store *store;
	enum store_state state = open_all(directory, key, patience, &store, error);

	if (state == STORE_GOOD && store_look_through(store, error) != 0)
		state = STORE_USELESS;
	store_close(&store);
	return state;
}

int store_look_through(struct store *store, struct popgate_error *error)
{
	sqlite3_stmt *statement = database_prepare(&store->database, "PRAGMA quick_check(1)");
	const int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
	const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
	int result = 0;

	if (code != SQLITE_ROW)
		result = fail(store, error);
	else if (said == NULL || strcmp(said, "ok") != 0)
		result = fail_damaged(store, "is damaged", error);
	sqlite3_finalize(statement);
	return result;
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
		result = fail(store, error);
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
		result = fail(store, error);
	else if (token_write(token, &plain) != 0 ||
		 bind_sealed(store, statement, 3, &about, plain.data, plain.size) != 0)
		result = fault_set(error, POPGATE_TEMP, "the token cannot be encrypted: out of memory, or too long");
	else
		result = sqlite3_step(statement) == SQLITE_DONE ? 0 : fail(store, error);
	sqlite3_finalize(statement);
	secret_clear(&plain);
	return result;
}

int store_keep(struct store *store, const char *provider, const char *account, const struct token *token,
	       struct popgate_error *error)
{
	int result = store_put(store, provider, account, token, error);

	for (int tries = 1; result != 0 && tries < TRIES; tries++) {
		(void)poll(NULL, 0, PAUSE);
		result = store_put(store, provider, account, token, error);
	}
	return result;
}

int store_remove(struct store *store, const char *provider, const char *account, struct popgate_error *error)
{
	const struct about about = about_row(provider, account);
	sqlite3_stmt *statement = prepare_row(store, "DELETE FROM tokens WHERE provider = ? AND account = ?", &about);
	int result = statement != NULL && sqlite3_step(statement) == SQLITE_DONE ? 0 : fail(store, error);

	sqlite3_finalize(statement);
	if (result == 0 && sqlite3_changes(store->database.sqlite) == 0)
		return 1;
	return result;
}
