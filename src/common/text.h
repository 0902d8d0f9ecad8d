/* text - looking at octets that a peer sent. Pure. */
#ifndef POPGATE_COMMON_TEXT_H
#define POPGATE_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the octets are well-formed UTF-8 (RFC 3629) without NUL. */
bool text_is_utf8(const char *text, size_t size);

/* Writes a harmless copy: printable ASCII as it is, everything else and
 * `"` and `\` as \xHH. NUL-terminated; cut with "..." when it does not fit. */
void text_harmless(const char *text, size_t size, char *out, size_t out_size);

/* The small letter of an ASCII capital, any other octet as it is; never the locale's. */
char text_lower(char c);
/* Compares without regard to ASCII case. */
bool text_same_case(const char *a, size_t a_size, const char *b);

#endif
