/* pattern - notices that a client reads message after message, so that the
 * next ones can be asked for before it does. Pure. Positions run from 0. */
#ifndef POPGATE_SESSION_PATTERN_H
#define POPGATE_SESSION_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/maildrop.h"

#define PATTERN_NEXT 1024u /* messages told to a plugin at most */

/* Reads of one kind, one after the other. */
struct pattern_run {
	size_t next;	/* the message that goes on with it */
	unsigned count; /* so far; 0: there was none */
};

struct pattern {
	struct pattern_run retr, top;
	int64_t top_lines; /* of top */
};

/* Notes that `message` is about to be read: whole (lines POPGATE_WHOLE) or its header and `lines` lines of its text.
 * follows: the client has already sent the same command for the next message. Returns whether the messages after it
 * are likely to come next, and how, in *lines_r. */
bool pattern_note(struct pattern *pattern, const struct maildrop *maildrop, size_t message, int64_t lines, bool follows,
		  int64_t *lines_r);
/* The first message from `message` on that is not marked as deleted, or the maildrop's count. */
size_t pattern_skip(const struct maildrop *maildrop, size_t message);
/* The messages from `message` on that are not marked; returns how many there are in messages_r, PATTERN_NEXT at most.
 */
size_t pattern_list(const struct maildrop *maildrop, size_t message, size_t *messages_r);

#endif
