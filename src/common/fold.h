/* fold - names in a digest, in small letters, so that all spellings of one are one. Pure. */
#ifndef POPGATE_COMMON_FOLD_H
#define POPGATE_COMMON_FOLD_H

#include <openssl/sha.h>

/* Feeds the name and a NUL, which keeps names apart. */
void fold_into(SHA256_CTX *context, const char *name);

#endif
