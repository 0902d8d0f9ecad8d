/* source - one credential from where it is. Agent process. */
#ifndef POPGATE_AGENT_SOURCE_H
#define POPGATE_AGENT_SOURCE_H

#include <popgate/plugin.h>

#include "common/message.h"
#include "common/secret.h"

struct source_credential {
	struct secret secret;
	enum popgate_secret_kind kind;
	int64_t expires; /* monotonic milliseconds; 0: never */
};

/* Fetches what the message asks for. *credential_r, which is empty, becomes the caller's to clear. 0, or -1 with
 * TEMP or PERM and words for the log, without the secret. */
int source_fetch(const struct message_fetch *fetch, struct source_credential *credential_r,
		 struct popgate_error *error);

#endif
