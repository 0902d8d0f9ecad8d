/* account_table - how a table of accounts is made. For conf_accounts. */
#ifndef POPGATE_COMMON_ACCOUNT_TABLE_H
#define POPGATE_COMMON_ACCOUNT_TABLE_H

#include "common/account.h"

/* What an account in the file may hold: keys of the table, and those that are read beside it (ends with NULL). */
extern const struct popgate_key account_table_keys[];
extern const char *const account_table_others[];

/* An empty one, with room for so many. NULL: no memory. */
struct accounts *account_table_new(size_t room);
/* Adds one, and takes over what it points to. NULL, or the account that has the same name already: then nothing is
 * taken. */
const struct account *account_table_add(struct accounts *accounts, const struct account *account);
/* Wipes and frees what it points to. */
void account_clear(struct account *account);

#endif
