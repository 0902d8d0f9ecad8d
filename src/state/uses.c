/* uses - see uses.h. A write-ahead log is not forced to the disk with each commit, but once in about a thousand: else
 * the agent's loop does not wait for it, and readers wait for nobody. */
#include "state/uses.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/fault.h"
#include "state/database.h"

struct uses {
	struct database database;
};

static const struct database_kind kind = {
    .file = USES_FILE,
    .what = "the record of devices' last use",
    .remedy = "move it away, and popgate begins a new one",
    .schema = "PRAGMA journal_mode = WAL;"
	      "PRAGMA synchronous = NORMAL;"
	      "CREATE TABLE IF NOT EXISTS uses (device BLOB PRIMARY KEY, used INTEGER NOT NULL, address TEXT NOT NULL) "
	      "WITHOUT ROWID;",
};

/* A clock that was set back is believed. */
static const char note[] =
    "INSERT INTO uses (device, used, address) VALUES (?1, ?2, ?3) ON CONFLICT (device) DO UPDATE "
    "SET used = ?2, address = ?3 WHERE ?2 < used OR ?2 >= used + ?4 OR ?3 <> address";
static const char find[] = "SELECT used, address FROM uses WHERE device = ?1";

struct uses *uses_open(const char *directory, int patience, struct popgate_error *error)
{
	struct uses *uses = calloc(1, sizeof(*uses));

	if (uses == NULL)
		(void)fault_set(error, POPGATE_TEMP, "out of memory");
	else if (database_name(&uses->database, &kind, directory, error) != 0 ||
		 database_open(&uses->database, patience, error) != DATABASE_GOOD)
		uses_close(&uses);
	return uses;
}

void uses_close(struct uses **uses)
{
	struct uses *old = *uses;

	*uses = NULL;
	if (old == NULL)
		return;
	database_close(&old->database);
	free(old);
}

static sqlite3_stmt *prepare(const struct uses *uses, const char *text, const uint8_t *salt)
{
	sqlite3_stmt *statement = database_prepare(&uses->database, text);

	if (statement != NULL && sqlite3_bind_blob(statement, 1, salt, DEVICE_SALT, SQLITE_STATIC) == SQLITE_OK)
		return statement;
	sqlite3_finalize(statement);
	return NULL;
}

int uses_note(struct uses *uses, const uint8_t salt[DEVICE_SALT], const struct use *use, struct popgate_error *error)
{
	sqlite3_stmt *statement = prepare(uses, note, salt);
	int result;

	if (statement != NULL && sqlite3_bind_int64(statement, 2, use->when) == SQLITE_OK &&
	    sqlite3_bind_text(statement, 3, use->address, -1, SQLITE_STATIC) == SQLITE_OK &&
	    sqlite3_bind_int(statement, 4, USES_INTERVAL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_DONE)
		result = 0;
	else
		result = database_fail(&uses->database, error);
	sqlite3_finalize(statement);
	return result;
}

int uses_find(struct uses *uses, const uint8_t salt[DEVICE_SALT], struct use *use_r, struct popgate_error *error)
{
	sqlite3_stmt *statement = prepare(uses, find, salt);
	const int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
	const unsigned char *address;
	int result = 0;

	if (code == SQLITE_ROW) {
		use_r->when = sqlite3_column_int64(statement, 0);
		address = sqlite3_column_text(statement, 1);
		snprintf(use_r->address, sizeof(use_r->address), "%s", address == NULL ? "" : (const char *)address);
	} else {
		result = code == SQLITE_DONE ? 1 : database_fail(&uses->database, error);
	}
	sqlite3_finalize(statement);
	return result;
}
