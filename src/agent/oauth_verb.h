/* oauth_verb - `popgate oauth`: the logins, the state and the end of tokens, for a person at a terminal. */
#ifndef POPGATE_AGENT_OAUTH_VERB_H
#define POPGATE_AGENT_OAUTH_VERB_H

#include <stdbool.h>

#include "common/process.h"

extern const char oauth_verb_help[];

/* The verb with its words and options; argv[0] is "oauth". Becomes the service's user. Returns an enum process_exit. */
int oauth_verb(int argc, char **argv);

/* What was asked for. */
struct oauth_order {
	const char *action, *user; /* NULL: not given */
	bool device, browser;
	unsigned port;
	struct conf *conf;
	const struct process_identity *identity;
};

/* Does it; faults of the configuration are in report. Returns an enum process_exit. */
int oauth_verb_run(const struct oauth_order *order, struct conf_report *report);
/* Faults of keys, secrets and the store, for `popgate check`; makes nothing. There are providers. */
void oauth_verb_check(const struct conf *conf, const struct process_identity *identity, struct conf_report *report);

#endif
