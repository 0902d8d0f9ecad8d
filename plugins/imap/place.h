/* place - a folder, and how commands name it. Pure. */
#ifndef IMAP_PLACE_H
#define IMAP_PLACE_H

#include <stdbool.h>

/* All NULL: no folder. With an alias it is the one that the server has for a special use, and its name is NULL until
 * that is known. */
struct place {
	const char *alias; /* an attribute of RFC 6154, with its backslash; static */
	char *name;	   /* UTF-8, canonical: "INBOX", or as the server has it */
	char *utf7, *utf8; /* the name quoted, without and with UTF8=ACCEPT */
	bool inbox;
};

/* Takes a name as people write it; one that begins with a backslash is an alias. Returns NULL, or what is wrong with
 * it, and then the place is as place_clear leaves it. */
const char *place_set(struct place *place, const char *name);
/* The name of the folder that an alias means. As place_set. */
const char *place_resolve(struct place *place, const char *name);
/* Whether both are known to be the same folder. */
bool place_is_same(const struct place *a, const struct place *b);
void place_clear(struct place *place);

#endif
