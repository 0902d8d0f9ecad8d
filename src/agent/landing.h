/* landing - where a browser comes back to after a login (RFC 8252): listeners on the loopback, which take one answer.
 * The verb `oauth`. Blocks as its deadline says. */
#ifndef POPGATE_AGENT_LANDING_H
#define POPGATE_AGENT_LANDING_H

#include <stdint.h>

#include "agent/redirect.h"

#define LANDING_LISTENERS 2

struct landing {
	int listeners[LANDING_LISTENERS]; /* -1: not there */
	unsigned port;
};

/* Listens on that port of 127.0.0.1, 0: any; both: and on the same of ::1, where this machine has that. 0, and the
 * caller's to close, or -1 with an error. */
int landing_open(unsigned port, bool both, struct landing *landing_r, struct popgate_error *error);
void landing_close(struct landing *landing);
/* Waits for the browser, or for a line on `input` (-1: none) that has its address. Only what has the expected state
 * counts; anything else is answered and passed over, and a connection that says nothing holds up no other. code_r gets
 * the code. 0, or -1: the person or the provider said no, or the deadline has passed. */
int landing_await(const struct landing *landing, int input, const struct redirect_expected *expected, int64_t deadline,
		  char code_r[REDIRECT_CODE], struct popgate_error *error);

#endif
