/* book - the accounts file while it is edited: nobody else edits it meanwhile, and it is replaced as a whole or not at
 * all. Blocks for file I/O. */
#ifndef POPGATE_ACCOUNTS_BOOK_H
#define POPGATE_ACCOUNTS_BOOK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "accounts/edit.h"
#include "common/account.h"

struct book {
	const struct conf *conf;
	struct conf_report *report;
	char *path; /* without links */
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
/* Replaces the file, if the text reads back as what the accounts are to be; else nothing is changed. 0, or -1 with a
 * fault in report. */
int book_save(struct book *book);

/* The position of a user's account. -1: there is none, with a fault in report. */
int book_find(struct book *book, const char *user, size_t *account_r);
/* The changes. 0, or -1 with a fault in report. The strings are copied. */
enum book_key { BOOK_HASH, BOOK_SCRAM_SHA_1, BOOK_SCRAM_SHA_256, BOOK_SECRET };
int book_set(struct book *book, size_t account, enum book_key key, const char *value);
int book_disable(struct book *book, size_t account, bool disabled);
int book_remove(struct book *book, size_t account);
int book_add_device(struct book *book, size_t account, const char *name, const struct device_key *key);
int book_remove_device(struct book *book, size_t account, const char *name);
/* group: as edit_add_account takes it; it says what *account says, which is taken over, also on failure. */
int book_add(struct book *book, const char *group, struct account *account);

#endif
