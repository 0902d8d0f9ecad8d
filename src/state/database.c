/* database - see database.h. */
#include "state/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"

int database_damaged(const struct database *database, const char *how, struct popgate_error *error)
{
	return fault_set(error, POPGATE_PERM, "%s %.80s %s: %s", database->kind->what, database->path, how,
			 database->kind->remedy);
}

int database_fail(const struct database *database, struct popgate_error *error)
{
	const int code = sqlite3_errcode(database->sqlite) & 0xff;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return database_damaged(database, "is damaged", error);
	return fault_set(error, POPGATE_TEMP, "%s %.120s: %.80s", database->kind->what, database->path,
			 sqlite3_errmsg(database->sqlite));
}

/* What has its name, before SQLite touches it. */
static enum database_state judge_file(const struct database *database, struct popgate_error *error)
{
	const struct database_kind *kind = database->kind;
	struct stat status;

	if (lstat(database->path, &status) != 0) {
		if (errno == ENOENT && !kind->is_there)
			return DATABASE_GOOD;
		(void)fault_set(error, POPGATE_TEMP, "%s %.120s: %s", kind->what, database->path, strerror(errno));
	} else if (!S_ISREG(status.st_mode)) {
		(void)database_damaged(database, "is no file", error);
	} else if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
		(void)fault_set(error, POPGATE_PERM,
				"%s %.120s must be a file of the service's user that nobody else may use: chmod 600",
				kind->what, database->path);
		return DATABASE_REFUSED;
	} else if (status.st_size == 0 && kind->is_there) {
		(void)database_damaged(database, "is empty", error);
	} else {
		return DATABASE_GOOD;
	}
	return DATABASE_USELESS;
}

static int open_file(struct database *database, int patience, struct popgate_error *error)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX |
			  (database->kind->is_there ? 0 : SQLITE_OPEN_CREATE);
	const mode_t mask = umask(077);
	int code = sqlite3_open_v2(database->path, &database->sqlite, flags, NULL);

	if (database->sqlite != NULL)
		(void)sqlite3_busy_timeout(database->sqlite, patience);
	if (code == SQLITE_OK)
		code = sqlite3_exec(database->sqlite, database->kind->schema, NULL, NULL, NULL);
	(void)umask(mask);
	if (database->sqlite == NULL)
		return fault_set(error, POPGATE_TEMP, "out of memory");
	return code == SQLITE_OK ? 0 : database_fail(database, error);
}

int database_name(struct database *database, const struct database_kind *kind, const char *directory,
		  struct popgate_error *error)
{
	const size_t room = sizeof(database->path);

	database->kind = kind;
	database->sqlite = NULL;
	if (snprintf(database->path, room, "%s/%s", directory, kind->file) >= (int)room)
		return fault_set(error, POPGATE_PERM, "state_directory: its path is too long");
	return 0;
}

enum database_state database_open(struct database *database, int patience, struct popgate_error *error)
{
	const enum database_state state = judge_file(database, error);

	if (state != DATABASE_GOOD)
		return state;
	return open_file(database, patience, error) == 0 ? DATABASE_GOOD : DATABASE_USELESS;
}

void database_close(struct database *database)
{
	(void)sqlite3_close(database->sqlite);
	database->sqlite = NULL;
}

sqlite3_stmt *database_prepare(const struct database *database, const char *text)
{
	sqlite3_stmt *statement = NULL;

	return sqlite3_prepare_v2(database->sqlite, text, -1, &statement, NULL) == SQLITE_OK ? statement : NULL;
}
