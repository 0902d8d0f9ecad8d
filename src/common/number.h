/* number - the one parser of decimal numbers from peers and files. Pure. */
#ifndef POPGATE_COMMON_NUMBER_H
#define POPGATE_COMMON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Reads exactly `size` octets of decimal digits, 1 at least, no sign, no
 * blanks. Returns 0, or -1 when they are not that or exceed `most`. */
int number_parse(const char *text, size_t size, uint64_t most, uint64_t *value_r);

#endif
