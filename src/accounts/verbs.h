/* verbs - `popgate passwd` and `popgate account`: they edit the accounts file. No password is taken from arguments or
 * the environment. */
#ifndef POPGATE_ACCOUNTS_VERBS_H
#define POPGATE_ACCOUNTS_VERBS_H

#include "common/account.h"
#include "common/conf.h"

/* What other parts of popgate do for the verbs. */
struct accounts_help {
	/* Has a running popgate of this configuration take up what has changed; returns an enum process_exit. */
	int (*reload)(struct conf *conf);
	/* Tells what will keep these accounts from their mailboxes. */
	void (*judge)(const struct conf *conf, const struct accounts *accounts, struct conf_report *report);
};

/* The arguments behind `popgate`, the verb first. Return an enum process_exit. */
int accounts_passwd(int argc, char **argv, const struct accounts_help *help);
int accounts_account(int argc, char **argv, const struct accounts_help *help);

extern const char accounts_passwd_help[], accounts_account_help[];

#endif
