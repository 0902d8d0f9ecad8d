/* ahead - messages asked for before the client asks for them.
 *
 * What the client will want next is asked for in batches, one UID FETCH
 * each, several under way at once. A batch is read when a message of it is
 * wanted, and held in memory until the turn of each comes.
 * Blocks only where conn does.
 */
#ifndef IMAP_AHEAD_H
#define IMAP_AHEAD_H

#include "held.h"

enum ahead_end {
	AHEAD_NONE,   /* it is not here: ask for it */
	AHEAD_HELD,   /* all of it is in memory */
	AHEAD_PASSED, /* all of it went to the sink */
	AHEAD_FAILED  /* *error says why */
};

/* These messages (positions, ascending) come next; `budget` octets of them may be under way and in memory. Never
 * waits for an answer, but for those to an earlier hint that turned out wrong. */
void ahead_hint(struct drop *drop, const size_t *messages, size_t count, const struct held_want *want, uint64_t budget);
/* Looks for a message; reads the answers up to its own, and may pass it on into b's sink. parts_r (BODY_PARTS of them)
 * is the drop's, until the next call of a function here; AHEAD_HELD alone sets it. */
enum ahead_end ahead_find(struct body *b, size_t message, const struct held_want *want,
			  const struct held_part **parts_r, struct popgate_error *error);
/* So much of the message was delivered; it is no longer held, unless it was more that is held. */
void ahead_forget(struct drop *drop, size_t message, const struct held_want *served);
/* Reads all that is under way, so that another command can be sent. It stays held. */
void ahead_settle(struct drop *drop);
/* Drops all that is held and under way; the connection may be closed for it. */
void ahead_drop(struct drop *drop);
/* Ends drop->ahead without touching the connection. */
void ahead_free(struct drop *drop);

#endif
