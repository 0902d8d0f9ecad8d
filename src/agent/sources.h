/* sources - whether the secrets of routes and accounts can be had from where they say. `popgate check`. */
#ifndef POPGATE_AGENT_SOURCES_H
#define POPGATE_AGENT_SOURCES_H

#include "common/account.h"
#include "common/conf.h"
#include "common/process.h"

/* Looks at each file and program as who serves: as root, it is that user for a moment. accounts NULL: there are none.
 * Credentials of systemd are there in its units alone, and not looked for. No secret is kept. */
void sources_judge(const struct conf *conf, const struct accounts *accounts, const struct process_identity *identity,
		   struct conf_report *report);

#endif
