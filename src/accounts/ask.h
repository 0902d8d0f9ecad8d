/* ask - takes a password, or another secret, from a terminal, or from standard input. Never from arguments or the
 * environment, which others can see. Blocks. */
#ifndef POPGATE_ACCOUNTS_ASK_H
#define POPGATE_ACCOUNTS_ASK_H

#include <stdbool.h>

#include "common/secret.h"

#define ASK_MAX 511 /* octets that crypt(3) takes */

/* Where standard input is a terminal: asks for `what` of the user twice, without echo. Else its next line. *why_r: what
 * is wrong with it, in words that follow on "it". */
int ask_secret(const char *what, const char *user, struct secret *secret_r, const char **why_r);

/* Whether all of standard input that is at hand was asked for: true of a terminal, and where nothing but empty lines is
 * left. */
bool ask_is_done(void);

#endif
