/* oauth - what is said with access tokens, and about them: OAUTHBEARER (RFC 7628) and XOAUTH2. Pure. */
#ifndef IMAP_OAUTH_H
#define IMAP_OAUTH_H

#include <stdbool.h>
#include <stddef.h>

#include <popgate/plugin.h>

/* The server that a token is shown to. */
struct oauth_place {
	const char *host;
	unsigned port;
};

/* Whether it can be a token at all (RFC 6750), and the user be named beside it. */
bool oauth_is_sound(const char *user, const unsigned char *token, size_t size);
/* The message that shows the token, in base64; a new string, to be wiped. NULL: no memory. */
char *oauth_bearer(const char *user, const char *token, const struct oauth_place *place);
char *oauth_xoauth2(const char *user, const char *token);

/* Why a server refuses a token, by its challenge, as it came. */
struct oauth_refusal {
	const char *word; /* static; NULL: none that is known */
	enum popgate_status status;
};
struct oauth_refusal oauth_read_refusal(const char *challenge, size_t size);

#endif
