/* conf_double - finds the first key that stands twice in one group, to name
 * it: libconfig refuses the file, but tells only the line. Pure. */
#ifndef POPGATE_COMMON_CONF_DOUBLE_H
#define POPGATE_COMMON_CONF_DOUBLE_H

#include "common/conf_scan.h"

struct conf_double_key {
	struct conf_double_key *next; /* an earlier key of the same group */
	char *name, *file;
	unsigned line;
};

struct conf_double_group {
	struct conf_double_group *outer;
	struct conf_double_key *keys;
};

/* Zero-initialise; end with conf_doubles_free. */
struct conf_doubles {
	struct conf_double_group *group; /* the one being read; NULL before the first token */
	struct conf_double_key *again;	 /* the second of the two keys, once found */
	char *first_file;
	unsigned first_line;
};

/* Takes each token in turn. Returns 0, or -1 without memory. */
int conf_doubles_note(struct conf_doubles *doubles, const struct conf_token *token);
void conf_doubles_free(struct conf_doubles *doubles);

#endif
