/* oauth - what is needed to get tokens: the providers with their secrets, and the key of the store. Agent, its
 * children, the verb `oauth`, and `popgate check`. */
#ifndef POPGATE_AGENT_OAUTH_H
#define POPGATE_AGENT_OAUTH_H

#include "agent/jwt.h"
#include "common/conf.h"
#include "common/message.h"
#include "common/secret.h"

struct oauth_client {
	struct secret secret; /* empty: it has none */
	struct jwt_key key;   /* likewise */
};

struct oauth {
	const struct conf *conf;
	struct secret key;	      /* of the store */
	struct oauth_client *clients; /* as conf->providers */
};

/* Reads secrets and keys, and loads what is needed; to be called before root is given up. conf outlives it, and has its
 * state_directory by then. NULL with faults in report. */
struct oauth *oauth_new(const struct conf *conf, struct conf_report *report);
void oauth_free(struct oauth **oauth);
/* Secrets don't outlive a fork: these are copies, in plain memory, for the moment of one. */
struct oauth_loan {
	unsigned char key[64], client[MESSAGE_SECRET_MAX], certificate[SECRET_MAX], signing[SECRET_MAX];
	size_t key_size, client_size, certificate_size, signing_size;
};

/* Copies what a child needs for this provider, before the fork; both sides wipe it after. */
void oauth_lend(const struct oauth *oauth, const struct conf_provider *provider, struct oauth_loan *loan_r);
/* In the child: makes them secrets again, has nothing of the other providers any more, and wipes the loan. 0 or -1. */
int oauth_take(struct oauth *oauth, const struct conf_provider *provider, struct oauth_loan *loan);
/* Whether the store can be used with this key; as the service's user. Makes it where it is missing. 0, or -1 with a
 * fault in report. */
int oauth_judge_store(const struct oauth *oauth, struct conf_report *report);
/* The same for a gateway that starts: a store that is damaged, or cannot be read now, is told to the log alone, for
 * those who need no token are to be served. */
int oauth_begin_store(const struct oauth *oauth, struct conf_report *report);
/* NULL: there is none of that name. */
const struct conf_provider *oauth_provider(const struct oauth *oauth, const char *name);
const struct oauth_client *oauth_client(const struct oauth *oauth, const struct conf_provider *provider);

#endif
