/* book - the accounts file while it is edited: nobody else edits it meanwhile, and it is replaced as a whole or not at
 * all. Blocks for file I/O. */
#ifndef POPGATE_ACCOUNTS_BOOK_H
#define POPGATE_ACCOUNTS_BOOK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "accounts/edit.h"
#include "common/account_table.h"

struct book {
	const struct conf *conf;
	struct conf_report *report;
	char *path; /* without links */
	char *next; /* what is to take its place; NULL: that is not written */
	int folder; /* where it is; its lock is ours */
	bool fresh; /* the file is not there yet */
	struct stat status;
	struct edit edit;	   /* the text as it is to be */
	struct accounts *accounts; /* what it is to say */
};

/* Waits until nobody else edits the file that conf names, and reads it; one that is not there is an empty one, where
 * `make` says so. 0, or -1 with a fault in report. End with book_close in any case. */
int book_open(struct book *book, const struct conf *conf, bool make, struct conf_report *report);
void book_close(struct book *book);
/* Takes accounts over that the text has been given, behind the others: what they point to is the book's. 0, or -1: no
 * memory, and nothing is taken. */
int book_push(struct book *book, struct account *more, size_t count);
/* Reads the text of an open file, whose size is known. The caller frees it, once it is wiped. 0, or -1 with *why_r. */
int book_read_text(int fd, size_t size, struct edit *text_r, const char **why_r);
/* Writes the new file beside the old one, which stays, and reads it back: it must say what the accounts are to be. 0,
 * or -1 with a fault in report. */
int book_write(struct book *book);
/* Puts what was written in the old file's place. 0, with a fault in report if that may not outlast a loss of power; or
 * -1 with a fault in report, and nothing is changed. */
int book_replace(struct book *book);

/* The position of a user's account. -1: there is none, with a fault in report. */
int book_find(struct book *book, const char *user, size_t *account_r);
/* The changes. 0, or -1 with a fault in report; the book is not to be saved then. The strings are copied. */
/* Each value takes the place of what the account says of its key. They are judged as the file is. */
int book_set(struct book *book, size_t account, const struct account_value *values, size_t count);
/* That the key does not stand there is no fault. */
int book_unset(struct book *book, size_t account, const char *key);
/* Behind all others. */
int book_add(struct book *book, const char *user, const struct account_value *values, size_t count);
/* All accounts of the file at `path`, which is one like the book's, as they stand there. */
int book_import(struct book *book, const char *path, size_t *count_r);
int book_remove(struct book *book, size_t account);
int book_add_device(struct book *book, size_t account, const char *name, const struct device_key *key);
/* A new key in the place of the one that it has. */
int book_renew_device(struct book *book, size_t account, const char *name, const struct device_key *key);
int book_remove_device(struct book *book, size_t account, const char *name);

#endif
