/* login - from nothing to a selected folder. */
#ifndef IMAP_LOGIN_H
#define IMAP_LOGIN_H

#include "drop.h"

/* Connects, authenticates and selects the folder; takes the maildrop's lock if `lock` is set. Errors: every one but
 * GONE. */
int login_open(struct drop *drop, bool lock, int64_t deadline, struct popgate_error *error);
/* Makes sure that there is a connection, once anew if it is lost, to the same mailbox; else the drop is dead. */
int login_again(struct drop *drop, int64_t deadline, struct popgate_error *error);

#endif
