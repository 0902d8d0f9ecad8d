/* digits - the one reader of numbers. Pure. */
#ifndef MAILDIR_DIGITS_H
#define MAILDIR_DIGITS_H

#include <stdbool.h>
#include <stdint.h>

/* Reads decimal digits from *at on, up to `end` at most, and moves *at behind them. False, with *at where it was:
 * there are none, or the number is beyond 2^63 - 1. */
bool digits_read(const char **at, const char *end, uint64_t *value_r);

#endif
