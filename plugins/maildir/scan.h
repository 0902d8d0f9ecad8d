/* scan - what lies in new/ and cur/. */
#ifndef MAILDIR_SCAN_H
#define MAILDIR_SCAN_H

#include <stdbool.h>

#include "drop.h"

/* Fills drop->messages with all that is there, and makes them findable. 0, or -1 with TEMP or PERM. */
int scan_all(struct drop *drop, struct popgate_error *error);
/* Finds the files of the messages anew, by their base names; those that are not there become MESSAGE_ABSENT, and of
 * several files the one that was listed counts. What has come since is not looked at. 0, or -1 with TEMP or PERM. */
int scan_again(struct drop *drop, struct popgate_error *error);
/* Opens a message's file to be read, wherever it lies by now. Returns the descriptor and its size, or -1: GONE, or
 * what is wrong with this one (PERM, TEMP). */
int scan_open(struct drop *drop, size_t position, uint64_t *size_r, struct popgate_error *error);

#endif
