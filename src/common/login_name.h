/* login_name - what a login name says: who the user is, and perhaps which of his folders he wants. Nothing in it is
 * ever a host to connect to. Pure; broker and `popgate session`. */
#ifndef POPGATE_COMMON_LOGIN_NAME_H
#define POPGATE_COMMON_LOGIN_NAME_H

#include <stdbool.h>

#include "common/conf.h"

#define LOGIN_NAME_MAX 1024 /* octets */

struct login_name {
	char user[LOGIN_NAME_MAX + 1];	 /* the one name that routes, accounts, limits and logs know him by */
	bool view;			 /* a folder is asked for */
	char folder[LOGIN_NAME_MAX + 1]; /* as the client wrote it, perhaps empty */
};

/* Reads what the client gave at a listener (index in conf->listeners; CONF_ANY_LISTENER: none). With percent_domain a
 * name without '@' has its domain behind the last '%'; without any it gets default_domain. The folder stands between
 * the first folder_delimiter and the domain, if the route of the user's name has that delimiter. 0, or -1: too long
 * with its domain. */
int login_name_read(const struct conf *conf, size_t listener, const char *given, struct login_name *name_r);

/* Whether anybody who gives this name, at some listener, is known by it. Else *read_r says as what it is read; it is
 * empty where it is too long. */
bool login_name_reaches(const struct conf *conf, const char *user, struct login_name *read_r);

/* The folder that this list allows by the name that the client wrote: the same one, INBOX in any case, or for a word
 * such as `junk` the special use \Junk. It is the list's. NULL: none. */
const char *login_name_folder(const struct conf_folders *folders, const char *asked);

#endif
