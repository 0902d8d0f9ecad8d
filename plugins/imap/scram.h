/* scram - the client's side of SCRAM (RFC 5802, RFC 7677), by GNU libgsasl. Never blocks.
 *
 * The server must prove that it knows the password too; whatever it says meanwhile is judged before it is believed. */
#ifndef IMAP_SCRAM_H
#define IMAP_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

struct scram;

struct scram_wish {
	bool sha_256;	      /* else SHA-1 */
	const char *user;     /* who authenticates */
	const char *acts_for; /* NULL: that one */
	const unsigned char *secret;
	size_t secret_size;
	/* Of the channel below, for the mechanisms that end in -PLUS. */
	const unsigned char *binding;
	size_t binding_size; /* 0: none */
	bool exporter;	     /* tls-exporter; else tls-unique */
};

/* Whether this build can do it. */
bool scram_is_there(void);
/* The mechanism's name. */
const char *scram_name(const struct scram_wish *wish);
/* Begins; the wish need live no longer. NULL: no memory, or the password is none that SASL takes. */
struct scram *scram_new(const struct scram_wish *wish);
void scram_free(struct scram **scram);

/* The first message; lives as long as scram. */
const char *scram_first(const struct scram *scram);
/* The second, after the server's first (size octets with a NUL behind them): a new string. NULL: *why_r says what is
 * wrong with that. */
char *scram_second(struct scram *scram, const char *challenge, size_t size, const char **why_r);
/* Judges the server's last message. NULL: it knows the password; else what is wrong. *refused_r: it says that ours is.
 */
const char *scram_judge(struct scram *scram, const char *challenge, size_t size, bool *refused_r);

#endif
