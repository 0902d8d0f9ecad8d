/* database - a file of SQLite in the state directory, the service user's alone. Blocks on the disk, and as long as it
 * is told on others who write. The agent, its children, and the verbs that look into one. */
#ifndef POPGATE_STATE_DATABASE_H
#define POPGATE_STATE_DATABASE_H

#include <stdbool.h>

#include <popgate/plugin.h>
#include <sqlite3.h>

struct database_kind {
	const char *file;   /* in the state directory */
	const char *what;   /* "the token store" and the like, for messages */
	const char *remedy; /* where it is damaged: what to do */
	const char *schema; /* what is run each time, to make what is missing */
	bool is_there;	    /* who opens it has seen to that: no file is made, and one that is empty is damaged */
};

enum database_state {
	DATABASE_GOOD,
	DATABASE_REFUSED, /* the file, or its key, is not ours: a fault of whoever runs popgate */
	DATABASE_USELESS  /* it is damaged, or cannot be read now: a fault that those alone have to bear who need it */
};

struct database {
	const struct database_kind *kind;
	sqlite3 *sqlite; /* NULL: closed */
	char path[4096];
};

/* Says which it is; nothing is opened. 0, or -1: the path is too long. */
int database_name(struct database *database, const struct database_kind *kind, const char *directory,
		  struct popgate_error *error);
/* Opens the one that was named, and makes what is missing; the directory is there. patience: milliseconds that others
 * may have it, here and in what follows. Unless it is good, PERM or TEMP with words for the operator; to be closed
 * whatever it is. */
enum database_state database_open(struct database *database, int patience, struct popgate_error *error);
void database_close(struct database *database);
/* NULL: as database_fail() says. */
sqlite3_stmt *database_prepare(const struct database *database, const char *text);
/* Why the last call has failed: PERM where the file is damaged, else TEMP. Always -1. */
int database_fail(const struct database *database, struct popgate_error *error);
/* PERM: it "is damaged" or the like, and the remedy. Always -1. */
int database_damaged(const struct database *database, const char *how, struct popgate_error *error);

#endif
