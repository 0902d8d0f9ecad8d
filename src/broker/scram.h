/* scram - server side of SCRAM-SHA-1 and SCRAM-SHA-256, with and without channel binding (RFC 5802, 7677, 9266), by GNU
 * libgsasl. No I/O. Broker process, the only place in src/ that sees libgsasl. */
#ifndef POPGATE_BROKER_SCRAM_H
#define POPGATE_BROKER_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mechanism.h"
#include "common/scram_keys.h"

struct scram_library; /* libgsasl, once in a process */
struct scram;	      /* one exchange */

/* NULL: no memory, or built without libgsasl. Reads no file. */
struct scram_library *scram_library_new(void);
void scram_library_free(struct scram_library **library);

/* Finds salt and iterations of a name, as the client wrote it, or, with `whole`, when they are to be compared with a
 * proof, the keys too. 0, or -1: no memory. For a name without keys it gives some that nobody can prove to know, which
 * look like anybody's. */
typedef int scram_find_fn(void *context, const char *name, bool whole, struct scram_keys *keys_r);

#define SCRAM_BINDING_MAX 256

/* What of TLS may be bound to; size 0: nothing. */
struct scram_binding {
	const unsigned char *data; /* SCRAM_BINDING_MAX at most */
	size_t size;
	bool exporter; /* tls-exporter, else tls-unique */
};

/* mechanism is one of the four. With something to bind to, a client who says that we offered nothing to bind to is
 * refused: somebody has kept it from him. NULL: no memory. */
struct scram *scram_new(struct scram_library *library, enum mechanism mechanism, const struct scram_binding *binding,
			scram_find_fn *find, void *context);
/* Wipes and frees. */
void scram_free(struct scram **scram);

enum scram_event {
	SCRAM_MORE,	 /* the client's first message was taken: send the reply */
	SCRAM_PROVED,	 /* its last one was right: send the reply, which proves us */
	SCRAM_WRONG,	 /* not so: password, nonce or binding */
	SCRAM_MALFORMED, /* the client broke the syntax */
	SCRAM_NO_MEMORY
};

/* Takes the client's message. *reply_r, NUL-terminated, lives until the next call. */
enum scram_event scram_step(struct scram *scram, const void *data, size_t size, const char **reply_r);
/* What was wrong beside name and password, for the log; NULL: nothing that can be told. */
const char *scram_fault(const struct scram *scram);
/* From MORE on: who he says he is, and for whom he wants to act; NULL: nobody else. */
const char *scram_name(const struct scram *scram);
const char *scram_authzid(const struct scram *scram);

/* The keys of a password with this salt, which is in keys already, as are the iterations. 0, or -1: no password for
 * SCRAM (RFC 4013), or no memory. */
int scram_derive(enum scram_kind kind, const char *password, struct scram_keys *keys);
enum scram_kind scram_kind_of(enum mechanism mechanism);

#endif
