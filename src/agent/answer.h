/* answer - what the answers of a provider mean (RFC 6749, 8628). Pure. Children of the agent, and the verb `oauth`. */
#ifndef POPGATE_AGENT_ANSWER_H
#define POPGATE_AGENT_ANSWER_H

#include <popgate/plugin.h>

#include "agent/json.h"
#include "agent/quote.h"
#include "state/token.h"

enum grant_result {
	GRANT_OK,
	GRANT_REVOKED,	 /* invalid_grant: what was shown is of no use any more */
	GRANT_DENIED,	 /* another fault that does not go away by itself, or the person said no */
	GRANT_PENDING,	 /* a device: the person has not answered yet */
	GRANT_SLOW_DOWN, /* likewise, and we ask too often */
	GRANT_FAILED,	 /* the provider cannot say now */
	GRANT_SPOILED	 /* likewise, but a refresh token came, and must be kept */
};

/* What begins a login by device. */
struct grant_device {
	struct secret code;
	char user_code[64];
	char url[512];		    /* where the person goes */
	char complete[512];	    /* the same with the code in it; "": there is none */
	int64_t lifetime, interval; /* seconds */
};

/* A token, of an answer with status 200. On OK what came stands in *token; a refresh token that was there is replaced
 * only by another, also on SPOILED. FAILED leaves all alone. now: seconds since 1970. Otherwise error has words. */
enum grant_result answer_token(const char *provider, const struct json *json, int64_t now, struct token *token,
			       struct popgate_error *error);
/* The words of any other answer, json NULL: it has none. Never OK or SPOILED. error repeats no secret of the request.
 */
enum grant_result answer_refusal(const char *provider, long status, const struct json *json,
				 const struct quote_secrets *sent, struct popgate_error *error);
/* A code for a login. *device, which is empty, becomes the caller's to clear. 0, or -1 with words. */
int answer_device(const char *provider, const struct json *json, struct grant_device *device,
		  struct popgate_error *error);

#endif
