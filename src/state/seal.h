/* seal - encryption of what is kept: AES-256-GCM with a nonce for each, under one key; what it belongs to is bound to
 * it. Pure but for the random generator. */
#ifndef POPGATE_STATE_SEAL_H
#define POPGATE_STATE_SEAL_H

#include <stddef.h>

#include <popgate/plugin.h>

#include "common/secret.h"

#define SEAL_KEY_SIZE 32
#define SEAL_MORE     28 /* octets that a sealed text is longer: nonce and tag */

/* The key out of its file's first line: base64 of 32 octets. *key_r, which is empty, becomes the caller's to clear. 0,
 * or -1: it is not that. */
int seal_key(const struct secret *line, struct secret *key_r);
/* Seals; sealed has size + SEAL_MORE octets. about: what it belongs to, which opens it only together. 0 or -1. */
int seal_close(const struct secret *key, const char *about, size_t about_size, const void *plain, size_t size,
	       unsigned char *sealed);
/* Opens. *plain_r, which is empty, becomes the caller's to clear. 0, or -1: another key, another about, or changed. */
int seal_open(const struct secret *key, const char *about, size_t about_size, const unsigned char *sealed, size_t size,
	      struct secret *plain_r);

#endif
