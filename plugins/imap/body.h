/* body - one UID FETCH of parts of one message, straight into a sink. */
#ifndef IMAP_BODY_H
#define IMAP_BODY_H

#include "drop.h"

enum body_part { BODY_WHOLE, BODY_HEADER, BODY_TEXT, BODY_PARTS };

/* What came of one part. */
struct body_state {
	bool begun; /* its octets are, or were, passed on */
	bool there; /* it came, and was not NIL; set when its response has ended */
	bool nil;   /* it came as NIL; likewise */
	uint64_t got;
};

/* One message's way into the sink; several commands may be needed. */
struct body {
	struct drop *drop;
	const struct popgate_sink *sink;
	uint32_t uid;
	uint32_t sequence; /* 0: not known */
	uint64_t listed;   /* RFC822.SIZE */
	uint64_t written;  /* octets that the sink took */
	bool enough;	   /* the sink needs no more */

	/* the command under way */
	unsigned wanted;	/* bits 1 << enum body_part */
	uint64_t origin, limit; /* of BODY_WHOLE or BODY_TEXT; limit 0: all of it */
	struct body_state parts[BODY_PARTS];
	const void *section;  /* whose octets come */
	bool passing, passed; /* this part's, something of this response's octets go on */
	bool skipped;	      /* something of this response's octets was another message's by its UID */
	bool ours;	      /* the UID was known before the octets */
	bool ranged;	      /* the server named the range's origin */
	bool answered, alien, unsure, wrong, stopped, cut;
	const char *broken;
	char *held; /* text that came before its header */
	size_t held_size;
};

enum body_end {
	BODY_DONE,   /* every part wanted came, or the sink has enough */
	BODY_LOST,   /* the connection was gone before anything was written: worth a second try */
	BODY_UNSURE, /* the octets could not be told to be this message's, and were dropped */
	BODY_FAILED  /* *error says why */
};

/* Which part a section is that a server sends; BODY_PARTS: none that is ever asked for. */
enum body_part body_part_of(const struct mailimap_section *section);
/* The same for an item of a FETCH response. *nil_r: the server has nothing of it. */
enum body_part body_part_of_item(const struct mailimap_msg_att_item *item, bool *nil_r);
/* What the answer to a FETCH of so many bodies may bring. */
struct guard_limits body_limits(const struct drop *drop, unsigned bodies);

/* Asks for the wanted parts, octets origin.limit of them, and passes them on in order, header first. */
enum body_end body_read(struct body *b, unsigned wanted, uint64_t origin, uint64_t limit, struct popgate_error *error);
/* Passes octets of the message on; false: the sink refused, and b->stopped says so. */
bool body_pass(struct body *b, const void *octets, size_t size);
/* What a FETCH that did not end with OK is to this message. */
enum body_end body_failed(struct body *b, enum conn_end end, struct popgate_error *error);
/* Asks whether the message is there, and for its sequence number (0 when that was shifted at once). When it is not:
 * GONE before anything was written, TEMP after. */
enum body_end body_locate(struct body *b, struct popgate_error *error);

#endif
