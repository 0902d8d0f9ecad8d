/* drop - one open maildrop: what open() made and the later calls share. */
#ifndef IMAP_DROP_H
#define IMAP_DROP_H

#include <stdbool.h>

#include "conf.h"
#include "conn.h"

/* Messages; the most that limits.max_messages can allow. A count beyond it is taken for nonsense. */
#define EXISTS_LIMIT 10000000u

/* One message of the snapshot. */
struct drop_message {
	uint64_t octets; /* RFC822.SIZE */
	uint32_t uid;
};

struct ahead;

struct drop {
	const struct imap_conf *conf;
	struct popgate_session *session;
	char *user; /* whose mailbox it is, upstream */
	struct conn conn;
	const struct place *folder; /* the maildrop: that of the settings, or own */
	const struct place *trash;  /* likewise */
	struct place own, own_trash;
	unsigned flags; /* POPGATE_OPEN_... */
	bool utf8;	/* UTF8=ACCEPT is on: folder names go out in UTF-8 */
	bool read_only;
	bool sent_id;		       /* ID is under way, or was */
	bool selecting;		       /* SELECT is under way */
	bool listing;		       /* the listing's FETCH is under way */
	bool outdated;		       /* its answer is older than the lock */
	bool stepwise;		       /* nothing is sent behind a LOGIN: the server has hung up on it */
	bool tried;		       /* a credential has been shown over this connection */
	bool caps_due;		       /* the server has not said what it can do for this user */
	uint32_t uidvalidity, exists;  /* of the last SELECT */
	struct drop_message *messages; /* ascending UIDs */
	size_t count;
	struct ahead *ahead;	  /* messages asked for before the client does; NULL: none ever were */
	struct popgate_pace pace; /* of the last fetch */
	bool sequence_known;	  /* message i has the sequence number i + 1 */
	bool late_uid;		  /* the server names the UID after the body */
	bool size_reported;	  /* that RFC822.SIZE is not the body's size here */
	bool dead;		  /* every further call fails */
};

#endif
