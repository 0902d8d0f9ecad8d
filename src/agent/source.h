/* source - one credential from where it is. Agent process. */
#ifndef POPGATE_AGENT_SOURCE_H
#define POPGATE_AGENT_SOURCE_H

#include <stdbool.h>

#include <popgate/plugin.h>

#include "common/message.h"
#include "common/secret.h"

/* A secret out of a text: its first line, without its end. *secret_r, which is empty, becomes the caller's to clear. 0,
 * or -1 with words that begin with `what`: no line, one with control characters, one longer than a message has room
 * for. */
int source_take_line(const char *what, const char *text, size_t size, struct secret *secret_r,
		     struct popgate_error *error);
/* The first line of a file that nobody but its owner may use; of a credential that systemd passes on. *secret_r, which
 * is empty, becomes the caller's to clear. Blocks on the disk. 0, or -1 with PERM or TEMP and words. */
int source_read_file(const char *path, struct secret *secret_r, struct popgate_error *error);
int source_read_credential(const char *name, struct secret *secret_r, struct popgate_error *error);
/* The whole of a file, SECRET_MAX octets at most; private: as above. Likewise. */
int source_read_text(const char *path, bool private, struct secret *text_r, struct popgate_error *error);
/* Reads the file or systemd credential that the message asks for; blocks on the disk alone. *secret_r, which is empty,
 * becomes the caller's to clear. 0, or -1 with TEMP or PERM and words for the log, without the secret. */
int source_fetch(const struct message_fetch *fetch, struct secret *secret_r, struct popgate_error *error);

#endif
