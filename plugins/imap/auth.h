/* auth - the mechanisms that prove a user to a server: which one, and how. */
#ifndef IMAP_AUTH_H
#define IMAP_AUTH_H

#include "drop.h"

/* Which POPGATE_TAKES_... the settings allow. */
unsigned auth_takes(const struct imap_conf *conf);
/* The mechanism for this credential among those that the server offers, best first, or that of the settings. -1: PERM,
 * there is none; AUTH, the credential is none. */
int auth_choose(const struct drop *drop, const struct popgate_credential *credential, enum conf_auth *auth_r,
		struct popgate_error *error);
/* Whether it is a LOGIN, or could as well be. */
bool auth_is_login(const struct drop *drop, const struct popgate_credential *credential, enum conf_auth auth);
/* Authenticates over a connection that has nothing under way. Every error but GONE and IN_USE. */
int auth_run(struct drop *drop, const struct popgate_credential *credential, enum conf_auth auth,
	     struct popgate_error *error);

#endif
