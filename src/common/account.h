/* account - local accounts: who may log in here, with what, and what opens his mailbox upstream. Read from one file of
 * its own (conf_accounts), found by name. Pure but for reading. Broker, `popgate check`, and the verbs that edit the
 * file.
 *
 * Names are compared without regard to ASCII case. */
#ifndef POPGATE_COMMON_ACCOUNT_H
#define POPGATE_COMMON_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/device.h"
#include "common/network.h"

/* What can be proved against; bits. */
#define ACCOUNT_HASH	      1u  /* a password's hash by crypt(3) */
#define ACCOUNT_DEVICES	      2u  /* device passwords */
#define ACCOUNT_SCRAM_SHA_1   4u  /* keys of RFC 5802 */
#define ACCOUNT_SCRAM_SHA_256 8u  /* likewise, RFC 7677 */
#define ACCOUNT_SECRET	      16u /* the password itself: for APOP and CRAM-MD5, and anything else */

struct account_device {
	char *name; /* the owner's word for it */
	struct device_key key;
};

struct account {
	char *user;
	bool disabled;
	/* What it is proved with; NULL: not so. */
	char *hash;			   /* crypt(3) */
	char *scram_sha_1, *scram_sha_256; /* RFC 5803's form without its name: "ITERATIONS:SALT$STORED:SERVER" */
	char *secret;
	struct account_device *devices;
	size_t device_count;
	/* Where it leads. */
	size_t backend;		     /* index in conf.backends; ACCOUNT_BY_ROUTE: as the routes say for its name */
	char *upstream_user;	     /* NULL: as the route says, or the account's own name */
	char *folder;		     /* NULL: the backend's */
	struct conf_folders folders; /* that its name may ask for; none: as the route says, if that leads */
	struct conf_source source;
	/* What it may. */
	struct network *networks; /* of the client; none: all */
	size_t network_count;
	unsigned max_sessions; /* at a time; 0: no limit */
	uint64_t max_octets;   /* of replies a day (UTC); 0: no limit */
	unsigned login_delay;  /* seconds between two logins (RFC 2449, LOGIN-DELAY); 0: none */
	unsigned line;
};

#define ACCOUNT_BY_ROUTE SIZE_MAX

struct accounts {
	struct account *items; /* in the file's order */
	size_t count;
	uint32_t *slots; /* index + 1; 0: free */
	size_t slot_count;
	unsigned proofs; /* what any account has */
};

/* Reads the file that conf names (conf.accounts_file). NULL with at least one fault in report. A file that others may
 * read is a fault. */
struct accounts *accounts_read(const struct conf *conf, struct conf_report *report);
void accounts_free(struct accounts **accounts);
/* NULL: there is none; accounts may be NULL. */
const struct account *accounts_find(const struct accounts *accounts, const char *user);
/* What an account can be proved with. */
unsigned account_proofs(const struct account *account);

#endif
