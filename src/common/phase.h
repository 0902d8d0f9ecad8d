/* phase - the page that a session shares with its front.
 *
 * When a session dies, the front must know what its client is owed: nothing,
 * a status line for each command that had not been answered, or the end of the
 * connection because a multi-line reply had begun. Octets are counted both
 * ways, on the stream between them and on the client's socket once the session
 * has it; before each write the session notes here up to which input octet
 * everything is answered once the write is done. A death at any instant is then
 * told from the octets that were written. Input is taken into the page, where
 * the front finds commands that passed it by.
 *
 * The front makes the page (a sealed memfd, so that the session cannot shrink
 * it under the front) and never believes it beyond what it bounds itself.
 */
#ifndef POPGATE_COMMON_PHASE_H
#define POPGATE_COMMON_PHASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHASE_INPUT	 4000		   /* octets of input that are taken at a time, at most */
#define PHASE_UNANSWERED (2 * PHASE_INPUT) /* octets that the page remembers, at most */

struct phase_page; /* the mapping */

enum phase_state {
	PHASE_OPENING,	/* before OPENED */
	PHASE_WAITING,	/* for a command */
	PHASE_WORKING,	/* on a command */
	PHASE_UPDATING, /* QUIT was received in TRANSACTION: UPDATE */
	PHASE_ENDED	/* the session ends on purpose: nothing more is owed */
};

/* What a client is owed after a session's death. */
struct phase_debt {
	bool ended;	  /* the session had ended on purpose */
	bool cut;	  /* a reply is torn: end the connection */
	uint64_t settled; /* octets of input whose replies have arrived whole */
};

/* Makes a page. Returns a mapping and *fd_r to pass to the session, or NULL (errno). */
struct phase_page *phase_create(int *fd_r);
/* Maps a page that was received. NULL: failed. */
struct phase_page *phase_map(int fd);
void phase_unmap(struct phase_page **page);

/* Session side. page may be NULL (no front is there). */
void phase_set(struct phase_page *page, enum phase_state state);
/* Before writing: after this write `sent` octets will have been
 * written in all, and the replies to the first `settled` octets of input are whole;
 * inside: the write ends in the middle of a multi-line reply. */
void phase_note_write(struct phase_page *page, uint64_t sent, uint64_t settled, bool inside);

/* Where the next input goes, PHASE_INPUT octets of it at most: filled with NUL. `taken` octets came before it. The
 * input before is remembered, the one before that no longer. */
char *phase_input(struct phase_page *page, uint64_t taken);

/* Front side: `received` octets had been written when the session ended. */
struct phase_debt phase_debt(const struct phase_page *page, uint64_t received);
enum phase_state phase_get(const struct phase_page *page);
/* Copies what was taken from octet `settled` of the input on, as far as it is remembered and up to a NUL, into data
 * (PHASE_UNANSWERED octets). Returns how many. */
size_t phase_unanswered(const struct phase_page *page, uint64_t settled, char *data);

#endif
