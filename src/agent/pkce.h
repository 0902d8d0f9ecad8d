/* pkce - proof keys for code exchange (RFC 7636), and other words that nobody can guess. Pure but for the random
 * generator. */
#ifndef POPGATE_AGENT_PKCE_H
#define POPGATE_AGENT_PKCE_H

#define PKCE_SIZE 44 /* base64url of 32 octets, and NUL */

/* 256 random bits as text: a verifier, a state. 0, or -1: there are none to be had. */
int pkce_random(char text[PKCE_SIZE]);
/* The challenge of a verifier, by the method S256. 0 or -1. */
int pkce_challenge(const char *verifier, char challenge[PKCE_SIZE]);

#endif
