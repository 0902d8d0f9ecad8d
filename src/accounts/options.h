/* options - the command lines of the verbs that edit accounts. */
#ifndef POPGATE_ACCOUNTS_OPTIONS_H
#define POPGATE_ACCOUNTS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_NETWORKS 64

struct accounts_options {
	const char *file; /* NULL: the built-in one */
	bool help, reload, scram;
	/* Of a new account. */
	const char *backend, *upstream_user, *folder, *auth_user;
	const char *secret_file, *secret_credential, *oauth;
	const char *networks[OPTIONS_NETWORKS];
	size_t network_count;
	const char *device;
	bool no_password, disabled;
	/* What is no option. */
	char **words;
	int word_count;
};

/* Fills *options, which is all zero; `adds`: those of a new account are taken too. 0, or -1: one is unknown or lacks
 * its argument, or there are too many. Words may stand before options; they move in argv. */
int accounts_options_read(struct accounts_options *options, int argc, char **argv, bool adds);

#endif
