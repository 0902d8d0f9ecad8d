/* token - what is known of one account's tokens, and how it is written down. Pure. */
#ifndef POPGATE_STATE_TOKEN_H
#define POPGATE_STATE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/secret.h"

#define TOKEN_MAX    8000 /* octets of each, so that both have room in one text */
#define TOKEN_REASON 150  /* and this, with a NUL */

/* Times in seconds since 1970, by a clock that may be set; 0: never. Zero-initialise. */
struct token {
	struct secret access;	 /* may be empty */
	struct secret refresh;	 /* likewise; always so where an application asks for itself */
	int64_t issued, expires; /* of access */
	int64_t login;		 /* when somebody logged in */
	int64_t retry;		 /* not to be asked for before */
	unsigned failures;	 /* in a row */
	bool revoked;		 /* of no use any more */
	unsigned refused;	 /* what the last failure was, as enum popgate_status; 0: not known */
	char reason[TOKEN_REASON];
	uint64_t serial; /* counts access tokens from token_begin() on; never 0 once there is one */
};

/* Whether it can stand in a request and on a line: visible ASCII, 1 to TOKEN_MAX octets. */
bool token_is_sound(const char *text, size_t size);
/* Its text. *text_r, which is empty, becomes the caller's to clear. 0 or -1: no memory, too long. */
int token_write(const struct token *token, struct secret *text_r);
/* Reads a text. *token, which is empty, becomes the caller's to clear. 0, or -1: it is none. */
int token_read(const struct secret *text, struct token *token_r);
void token_clear(struct token *token);
/* The serial number before the first, where nothing is known of any: those that follow are none that was there before
 * in the same place, of what was lost or removed. From the clock. */
uint64_t token_begin(void);

/* Notes why none was given; a status of 0 forgets it. The words are cut, and made printable ASCII. */
void token_refuse(struct token *token, unsigned status, const char *words);
/* Whether it may be given out: that is, not within the last minute and a half of its life, or the last half of a short
 * one. One that lives for half a minute or less is asked for each time. */
bool token_is_fresh(const struct token *token, int64_t now);
/* From when on a session looks for another: later than the above. */
int64_t token_old_from(const struct token *token);

#endif
