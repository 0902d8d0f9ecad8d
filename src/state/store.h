/* store - the tokens on disk: an SQLite database in the state directory, each row encrypted and bound to its provider
 * and account; and the lock that lets one process at a time ask for an account's token. Used by the agent's children,
 * at the agent's start, and by the verb `oauth`. Blocks on the disk, and as long as it is told on others who write.
 *
 * Accounts' names are compared without regard to ASCII case. */
#ifndef POPGATE_STATE_STORE_H
#define POPGATE_STATE_STORE_H

#include <popgate/plugin.h>

#include "state/database.h"
#include "state/token.h"

#define STORE_FILE	"tokens.sqlite"
#define STORE_LOCK_FILE "tokens.lock"

#define STORE_PATIENCE 5000 /* milliseconds, for whoever may block */

struct store;

/* Opens, and makes what is missing, as files that nobody else may use; the directory is there. Proves that the key is
 * the one that the store was made with. patience: milliseconds that others may have it, here and in what follows. NULL
 * with PERM or TEMP and words for the operator; what is damaged stays as it is. */
struct store *store_open(const char *directory, const struct secret *key, int patience, struct popgate_error *error);
/* Opens it likewise, looks through all of it, and closes it. error: as above, unless it is good. */
enum database_state store_judge(const char *directory, const struct secret *key, int patience,
				struct popgate_error *error);
/* Looks through all of it. 0, or -1: damaged. */
int store_look_through(struct store *store, struct popgate_error *error);
void store_close(struct store **store);
/* From here to store_unlock() or the end of the process no other has this account's lock. 0, or -1: TEMP, the deadline
 * has passed. One at a time. */
int store_lock(struct store *store, const char *provider, const char *account, int64_t deadline,
	       struct popgate_error *error);
void store_unlock(struct store *store);

enum store_row {
	STORE_FOUND,
	STORE_NONE,
	STORE_DAMAGED, /* it alone; error has words: PERM */
	STORE_FAILED   /* likewise: PERM where the store is damaged, or TEMP */
};

/* FOUND: *token_r, which is empty, becomes the caller's to clear. */
enum store_row store_get(struct store *store, const char *provider, const char *account, struct token *token_r,
			 struct popgate_error *error);
/* On disk when it returns 0; as before when -1. */
int store_put(struct store *store, const char *provider, const char *account, const struct token *token,
	      struct popgate_error *error);
/* As store_put(), for what must not be lost: others may have the store for a while, as who copies it, or the disk be
 * full, so it is tried several times. */
int store_keep(struct store *store, const char *provider, const char *account, const struct token *token,
	       struct popgate_error *error);
/* 0: it is no more. 1: there was none. -1. */
int store_remove(struct store *store, const char *provider, const char *account, struct popgate_error *error);

#endif
