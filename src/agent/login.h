/* login - `popgate oauth login`: how a person lets popgate read a mailbox, in a terminal. Blocks. */
#ifndef POPGATE_AGENT_LOGIN_H
#define POPGATE_AGENT_LOGIN_H

#include "agent/grant.h"

#define LOGIN_PATIENCE 1800000 /* milliseconds that a person has */

/* What is said first, once there is something to do: user, provider. */
#define LOGIN_HEADLINE "To let popgate open the mailbox of %s at %s:\n\n"

struct login_options {
	const struct oauth *oauth;
	const struct conf_provider *provider;
	const char *user;    /* whose mailbox popgate is to open */
	const char *mailbox; /* upstream, as a hint for the provider; NULL: not known */
	unsigned port;	     /* of the browser's redirect; 0: any */
};

/* Shows a code to type in elsewhere, and waits until it was (RFC 8628). 0: *token is filled. -1: error has words. */
int login_by_device(const struct login_options *options, struct token *token, struct popgate_error *error);
/* Shows an address to open in a browser, and waits for the browser's answer on the loopback, or for its address line
 * to be pasted (RFC 8252, 7636). */
int login_by_browser(const struct login_options *options, struct token *token, struct popgate_error *error);

#endif
