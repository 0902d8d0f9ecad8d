/* jwt - the signed word by which an application proves itself with a key instead of a secret (RFC 7523, section 2.2).
 * Pure but for the random generator. */
#ifndef POPGATE_AGENT_JWT_H
#define POPGATE_AGENT_JWT_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/secret.h"

struct jwt_key {
	X509 *certificate;
	EVP_PKEY *key; /* RSA, of the certificate */
};

/* Reads both out of their files. 0, or -1 with a fault in report. */
int jwt_key_read(const struct conf_provider *provider, struct jwt_key *key_r, struct conf_report *report);
void jwt_key_free(struct jwt_key *key);
/* The assertion of the client to the audience, good for ten minutes from `now` (seconds since 1970). *text_r, which is
 * empty, becomes the caller's to clear. 0 or -1. */
int jwt_assertion(const struct jwt_key *key, enum conf_assertion how, const char *client, const char *audience,
		  int64_t now, struct secret *text_r);

#endif
