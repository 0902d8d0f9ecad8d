/* refresh - an account's access token: the one that is stored as long as it is good, else a new one. The agent looks,
 * its children ask. */
#ifndef POPGATE_AGENT_REFRESH_H
#define POPGATE_AGENT_REFRESH_H

#include "agent/oauth.h"
#include "state/store.h"

/* Which token is wanted. */
struct refresh {
	const struct conf_provider *provider;
	const char *account;
	bool newer;	 /* the token `serial` has been refused upstream */
	uint64_t serial; /* of what was given out last; 0: unknown */
};

/* Looks into the store. 0: *token_r, which is empty, is good, the caller's to clear. 1: the provider must be asked. -1:
 * AUTH, the one that was refused is all that there is; PERM, TEMP. */
int refresh_look(const struct oauth *oauth, const struct refresh *refresh, struct token *token_r,
		 struct popgate_error *error);
/* Looks again, alone among all processes, and asks the provider if it must. What was got is on disk before it is given
 * out, and a refresh token leaves only where the store has proved that it can be written. Blocks: up to half a minute.
 * 0 as above, or -1. */
int refresh_get(const struct oauth *oauth, const struct refresh *refresh, struct token *token_r,
		struct popgate_error *error);
/* From when on a session shall ask for another, in monotonic milliseconds. */
int64_t refresh_expires(const struct token *token);
/* Under which name the store has it: an application's own token is nobody's. */
const char *refresh_owner(const struct conf_provider *provider, const char *account);

#endif
