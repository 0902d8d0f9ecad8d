/* language - the LANG command (RFC 6856 section 3). Pure.
 * Reply texts exist in English, which is also i-default. */
#ifndef POPGATE_POP3_LANGUAGE_H
#define POPGATE_POP3_LANGUAGE_H

#include <stddef.h>

#define LANGUAGE_REPLY_MAX 256

/* Writes the whole reply, CRLF and final dot included, to `LANG` (tag NULL) or `LANG tag`. Returns its octets. */
size_t language_reply(const char *tag, char reply[LANGUAGE_REPLY_MAX]);

#endif
