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

/* A secret out of a text: its first line, without its end. *secret_r, which is empty, becomes the caller's to clear. 0,
 * or -1 with words that begin with `what`: no line, one with control characters, one longer than a message has room
 * for. */
int source_take_line(const char *what, const char *text, size_t size, struct secret *secret_r,
		     struct popgate_error *error);
/* Reads the file or systemd credential that the message asks for; blocks on the disk alone. *credential_r, which is
 * empty, becomes the caller's to clear. 0, or -1 with TEMP or PERM and words for the log, without the secret. */
int source_fetch(const struct message_fetch *fetch, struct source_credential *credential_r,
		 struct popgate_error *error);

#endif
