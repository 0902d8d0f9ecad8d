/* same - whether two readings of accounts say the same. Pure. */
#ifndef POPGATE_ACCOUNTS_SAME_H
#define POPGATE_ACCOUNTS_SAME_H

#include <stdbool.h>

#include "common/account.h"

/* All but the line that they stand at. */
bool account_same(const struct account *a, const struct account *b);
/* The same accounts in the same order. */
bool accounts_same(const struct accounts *a, const struct accounts *b);

#endif
