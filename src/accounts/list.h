/* list - shows accounts, without secrets. */
#ifndef POPGATE_ACCOUNTS_LIST_H
#define POPGATE_ACCOUNTS_LIST_H

#include <stdio.h>

#include "common/account.h"

/* A table: user, what proves it, number of devices, where it leads, whether it is disabled. */
void list_accounts(const struct accounts *accounts, const struct conf *conf, FILE *stream);
/* The same for programs: a line each, without a heading, of fields with tabs between, which no field holds: user, what
 * proves it, number of devices, backend, user upstream, folder, what opens the mailbox, `disabled`. */
void list_accounts_tsv(const struct accounts *accounts, const struct conf *conf, FILE *stream);
/* A name as it may be sent to a terminal. */
void list_name(const char *name, char *out, size_t size);

#endif
