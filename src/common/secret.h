/* secret - bytes that must not outlive their use, nor reach swap, a core or a child. Any process. */
#ifndef POPGATE_COMMON_SECRET_H
#define POPGATE_COMMON_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* At most this many octets (an OAuth token is the longest thing that comes). */
#define SECRET_MAX 16384

/* size octets and a NUL after them, in pages of their own; empty: data NULL. Zero-initialise. */
struct secret {
	unsigned char *data;
	size_t size;
};

/* Makes *secret a copy of the octets, wiping what it held. Returns 0, or -1
 * when memory is short or size above SECRET_MAX (then it is empty). */
int secret_set(struct secret *secret, const void *data, size_t size);
/* Hands *from over to *to, which is wiped first. */
void secret_move(struct secret *to, struct secret *from);
/* Wipes and gives the pages back; *secret is empty then. */
void secret_clear(struct secret *secret);
/* Whether it holds these octets; takes as long wherever they differ. */
bool secret_equal(const struct secret *secret, const void *data, size_t size);
/* Overwrites octets in a way that the compiler keeps. */
void secret_wipe(void *data, size_t size);

#endif
