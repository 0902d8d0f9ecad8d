/* redirect - where a browser comes back to after a login (RFC 8252): one listener on 127.0.0.1, which takes one answer;
 * and the reading of that answer. Blocks as its deadline says. */
#ifndef POPGATE_AGENT_REDIRECT_H
#define POPGATE_AGENT_REDIRECT_H

#include <stddef.h>
#include <stdint.h>

#include <popgate/plugin.h>

#define REDIRECT_PATH "/"  /* what is asked for where the address has no path */
#define REDIRECT_CODE 4096 /* octets of a code, with its NUL */

/* Listens on that port of 127.0.0.1, 0: any; *port_r is which. The descriptor, or -1 with an error. */
int redirect_listen(unsigned port, unsigned *port_r, struct popgate_error *error);
/* Waits for the browser on the listener, or for a line on `input` (-1: none) that has its address. Only what has this
 * state counts; anything else is answered and passed over. code_r gets the code. 0, or -1: the person or the provider
 * said no, or the deadline has passed. */
int redirect_await(int listener, int input, const char *state, int64_t deadline, char code_r[REDIRECT_CODE],
		   struct popgate_error *error);
/* Reads the query of an address: 0: the code; 1: it is none, or another state; -1: a refusal, with words. Pure. */
int redirect_read(const char *query, const char *state, char code_r[REDIRECT_CODE], struct popgate_error *error);

#endif
