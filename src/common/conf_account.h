/* conf_account - one account out of a group of libconfig's. Internal to conf. */
#ifndef POPGATE_COMMON_CONF_ACCOUNT_H
#define POPGATE_COMMON_CONF_ACCOUNT_H

#include "common/account_table.h"
#include "common/conf_reader.h"

#define CONF_ACCOUNT_WHAT "`accounts`"

/* Fills *account, which is all zero. 0, or -1 with every fault of the group; what was filled in is the caller's to
 * clear in either case. Whether anybody could come in, for nothing proves it, is not asked. */
int conf_account_read(const struct conf_reader *reader, const struct conf *conf, struct config_setting_t *group,
		      struct account *account);

#endif
