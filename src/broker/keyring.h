/* keyring - the keys of SCRAM by name: an account's own, or made of its password, or, for a name that has none,
 * some that look like anybody's and are the same each time. Broker process. */
#ifndef POPGATE_BROKER_KEYRING_H
#define POPGATE_BROKER_KEYRING_H

#include <stdbool.h>

#include "common/account.h"
#include "common/scram_keys.h"

struct keyring;

/* accounts outlives it. Reads what this machine is known by, so that the salts of names that are not there stay the
 * same over restarts: before the sandbox. NULL: no memory, no random numbers. */
struct keyring *keyring_new(const struct accounts *accounts, const char *path);
/* Wipes and frees. */
void keyring_free(struct keyring **keyring);

/* account NULL: there is none of this name. Without `whole` salt and iterations alone count. What is made of a
 * password, which takes up to a fifth of a second, is kept. 0, or -1: no memory. */
int keyring_find(struct keyring *keyring, const struct account *account, const char *name, enum scram_kind kind,
		 bool whole, struct scram_keys *keys_r);

#endif
