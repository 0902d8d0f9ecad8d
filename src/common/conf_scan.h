/* conf_scan - walks a configuration file and what it includes, token by
 * token, just as libconfig's lexer does, ahead of libconfig itself.
 *
 * Needed for what libconfig 1.5 does silently or fatally: it wraps numbers, cuts
 * strings at NUL, takes a comment that is never closed for the end of the
 * file, and ends the whole process when @include names a directory. */
#ifndef POPGATE_COMMON_CONF_SCAN_H
#define POPGATE_COMMON_CONF_SCAN_H

#include <stddef.h>

#include "common/conf_reader.h"

enum conf_token_type {
	CONF_TOKEN_NAME, /* of a setting; never true or false */
	CONF_TOKEN_INTEGER,
	CONF_TOKEN_OPEN,  /* { */
	CONF_TOKEN_CLOSE, /* } */
	CONF_TOKEN_OTHER
};

struct conf_token {
	enum conf_token_type type;
	const char *file; /* as messages name it */
	unsigned line;
	const char *text; /* not terminated; valid during the call */
	size_t size;
};

/* Returns 0, or -1 to stop the walk. */
typedef int conf_scan_fn(void *context, const struct conf_token *token);

/* Walks the file reader->source; included files are looked for in `folder`, libconfig's
 * include directory. Syntax is not judged. Returns 0, or -1 with a fault: a file that can't
 * be read or is no regular file, a comment or string that isn't closed, NUL, or `each` said so. */
int conf_scan(const struct conf_reader *reader, const char *folder, conf_scan_fn *each, void *context);

/* Octets of the number that text starts with, 0 if none. *integer_r: it is no fraction. Pure. */
size_t conf_scan_number(const char *text, size_t size, int *integer_r);

#endif
