/* device - passwords for devices: made here, 100 bits of chance each, so that a plain HMAC keeps them and a check costs
 * nothing. Pure but for the system's random numbers. */
#ifndef POPGATE_COMMON_DEVICE_H
#define POPGATE_COMMON_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_PASSWORD_SIZE 24 /* "abcde-fghij-klmno-pqrst", 20 letters of 5 bits, with its NUL */
#define DEVICE_SALT	     16
#define DEVICE_DIGEST	     32
#define DEVICE_TEXT_SIZE     70 /* base64 of the salt, '$', base64 of the digest, and a NUL */

/* HMAC-SHA-256 of the password, keyed with the salt. */
struct device_key {
	uint8_t salt[DEVICE_SALT], digest[DEVICE_DIGEST];
};

/* A new password, and what is kept of it. 0, or -1: no random numbers. */
int device_make(char password_r[DEVICE_PASSWORD_SIZE], struct device_key *key_r);
/* Whether it could be one by its form, in any case, with or without hyphens: others need not be compared. */
bool device_is_form(const unsigned char *password, size_t size);
/* Whether it is that password; takes as long wherever it differs. Case and hyphens don't count. */
bool device_check(const struct device_key *key, const unsigned char *password, size_t size);
/* As it stands in the file. */
void device_write(const struct device_key *key, char text_r[DEVICE_TEXT_SIZE]);
/* 0, or -1: not of that form. */
int device_read(const char *text, struct device_key *key_r);

#endif
