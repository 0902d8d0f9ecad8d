/* add - a new account out of the command line. */
#ifndef POPGATE_ACCOUNTS_ADD_H
#define POPGATE_ACCOUNTS_ADD_H

#include "accounts/book.h"
#include "accounts/options.h"

/* What is wrong with the options, before anything is asked or touched; NULL: nothing. */
const char *add_judge(const struct accounts_options *options, const char *user, const struct conf *conf);
/* Whether a password is to be asked for. */
bool add_asks(const struct accounts_options *options);
/* Adds it, without anything that proves it. 0, or -1 with a fault in the book's report. */
int add_account(struct book *book, const struct accounts_options *options, const char *user);
/* Whether the text may be a user's or a device's name, or a folder's. */
bool add_is_name(const char *text);

#endif
