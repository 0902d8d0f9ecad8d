/* proof - makes what is kept of a password. Takes a tenth of a second each. */
#ifndef POPGATE_ACCOUNTS_PROOF_H
#define POPGATE_ACCOUNTS_PROOF_H

#include "accounts/book.h"
#include "common/secret.h"

#define PROOF_HASH_SIZE 384

/* A yescrypt hash with the system's usual cost. 0 or -1. */
int proof_hash(const struct secret *password, char hash_r[PROOF_HASH_SIZE]);
/* Gives an account the password: its hash, the keys of SCRAM that it has (with scram: both), and the secret that it
 * has, so that the old one is good for nothing. 0, or -1 with a fault in the book's report. */
int proof_set(struct book *book, size_t account, const struct secret *password, bool scram);

#endif
