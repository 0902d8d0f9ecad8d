/* drop - one open maildrop: what open() made and the later calls share. */
#ifndef MAILDIR_DROP_H
#define MAILDIR_DROP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "conf.h"
#include "messages.h"

struct drop {
	const struct maildir_conf *conf;
	struct popgate_session *session;
	char *user, *folder_name; /* the drop's own; the folder's canonical name */
	bool proved;		  /* by the host's account: no password counts */
	struct stat proof;	  /* the file that the password was proved against, where one was */
	int top;		  /* the Maildir; -1 where not open, as the others */
	int folder;		  /* the maildrop's folder: the Maildir or one of its Maildir++ folders */
	int fresh, cur;		  /* its new/ and cur/ */
	struct messages messages;
	char *block; /* what a message is read through; NULL: none was */
};

/* Opens the user's folders. 0, or -1 with PERM or TEMP; what is open is closed by drop_close. */
int drop_open(struct drop *drop, struct popgate_error *error);
/* Forgets messages and folders. */
void drop_close(struct drop *drop);
/* The folder that a message's file lies in. */
int drop_place(const struct drop *drop, const struct message *message);
/* Whether the client has gone or the deadline has passed: 0, or -1 with STOPPED or TEMP. Never waits. */
int drop_look_up(const struct drop *drop, int64_t deadline, struct popgate_error *error);

#endif
