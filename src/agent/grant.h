/* grant - the requests to a provider (RFC 6749, 8628). Children of the agent, and the verb
 * `oauth`. Blocks, HTTP_TIME at most for each. */
#ifndef POPGATE_AGENT_GRANT_H
#define POPGATE_AGENT_GRANT_H

#include "agent/answer.h"
#include "agent/oauth.h"
#include "state/token.h"

/* What is exchanged for a token. */
struct grant {
	enum { GRANT_BY_REFRESH, GRANT_BY_CLIENT, GRANT_BY_DEVICE, GRANT_BY_CODE } by;
	const char *code;     /* DEVICE, CODE */
	const char *verifier; /* CODE: of PKCE */
	const char *redirect; /* CODE: as it was asked for */
};

/* Asks for a token. On OK what came stands in *token; a refresh token that was there is replaced only by another, which
 * is all that SPOILED brings. All else leaves it alone. Otherwise error has words. *wait_r: seconds that the provider
 * asks to wait; 0: none. */
enum grant_result grant_ask(const struct oauth *oauth, const struct conf_provider *provider, const struct grant *grant,
			    struct token *token, int64_t *wait_r, struct popgate_error *error);
/* Begins a login by device; *device_r becomes the caller's to clear. OK, DENIED or FAILED. */
enum grant_result grant_begin_device(const struct oauth *oauth, const struct conf_provider *provider,
				     struct grant_device *device_r, struct popgate_error *error);

#endif
