/* special - which folder a server has for a special use. */
#ifndef IMAP_SPECIAL_H
#define IMAP_SPECIAL_H

#include "drop.h"

/* Whether the maildrop is the trash itself, which gets its name where it has none: *inside_r. As special_find. */
int special_trash(struct drop *drop, bool *inside_r, struct popgate_error *error);
/* Gives a place with an alias its name, over a connection that is logged in and has nothing under way. Errors: TEMP,
 * PERM (there is none, too), PROTOCOL. */
int special_find(struct drop *drop, struct place *place, struct popgate_error *error);

#endif
