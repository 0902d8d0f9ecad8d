/* proof - whether a user has the password. */
#ifndef MAILDIR_PROOF_H
#define MAILDIR_PROOF_H

#include <stdbool.h>
#include <sys/stat.h>

#include "conf.h"

/* Checks the session's credential against the user's file. Returns 0, or -1: AUTH for whoever has no business here,
 * PERM where the file is not as it must be, TEMP. Takes about as long for a user that is not there. *file_r: what the
 * password was proved against. */
int proof_check(const struct maildir_conf *conf, struct popgate_session *session, const char *user, struct stat *file_r,
		struct popgate_error *error);
/* Whether the user's file is still the one that an earlier proof was against. */
bool proof_lasts(const struct maildir_conf *conf, const char *user, const struct stat *file);

#endif
