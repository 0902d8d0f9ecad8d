/* base64 - RFC 4648 section 4, strict: canonical padding, no white space. Pure. */
#ifndef POPGATE_COMMON_BASE64_H
#define POPGATE_COMMON_BASE64_H

#include <stddef.h>

/* Octets that encoding `size` octets needs, with the final NUL. */
#define BASE64_ENCODED_SIZE(size) (((size) + 2) / 3 * 4 + 1)

/* Encodes into text, NUL-terminated. text holds BASE64_ENCODED_SIZE(size). */
void base64_encode(const void *data, size_t size, char *text);

/* Likewise base64url without padding (RFC 4648 section 5). */
void base64_encode_url(const void *data, size_t size, char *text);

/* Decodes `size` characters into data, which holds 3 octets for each 4
 * characters. Returns 0, or -1 when they are not canonical base64. */
int base64_decode(const char *text, size_t size, unsigned char *data, size_t *size_r);

#endif
