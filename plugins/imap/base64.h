/* base64 - as SASL has it (RFC 4648, with padding and without line ends). Pure. */
#ifndef IMAP_BASE64_H
#define IMAP_BASE64_H

#include <stddef.h>

/* A new string; NULL: no memory. */
char *base64_encode(const void *octets, size_t size);
/* What `size` characters stand for, and a NUL behind it; a new block. NULL: no memory, or it is none. */
char *base64_decode(const char *text, size_t size, size_t *size_r);
/* Wipes and frees a string that may hold a secret; NULL is allowed. */
void base64_wipe(char *text);

#endif
