/* redirect - what a browser brings back from a login (RFC 6749, section 4.1.2; RFC 9207). Pure. */
#ifndef POPGATE_AGENT_REDIRECT_H
#define POPGATE_AGENT_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include <popgate/plugin.h>

#define REDIRECT_PATH	 "/"  /* what is asked for where the address has no path */
#define REDIRECT_CODE	 4096 /* octets of a code, with its NUL */
#define REDIRECT_REQUEST 8192 /* and of a request's head */

/* What is waited for. */
struct redirect_expected {
	const char *state;
	const char *issuer; /* what the provider calls itself; NULL: not known */
	bool issuer_told;   /* each answer of the provider's says so */
};

/* Reads the query of an address. 0: code_r has the code. 1: it is none, or has another state, and does not count. -1: a
 * refusal, or an answer of another provider's, with words. */
int redirect_read(const char *query, const struct redirect_expected *expected, char code_r[REDIRECT_CODE],
		  struct popgate_error *error);
/* The same of an HTTP request's head, which is changed. */
int redirect_request(char *head, const struct redirect_expected *expected, char code_r[REDIRECT_CODE],
		     struct popgate_error *error);
/* The same of a line that was pasted, which is changed: the address at which a browser ended, or its query alone. */
int redirect_line(char *line, const struct redirect_expected *expected, char code_r[REDIRECT_CODE],
		  struct popgate_error *error);

#endif
