/* md5_proof - what clients who know a password make of a challenge with APOP (RFC 1939 section 7) and CRAM-MD5 (RFC
 * 2195). Pure. Broker process. */
#ifndef POPGATE_BROKER_MD5_PROOF_H
#define POPGATE_BROKER_MD5_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MD5_PROOF_SIZE 16
#define MD5_PROOF_TEXT 32 /* characters of its hexadecimal form */

/* 0, or -1: this OpenSSL computes no MD5, or there is no memory. */
int md5_proof_apop(const char *timestamp, const char *secret, uint8_t proof_r[MD5_PROOF_SIZE]);
int md5_proof_cram(const char *challenge, const char *secret, uint8_t proof_r[MD5_PROOF_SIZE]);
/* Reads the hexadecimal form. 0, or -1: it is none. */
int md5_proof_read(const unsigned char *text, size_t size, uint8_t proof_r[MD5_PROOF_SIZE]);
/* Takes as long wherever they differ. */
bool md5_proof_equal(const uint8_t a[MD5_PROOF_SIZE], const uint8_t b[MD5_PROOF_SIZE]);

#endif
