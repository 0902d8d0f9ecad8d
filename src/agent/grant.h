/* grant - the requests to a provider, and what its answers mean (RFC 6749, 8628). Children of the agent, and the verb
 * `oauth`. Blocks, HTTP_TIME at most for each. */
#ifndef POPGATE_AGENT_GRANT_H
#define POPGATE_AGENT_GRANT_H

#include "agent/oauth.h"
#include "agent/token.h"

enum grant_result {
	GRANT_OK,
	GRANT_REVOKED,	 /* invalid_grant: what was shown is of no use any more */
	GRANT_DENIED,	 /* another fault that does not go away by itself, or the person said no */
	GRANT_PENDING,	 /* a device: the person has not answered yet */
	GRANT_SLOW_DOWN, /* likewise, and we ask too often */
	GRANT_FAILED	 /* the provider cannot say now */
};

/* What is exchanged for a token. */
struct grant {
	enum { GRANT_BY_REFRESH, GRANT_BY_CLIENT, GRANT_BY_DEVICE, GRANT_BY_CODE } by;
	const char *code;     /* DEVICE, CODE */
	const char *verifier; /* CODE: of PKCE */
	const char *redirect; /* CODE: as it was asked for */
};

/* What begins a login by device. */
struct grant_device {
	struct secret code;
	char user_code[64];
	char url[512];		    /* where the person goes */
	char complete[512];	    /* the same with the code in it; "": there is none */
	int64_t lifetime, interval; /* seconds */
};

/* Asks for a token. On OK what came stands in *token; a refresh token that was there is replaced only by another. All
 * else leaves it alone. Otherwise error has words. *wait_r: seconds that the provider asks to wait; 0: none. */
enum grant_result grant_ask(const struct oauth *oauth, const struct conf_provider *provider, const struct grant *grant,
			    struct token *token, int64_t *wait_r, struct popgate_error *error);
/* Begins a login by device; *device_r becomes the caller's to clear. OK, DENIED or FAILED. */
enum grant_result grant_begin_device(const struct oauth *oauth, const struct conf_provider *provider,
				     struct grant_device *device_r, struct popgate_error *error);

#endif
