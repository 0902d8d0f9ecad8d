/* proof - whether a user has the password. */
#ifndef MAILDIR_PROOF_H
#define MAILDIR_PROOF_H

#include "conf.h"

/* Checks the session's credential against the user's file. Returns 0, or -1: AUTH for whoever has no business here,
 * PERM where the file is not as it must be, TEMP. Takes about as long for a user that is not there. */
int proof_check(const struct maildir_conf *conf, struct popgate_session *session, const char *user,
		struct popgate_error *error);

#endif
