/* ids - gives each message of a listing its UIDL, none of them twice. Pure memory. */
#ifndef MAILDIR_IDS_H
#define MAILDIR_IDS_H

#include "messages.h"
#include "uidl.h"

struct ids {
	const struct messages *messages;
	const struct text *given; /* UIDLs on record */
	const char *format;	  /* of those that have a UID and none on record */
	uint32_t uidvalidity;
};

/* Chooses for all of them, and notes it in each message's `way`. 0, or -1: no memory. */
int ids_choose(const struct ids *ids);
/* The UIDL by the way that is noted. */
void ids_write(const struct ids *ids, const struct message *message, char uidl_r[UIDL_ROOM]);

#endif
