/* uidset - writes sets of UIDs for command lines (RFC 3501, sequence-set).
 *
 * Pure. A range is written only over UIDs that follow each other
 * numerically, so that a set never covers a UID that was not given.
 */
#ifndef IMAP_UIDSET_H
#define IMAP_UIDSET_H

#include <stddef.h>
#include <stdint.h>

/* Room for the largest single range and its NUL: a smaller buffer is an error of the caller. */
#define UIDSET_MIN 24u

/* Writes as many of `count` ascending UIDs as fit into buffer, as a NUL-terminated set; returns how many, at least 1.
 */
size_t uidset_write(const uint32_t *uids, size_t count, char *buffer, size_t size);
/* Whether uid stands among `count` ascending UIDs: its index, or count. */
size_t uidset_find(const uint32_t *uids, size_t count, uint32_t uid);

#endif
