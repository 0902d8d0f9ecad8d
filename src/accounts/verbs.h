/* verbs - `popgate passwd` and `popgate account`: they edit the accounts file. No password is taken from arguments or
 * the environment. */
#ifndef POPGATE_ACCOUNTS_VERBS_H
#define POPGATE_ACCOUNTS_VERBS_H

#include "common/conf.h"

/* Has a running popgate of this configuration take up what has changed; returns an enum process_exit. */
typedef int accounts_reload_fn(struct conf *conf);

/* The arguments behind `popgate`, the verb first. Return an enum process_exit. */
int accounts_passwd(int argc, char **argv, accounts_reload_fn *reload);
int accounts_account(int argc, char **argv, accounts_reload_fn *reload);

extern const char accounts_passwd_help[], accounts_account_help[];

#endif
