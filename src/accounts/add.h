/* add - what the command line of a new account says, and what lacks in it. */
#ifndef POPGATE_ACCOUNTS_ADD_H
#define POPGATE_ACCOUNTS_ADD_H

#include "accounts/options.h"

/* Whether a password is to be asked for: nothing else proves it. */
bool add_asks(const struct accounts_options *options);
/* What is wrong with the options of a new account, or of one that is changed, before anything is asked or touched. 0,
 * or -1 with faults in report, which begin with `source`. */
int add_judge(const struct accounts_options *options, const char *user, const struct conf *conf, const char *source,
	      struct conf_report *report);

#endif
