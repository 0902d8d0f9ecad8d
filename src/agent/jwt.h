/* jwt - the signed word by which an application proves itself with a key instead of a secret (RFC 7523, section 2.2).
 * Pure but for the random generator, and what reads the key. */
#ifndef POPGATE_AGENT_JWT_H
#define POPGATE_AGENT_JWT_H

#include <stdint.h>

#include "common/conf.h"
#include "common/secret.h"

#define JWT_BITS_LEAST 2048 /* RFC 7518, sections 3.3 and 3.5 */
#define JWT_BITS_MOST  8192

/* Both in PEM, the key RSA and the certificate's: as texts, for what a library makes of a key would be in each child.
 */
struct jwt_key {
	struct secret certificate, key;
};

/* Reads both out of their files, and judges them, for which it forks. 0, or -1 with a fault in report. */
int jwt_key_read(const struct conf_provider *provider, struct jwt_key *key_r, struct conf_report *report);
void jwt_key_clear(struct jwt_key *key);
/* The assertion of the client to the audience, good for ten minutes from `now` (seconds since 1970). *text_r, which is
 * empty, becomes the caller's to clear. 0 or -1. */
int jwt_assertion(const struct jwt_key *key, enum conf_assertion how, const char *client, const char *audience,
		  int64_t now, struct secret *text_r);

#endif
