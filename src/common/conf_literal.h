/* conf_literal - the true values of the integers in a configuration, read
 * again from the source. libconfig 1.5 makes 705032704 of `5000000000`. */
#ifndef POPGATE_COMMON_CONF_LITERAL_H
#define POPGATE_COMMON_CONF_LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf_scan.h"

struct conf_literal {
	int64_t value;
	bool beyond; /* 64 bits: faulted, no value */
};

/* Zero-initialise; end with conf_literals_free. */
struct conf_literals {
	struct conf_literal *values; /* in the order in which they stand, included files at their place */
	size_t count, room;
};

/* Reads [-+]digits or 0x..., with or without L or LL. Returns 0, or -1 beyond 64 bits. Pure. */
int conf_literal_parse(const char *text, size_t size, int64_t *value_r);
/* Notes an integer token's value. Beyond 64 bits: faults and goes on. Returns -1 without memory. */
int conf_literals_note(struct conf_literals *literals, const struct conf_reader *reader,
		       const struct conf_token *token);
/* Gives every integer below `root` its true value; one beyond 64 bits gets a
 * hook, for conf_keys to pass it over. Returns 0, or -1 with a fault when the
 * tree and the literals don't fit: the file was changed meanwhile. */
int conf_literals_apply(const struct conf_literals *literals, const struct conf_reader *reader,
			struct config_setting_t *root);
void conf_literals_free(struct conf_literals *literals);

#endif
