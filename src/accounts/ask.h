/* ask - takes a password from a terminal, or from standard input. Never from arguments or the environment, which others
 * can see. Blocks. */
#ifndef POPGATE_ACCOUNTS_ASK_H
#define POPGATE_ACCOUNTS_ASK_H

#include "common/secret.h"

#define ASK_MAX 511 /* octets that crypt(3) takes */

/* Where standard input is a terminal: asks twice, without echo. Else its first line. *why_r: what is wrong with it. */
int ask_password(const char *user, struct secret *password_r, const char **why_r);

#endif
