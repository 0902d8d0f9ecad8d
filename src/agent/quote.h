/* quote - a provider's own words for the log, without the secrets that it may repeat. Pure. Children of the agent, and
 * the verb `oauth`. */
#ifndef POPGATE_AGENT_QUOTE_H
#define POPGATE_AGENT_QUOTE_H

#include <stddef.h>

/* Secrets of a request, as they are before they are encoded. */
enum quote_secret {
	QUOTE_CLIENT,	 /* of the application */
	QUOTE_REFRESH,	 /* the refresh token */
	QUOTE_CODE,	 /* of a browser's or device's login */
	QUOTE_VERIFIER,	 /* of PKCE */
	QUOTE_ASSERTION, /* signed by the application's key */
	QUOTE_BASIC,	 /* identifier and secret in base64, as in the header */
	QUOTE_SECRETS
};

struct quote_secrets {
	const char *texts[QUOTE_SECRETS]; /* NULL: it has none */
};

/* Writes what may be shown of a text, harmless, and cut as text_harmless() does: nothing where one of the secrets is in
 * it, encoded as a form or not. Whatever else could be one (a run of QUOTE_RUN octets or more of those that tokens
 * and encodings are made of) becomes "...", but for words, host names and GUIDs that are no piece of these secrets. */
void quote_text(const char *text, const struct quote_secrets *secrets, char *shown, size_t room);

#define QUOTE_RUN 20

#endif
