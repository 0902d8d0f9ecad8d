/* database - see database.h. */
#include "state/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"

int database_fail(const struct database *database, struct popgate_error *error)
{
	const int code = sqlite3_errcode(database->sqlite) & 0xff;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return fault_set(error, POPGATE_PERM, "%s %.120s is damaged: %s", database->kind->what, database->path,
				 database->kind->remedy);
	return fault_set(error, POPGATE_TEMP, "%s %.120s: %.80s", database->kind->what, database->path,
			 sqlite3_errmsg(database->sqlite));
}

static int judge_file(const struct database *database, struct popgate_error *error)
{
	struct stat status;

	if (lstat(database->path, &status) != 0)
		return fault_set(error, POPGATE_TEMP, "%s %.120s: %s", database->kind->what, database->path,
				 strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return fault_set(error, POPGATE_PERM,
				 "%s %.120s must be a file of the service's user that nobody else may use: chmod 600",
				 database->kind->what, database->path);
	return 0;
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

int database_open(struct database *database, const struct database_kind *kind, const char *directory, int patience,
		  struct popgate_error *error)
{
	const size_t room = sizeof(database->path);

	database->kind = kind;
	database->sqlite = NULL;
	if (snprintf(database->path, room, "%s/%s", directory, kind->file) >= (int)room)
		return fault_set(error, POPGATE_PERM, "state_directory: its path is too long");
	return open_file(database, patience, error) == 0 ? judge_file(database, error) : -1;
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
