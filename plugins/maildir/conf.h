/* conf - a backend's settings: the key table and the checked values. */
#ifndef MAILDIR_CONF_H
#define MAILDIR_CONF_H

#include <crypt.h>

#include <popgate/plugin.h>

#include "path.h"

#define MAILDIR_VERSION "0.1.0"

enum conf_delete { CONF_EXPUNGE, CONF_FLAG, CONF_MOVE, CONF_KEEP };

/* A template of a path, taken apart. */
struct conf_path {
	char *base;	  /* the folder that is there for all users */
	const char *rest; /* the template below it */
};

/* An instance. Nothing of it changes after configure(). */
struct maildir_conf {
	const struct popgate_host *host;
	struct conf_path mail, passwords; /* passwords.base NULL: a password is no proof here */
	const char *folder;		  /* canonical: "INBOX" or as configured; owned by the host */
	char trash_name[PATH_ROOM];	  /* on the disk; empty: none */
	enum conf_delete delete;
	const char *uidl_format;	       /* empty: dovecot-uidlist is not looked at */
	char dummy[CRYPT_GENSALT_OUTPUT_SIZE]; /* what a password is tried against that has no hash */
};

extern const struct popgate_key conf_keys[];

/* Reads and checks the settings, and tells the host where sessions open files. Errors: PERM, naming the key. */
int conf_new(const struct popgate_host *host, const struct popgate_settings *settings, struct maildir_conf **conf_r,
	     struct popgate_error *error);
void conf_free(struct maildir_conf **conf);

#endif
