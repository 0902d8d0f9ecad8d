/* credential - a session's secret, and how it gets a newer one from the broker. Session process. */
#ifndef POPGATE_SESSION_CREDENTIAL_H
#define POPGATE_SESSION_CREDENTIAL_H

#include <stdbool.h>

#include "session/host.h"

/* Whether the secret has expired, or is about to, as whoever gave it says. */
bool credential_is_old(const struct popgate_session *session);
/* Asks the broker for one that is newer, and waits for it. 0, or -1: AUTH, there is none; PERM, TEMP. */
int credential_renew(struct popgate_session *session, struct popgate_error *error);

#endif
