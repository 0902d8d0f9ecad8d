/* http - one POST to a provider, by libcurl: https with a verified peer, bounded in size and time, no redirect
 * followed. Children of the agent, and the verb `oauth`.
 *
 * libcurl brings two dozen libraries with it; it is loaded where it is needed alone, so that sessions are spared. */
#ifndef POPGATE_AGENT_HTTP_H
#define POPGATE_AGENT_HTTP_H

#include <popgate/plugin.h>

#include "common/conf.h"
#include "common/secret.h"

#define HTTP_TIME 15000 /* milliseconds for the whole */

struct http_request {
	const char *url, *body;
	size_t size;	    /* of the body */
	const char *header; /* one more line of the head; NULL: none */
};

struct http_answer {
	long status;
	int64_t retry_after; /* seconds that the server asks to wait; 0: it asks for nothing */
	struct secret body;
};

/* Loads libcurl; before a sandbox is entered. 0, or -1 with the remedy. */
int http_load(struct popgate_error *error);
/* Sends a form by POST. *answer_r becomes the caller's to clear. 0, or -1: TEMP; PERM: not https. */
int http_post(const struct conf_provider *provider, const struct http_request *request, struct http_answer *answer_r,
	      struct popgate_error *error);
void http_clear(struct http_answer *answer);

#endif
