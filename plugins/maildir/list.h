/* list - the snapshot: which messages there are, in which order, with which sizes and unique ids. */
#ifndef MAILDIR_LIST_H
#define MAILDIR_LIST_H

#include "drop.h"

/* As popgate_plugin.list. Errors: TEMP, PERM, STOPPED. */
int list_messages(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error);

#endif
