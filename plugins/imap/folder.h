/* folder - folder names and strings as IMAP writes them. Pure. */
#ifndef IMAP_FOLDER_H
#define IMAP_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether text is valid UTF-8 without control characters. */
bool folder_is_clean(const char *text);
/* Whether text holds nothing but ASCII. */
bool folder_is_ascii(const char *text);
/* The name in modified UTF-7 (RFC 3501, 5.1.3); a new string, NULL: no memory. The name must be clean. */
char *folder_encode(const char *name);
/* The name that modified UTF-7 stands for; a new string, NULL: no memory, or malformed. */
char *folder_decode(const char *encoded);
/* text as a quoted string; a new string, NULL: no memory. Holds no CR, LF or NUL. */
char *folder_quote(const char *text);

#endif
