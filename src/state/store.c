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

#define LOOK	     20	  /* milliseconds between two looks at a lock */
#define PAUSE	     1000 /* and between two tries to write */
#define TRIES	     4
#define LONGEST	     1024
#define ABOUT_MAX    (2 * LONGEST + 32)
#define PROOF	     "popgate tokens"
#define PLACE_MAX    (UINT64_MAX >> 2) /* of an account; an off_t, with room after it */
#define PLACE_MAKING (PLACE_MAX + 1)
#define MAKING	     STORE_FILE ".making"

/* What a sealed text belongs to. */
struct about {
	size_t size;
	char text[ABOUT_MAX];
};

struct store {
	struct database database;
	const struct secret *key;
	int lock; /* -1: not held */
	char directory[4000], lock_path[4096];
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

static int fail(const struct store *store, struct popgate_error *error)
{
	/* an error of the language is one of the tables */
	if ((sqlite3_errcode(store->database.sqlite) & 0xff) == SQLITE_ERROR)
		return database_damaged(&store->database, "is damaged", error);
	return database_fail(&store->database, error);
}

static int fail_making(const struct store *store, const char *why, struct popgate_error *error)
{
	return fault_set(error, POPGATE_TEMP, WHAT " %.120s cannot be made: %.80s", store->database.path, why);
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
static enum database_state prove_key(const struct store *store, struct popgate_error *error)
{
	const struct about about = about_row("", "");
	sqlite3_stmt *statement = database_prepare(&store->database, "SELECT sealed FROM proof WHERE one = 1");
	const int result = open_first(store, statement, &about);
	const int code = sqlite3_errcode(store->database.sqlite) & 0xff;

	sqlite3_finalize(statement);
	if (result < 0 && code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
		(void)fail(store, error);
		return DATABASE_USELESS;
	}
	if (result == 0 || opens_a_token(store))
		return DATABASE_GOOD;
	if (result > 0) {
		(void)database_damaged(&store->database, "lacks its proof of the key", error);
		return DATABASE_USELESS;
	}
	(void)fault_set(error, POPGATE_PERM,
			"the token key is not the one that %.80s was encrypted with: put the old key back, or "
			"move the store away and have everybody log in anew",
			store->database.path);
	return DATABASE_REFUSED;
}

/* ---- locks ---- */

/* The lock on an octet of the file, until what is returned is closed. -1: TEMP, the deadline has passed, for somebody
 * `has` it; or another error. */
static int lock_octet(const struct store *store, uint64_t place, int64_t deadline, const char *has,
		      struct popgate_error *error)
{
	struct flock octet = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = 1};
	int fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return fault_set(error, POPGATE_TEMP, "%.150s: %s", store->lock_path, strerror(errno));
	while (fcntl(fd, F_OFD_SETLK, &octet) != 0) {
		if ((errno == EAGAIN || errno == EACCES || errno == EINTR) && deadline_now() < deadline) {
			(void)poll(NULL, 0, LOOK);
			continue;
		}
		close(fd);
		return fault_set(error, POPGATE_TEMP, "another process %s", has);
	}
	return fd;
}

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
	uint64_t place;

	if (place_of(&about, &place) != 0)
		return fault_set(error, POPGATE_TEMP, "out of memory");
	store->lock = lock_octet(store, place, deadline, "asks for this token already, and takes long", error);
	return store->lock < 0 ? -1 : 0;
}

void store_unlock(struct store *store)
{
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
}

/* ---- making ---- */

/* The tables, and the proof. */
static int fill(const struct store *store, int patience, struct popgate_error *error)
{
	static const struct database_kind kind = {.file = MAKING, .what = WHAT, .remedy = REMEDY, .schema = schema};
	const struct about about = about_row("", "");
	struct database database = {.kind = &kind};
	sqlite3_stmt *statement = NULL;
	int result = database_name(&database, &kind, store->directory, error);

	if (result == 0 && database_open(&database, patience, error) != DATABASE_GOOD)
		result = -1;
	if (result == 0)
		statement = database_prepare(&database, "INSERT INTO proof (one, sealed) VALUES (1, ?)");
	if (result == 0 && (statement == NULL || bind_sealed(store, statement, 1, &about, PROOF, strlen(PROOF)) != 0 ||
			    sqlite3_step(statement) != SQLITE_DONE))
		result = fail_making(store, sqlite3_errmsg(database.sqlite), error);
	sqlite3_finalize(statement);
	database_close(&database);
	return result;
}

/* Gives it its name, unless something has that. 0 or -1. */
static int give_name(const char *path, const char *name)
{
	if (renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EINVAL || errno == ENOSYS) /* the file system cannot do that */
		return link(path, name);
	return -1;
}

/* That for good. */
static int publish(const struct store *store, const char *path, struct popgate_error *error)
{
	const bool named = give_name(path, store->database.path) == 0 || errno == EEXIST;
	int folder = named ? open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int result = folder >= 0 && fsync(folder) == 0 ? 0 : fail_making(store, strerror(errno), error);

	if (folder >= 0)
		close(folder);
	return result;
}

/* Beside what is left of one that was never finished, by a process that has ended: nobody else is making one. */
static int make_alone(const struct store *store, int patience, struct popgate_error *error)
{
	char path[4200], journal[4300];
	int result;

	(void)snprintf(path, sizeof(path), "%s/" MAKING, store->directory);
	(void)snprintf(journal, sizeof(journal), "%s-journal", path);
	(void)unlink(journal);
	(void)unlink(path);
	result = fill(store, patience, error);
	if (result == 0)
		result = publish(store, path, error);
	(void)unlink(path);
	return result;
}

static bool is_missing(const char *path)
{
	struct stat status;

	return lstat(path, &status) != 0 && errno == ENOENT;
}

/* Makes it, if it is missing. */
static int make(const struct store *store, int patience, struct popgate_error *error)
{
	char journal[4200];
	int lock, result;

	if (!is_missing(store->database.path))
		return 0;
	lock = lock_octet(store, PLACE_MAKING, deadline_in(patience), "makes the token store already", error);
	if (lock < 0)
		return -1;
	(void)snprintf(journal, sizeof(journal), "%s-journal", store->database.path);
	if (!is_missing(store->database.path))
		result = 0;
	else if (!is_missing(journal)) /* SQLite would play it back into the new one */
		result = database_damaged(&store->database, "is missing, though its -journal is there", error);
	else
		result = make_alone(store, patience, error);
	close(lock);
	return result;
}

/* ---- opening ---- */

/* *store_r is the caller's to close, whatever the result. */
static enum database_state open_all(const char *directory, const struct secret *key, int patience,
				    struct store **store_r, struct popgate_error *error)
{
	struct store *store = *store_r = calloc(1, sizeof(*store));
	enum database_state state;

	if (store == NULL) {
		(void)fault_set(error, POPGATE_TEMP, "out of memory");
		return DATABASE_USELESS;
	}
	store->lock = -1;
	store->key = key;
	if (snprintf(store->directory, sizeof(store->directory), "%s", directory) >= (int)sizeof(store->directory)) {
		(void)fault_set(error, POPGATE_PERM, "state_directory: its path is too long");
		return DATABASE_REFUSED;
	}
	if (database_name(&store->database, &tokens, store->directory, error) != 0)
		return DATABASE_REFUSED;
	(void)snprintf(store->lock_path, sizeof(store->lock_path), "%s/" STORE_LOCK_FILE, store->directory);
	if (make(store, patience, error) != 0)
		return DATABASE_USELESS;
	state = database_open(&store->database, patience, error);
	return state == DATABASE_GOOD ? prove_key(store, error) : state;
}

struct store *store_open(const char *directory, const struct secret *key, int patience, struct popgate_error *error)
{
	struct store *store;

	if (open_all(directory, key, patience, &store, error) != DATABASE_GOOD)
		store_close(&store);
	return store;
}

enum database_state store_judge(const char *directory, const struct secret *key, int patience,
				struct popgate_error *error)
{
	struct store *store;
	enum database_state state = open_all(directory, key, patience, &store, error);

	if (state == DATABASE_GOOD && store_look_through(store, error) != 0)
		state = DATABASE_USELESS;
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
		result = database_damaged(&store->database, "is damaged", error);
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

/* ---- rows ---- */

enum store_row store_get(struct store *store, const char *provider, const char *account, struct token *token_r,
			 struct popgate_error *error)
{
	const struct about about = about_row(provider, account);
	sqlite3_stmt *statement =
	    prepare_row(store, "SELECT sealed FROM tokens WHERE provider = ? AND account = ?", &about);
	const int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
	struct secret plain = {0};
	enum store_row result = STORE_FOUND;

	if (code == SQLITE_DONE) {
		result = STORE_NONE;
	} else if (code != SQLITE_ROW) {
		(void)fail(store, error);
		result = STORE_FAILED;
	} else if (unseal(store, statement, &about, &plain) != 0 || token_read(&plain, token_r) != 0) {
		(void)fault_set(error, POPGATE_PERM,
				"the stored token of %.60s is damaged: `popgate oauth login %.60s` gets a new one",
				account, account);
		result = STORE_DAMAGED;
	}
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
