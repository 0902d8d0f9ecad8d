/* list - the snapshot of a folder. */
#ifndef IMAP_LIST_H
#define IMAP_LIST_H

#include "drop.h"

#define LIST_COMMAND "UID FETCH 1:* (UID RFC822.SIZE)"

/* As popgate_plugin.list: fills the drop's messages and hands each to add(). Errors: TEMP, PERM, PROTOCOL, STOPPED. */
int list_messages(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);
/* As popgate_plugin.refresh: over the connection that there is, in one round trip. The same errors. */
int list_again(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);

#endif
