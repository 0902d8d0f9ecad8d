/* account_table - how a table of accounts is made. For conf_accounts. */
#ifndef POPGATE_COMMON_ACCOUNT_TABLE_H
#define POPGATE_COMMON_ACCOUNT_TABLE_H

#include "common/account.h"

/* What an account in the file may hold: keys of the table, and those that are read beside it (ends with NULL). */
extern const struct popgate_key account_table_keys[];
extern const char *const account_table_others[];

/* What the table says of a key. NULL: it is none, or is read beside it. */
const struct popgate_key *account_table_key(const char *name);
/* Whether the text may be a user's or a device's name. */
bool account_is_name(const char *text);

/* An empty one, with room for so many. NULL: no memory. */
struct accounts *account_table_new(size_t room);
/* Adds one, and takes over what it points to. NULL, or the account that has the same name already: then nothing is
 * taken. */
const struct account *account_table_add(struct accounts *accounts, const struct account *account);
/* Wipes and frees what it points to. */
void account_clear(struct account *account);
/* Changes what the two say of a key of the file. Of the keys that say what opens the mailbox, an account holds one: it
 * changes hands if either has it by this key. */
void account_swap(struct account *a, struct account *b, const char *key);

/* A key of the file, and what it is to say, as a command line has it. Of a key that takes a list each says one element
 * of it, else a key stands once. */
struct account_value {
	const char *key, *text;
};

/* Whether the key takes a list, and whether (each of) its value stands in quotes. */
bool account_table_lists(const char *key);
bool account_table_quotes(const char *key);
/* Makes an account of values, by the checks of the file and in their words; faults begin with `source`. Not asked is
 * what only the whole can tell: whether anything proves it. A value whose text is NULL is left out. 0, or -1 with
 * faults in report, and nothing to clear. */
int account_table_read(const struct conf *conf, const char *source, const char *user,
		       const struct account_value *values, size_t count, struct account *account_r,
		       struct conf_report *report);

#endif
