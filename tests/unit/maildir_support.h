/* maildir_support - a Maildir of one user in a folder of its own, and a drop of the maildir plugin in it. */
#ifndef POPGATE_TESTS_MAILDIR_SUPPORT_H
#define POPGATE_TESTS_MAILDIR_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../plugins/maildir/drop.h"

static char folder[] = "/tmp/popgate-maildir-XXXXXX";
static struct maildir_conf conf;
static struct drop drop;
static struct popgate_error error;

/* Where that lies in the Maildir; valid until the next call but one. */
static inline const char *support_path(const char *name)
{
	static char paths[2][200];
	static unsigned turn;

	turn = (turn + 1) % 2;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/Maildir/%s", folder, name);
	return paths[turn];
}

/* An empty Maildir. 0 or -1. */
static inline int support_make(const struct popgate_host *host)
{
	static const char *const parts[] = {"", "new", "cur", "tmp"};

	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	if (mkdtemp(folder) == NULL)
		return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		mkdir(support_path(parts[i]), 0700);
	conf = (struct maildir_conf){
	    .host = host, .mail = {folder, "Maildir"}, .folder = "INBOX", .uidl_format = "", .delete = CONF_EXPUNGE};
	return 0;
}

static inline int support_open(void)
{
	drop = (struct drop){.conf = &conf, .top = -1, .folder = -1, .fresh = -1, .cur = -1};
	drop.user = (char *)"ann";
	drop.folder_name = (char *)"INBOX";
	return drop_open(&drop, &error);
}

/* A test's teardown. */
static inline int support_remove(void **state)
{
	char command[100];

	(void)state;
	drop_close(&drop);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c): a test's own folder */
}

#endif
