/* status - fills errors. Pure. */
#ifndef MAILDIR_STATUS_H
#define MAILDIR_STATUS_H

#include <popgate/plugin.h>

/* Fills *error; always returns -1. */
int status_fail(struct popgate_error *error, enum popgate_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what a call on `what` left in errno: PERM where an administrator can help, else TEMP. */
int status_errno(struct popgate_error *error, const char *what);

#endif
