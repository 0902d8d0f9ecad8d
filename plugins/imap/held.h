/* held - messages that came before they were wanted.
 *
 * An entry stands for a message that was asked for ahead. Whatever answers
 * come are sorted into the entries by UID; an entry is held once all of its
 * message is known to be there.
 */
#ifndef IMAP_HELD_H
#define IMAP_HELD_H

#include "body.h"
#include "drop.h"

/* What is asked for of each message. */
struct held_want {
	unsigned parts; /* bits 1 << enum body_part */
	uint64_t limit; /* octets of BODY_TEXT */
};

enum held_state {
	HELD_ASKED, /* under way */
	HELD_CAME,  /* complete, but nothing has followed it yet */
	HELD_WHOLE,
	HELD_LOST /* not to be had here any more */
};

/* A part that is held. */
struct held_part {
	char *octets;
	size_t size;
};

struct held_entry {
	size_t message;
	enum held_state state;
	uint64_t reckoned; /* what it was expected to take */
	struct held_part parts[BODY_PARTS];
};

/* A part of the response that is being read, whoever's it is. */
struct held_intake {
	char *octets;
	size_t size, room;
	bool begun;
};

struct held {
	struct drop *drop;
	struct held_want want; /* of all entries */
	uint64_t budget;
	uint64_t memory;	    /* allocated for parts */
	struct held_entry *entries; /* ascending messages */
	size_t room, count;
	size_t shed; /* entries that stood before these */
	bool wrong;  /* the server has mixed up messages */

	/* the response that is being read */
	const void *section;
	struct held_intake intake[BODY_PARTS];
	uint32_t uid; /* named before the octets; 0: not yet */
	bool keeping; /* this section's octets are kept */
	bool passing; /* they go to the sink */
	bool surplus; /* some of this response were not kept */
	bool came;    /* of the message `last` all is here but what confirms it */
	size_t last;
	struct body *wanted; /* the message that is waited for; NULL: none */
};

/* The entry of a message, or NULL. */
struct held_entry *held_find(struct held *h, size_t message);
/* Appends an entry; -1: no memory. */
int held_add(struct held *h, size_t message, uint64_t reckoned);
/* Leaves out the entries before `message` among the first `most`. */
void held_shed(struct held *h, size_t message, size_t most);
/* Forgets what there is of a message. */
void held_lose(struct held *h, struct held_entry *entry);
/* Who takes the answers: octets of `wanted` (may be NULL) go to its sink, all others into the entries. */
struct conn_taker held_taker(struct held *h, struct body *wanted);
/* The answer to the command that asked for `count` messages from entry `first` on has ended, with the tagged OK or
 * otherwise. Says nothing of a message that another command asked for. */
void held_conclude(struct held *h, size_t first, size_t count, bool ok);
void held_free(struct held *h);

#endif
