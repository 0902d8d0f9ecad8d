/* login - from nothing to a selected folder. */
#ifndef IMAP_LOGIN_H
#define IMAP_LOGIN_H

#include "drop.h"

/* Connects, authenticates and selects the folder. For a fresh drop it takes the maildrop's lock, and asks for the
 * listing (drop->listing). Errors: every one but GONE. */
int login_open(struct drop *drop, bool fresh, int64_t deadline, struct popgate_error *error);
/* Makes sure that the server has said what it can do for this user. */
int login_ask_caps(struct drop *drop, struct popgate_error *error);
/* Makes sure that there is a connection, once anew if it is lost, to the same mailbox; else the drop is dead. */
int login_again(struct drop *drop, int64_t deadline, struct popgate_error *error);

#endif
