/* options - the command lines of the verbs that edit accounts. Each key of an account has the option of its name, out
 * of the table that the file is read by. */
#ifndef POPGATE_ACCOUNTS_OPTIONS_H
#define POPGATE_ACCOUNTS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/account_table.h"

/* Which options a verb takes, beside those that all take; bits. */
#define OPTIONS_SCRAM 1u
#define OPTIONS_KEYS  2u /* of an account */
#define OPTIONS_NEW   4u /* how a new one is proved */
#define OPTIONS_UNSET 8u
#define OPTIONS_TSV   16u

struct accounts_options {
	const char *file; /* NULL: the built-in one */
	bool help, reload, scram, tsv;
	const char *device;
	bool no_password;
	struct account_value *values; /* in their order; text NULL: to be asked for */
	size_t value_count;
	const char **unset; /* keys, which are unset before values are set */
	size_t unset_count;
	const char *why; /* what is wrong, if getopt has not said it; NULL */
	/* What is no option. */
	char **words;
	int word_count;
};

/* Fills *options, which is all zero. 0, or -1: one is unknown, is not among `takes`, or lacks its argument; or there is
 * no memory. Words may stand before options; they move in argv. End with accounts_options_free in any case. */
int accounts_options_read(struct accounts_options *options, int argc, char **argv, unsigned takes);
void accounts_options_free(struct accounts_options *options);
/* Whether a key has a value. */
bool accounts_options_have(const struct accounts_options *options, const char *key);

#endif
