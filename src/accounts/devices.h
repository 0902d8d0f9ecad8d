/* devices - shows the devices of accounts, and when and from where the password of each was used last. */
#ifndef POPGATE_ACCOUNTS_DEVICES_H
#define POPGATE_ACCOUNTS_DEVICES_H

#include <stdio.h>

#include "common/account.h"

/* A table: the devices of one account, or, with NULL, of all, with their users. What cannot be found out is shown as
 * unknown, and told on standard error. Gives up root: the record of last uses is the service user's. tsv: a line each
 * for programs, without a heading, of user, device, time and address with tabs between. */
void devices_list(const struct accounts *accounts, const struct account *one, struct conf *conf, bool tsv,
		  FILE *stream);

#endif
