/* scram_keys - what is kept of a password for SCRAM (RFC 5802, RFC 7677): enough to prove it, too little to log in
 * with. Pure but for the system's random numbers; making them takes a tenth of a second. */
#ifndef POPGATE_COMMON_SCRAM_KEYS_H
#define POPGATE_COMMON_SCRAM_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum scram_kind { SCRAM_SHA_1, SCRAM_SHA_256 };

#define SCRAM_DIGEST_MAX     32 /* octets of a key */
#define SCRAM_SALT_MAX	     64
#define SCRAM_SALT	     16 /* of those that are made here */
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 10000000
#define SCRAM_TEXT_SIZE	     256 /* of any that is read or written, with a NUL */

struct scram_keys {
	unsigned iterations;
	uint8_t salt[SCRAM_SALT_MAX];
	size_t salt_size;
	uint8_t stored[SCRAM_DIGEST_MAX], server[SCRAM_DIGEST_MAX]; /* scram_digest_size octets each */
};

/* Octets of the kind's digest. */
size_t scram_digest_size(enum scram_kind kind);
/* Makes them of a password that SASLprep (RFC 4013) leaves as it is, with a new salt. 0, or -1: no random numbers, no
 * memory. */
int scram_keys_make(enum scram_kind kind, const void *password, size_t size, unsigned iterations,
		    struct scram_keys *keys_r);
/* "ITERATIONS:SALT$STORED:SERVER" */
void scram_keys_write(enum scram_kind kind, const struct scram_keys *keys, char text_r[SCRAM_TEXT_SIZE]);
/* 0, or -1: not of that form, or of another kind. */
int scram_keys_read(enum scram_kind kind, const char *text, struct scram_keys *keys_r);

#endif
