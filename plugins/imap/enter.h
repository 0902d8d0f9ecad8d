/* enter - from the accepted credential to the selected folder and its listing.
 *
 * All commands go out together; the answers are read in their order. Blocks
 * only where conn does.
 */
#ifndef IMAP_ENTER_H
#define IMAP_ENTER_H

#include "drop.h"

/* Whether nothing of what enter_send sends depends on an answer: then it may stand behind a LOGIN not yet answered. */
bool enter_in_one_flight(const struct drop *drop);
/* Sends ID, ENABLE and SELECT, as far as the settings and the capabilities want them, and the listing's FETCH behind
 * them if `list`. */
void enter_send(struct drop *drop, bool list);
/* Selects the folder again, over the same connection, and asks for the listing. Errors: TEMP, PERM, PROTOCOL. */
int enter_again(struct drop *drop, struct popgate_error *error);
/* Reads the answers to ID and ENABLE. Errors: TEMP, PERM, PROTOCOL. */
int enter_introduced(struct drop *drop, struct popgate_error *error);
/* Reads SELECT's answer, after sending it if it could not leave before; the listing's is left for list_messages.
 * Errors: TEMP, PERM, PROTOCOL. */
int enter_receive(struct drop *drop, bool list, struct popgate_error *error);

#endif
