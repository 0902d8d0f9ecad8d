/* fault - what went wrong, with words for the operator. */
#ifndef POPGATE_COMMON_FAULT_H
#define POPGATE_COMMON_FAULT_H

#include <popgate/plugin.h>

/* Fills *error. Always -1. */
int fault_set(struct popgate_error *error, enum popgate_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
