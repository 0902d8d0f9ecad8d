/* list - shows accounts and devices, without secrets. */
#ifndef POPGATE_ACCOUNTS_LIST_H
#define POPGATE_ACCOUNTS_LIST_H

#include <stdio.h>

#include "common/account.h"

/* A table: user, what proves it, number of devices, where it leads, whether it is disabled. */
void list_accounts(const struct accounts *accounts, const struct conf *conf, FILE *stream);
/* The names of an account's devices, one a line. */
void list_devices(const struct account *account, FILE *stream);

#endif
