/* plugin_asks - whether the plugins can do what routes and accounts ask of them. Spawner (routes), `popgate check`. */
#ifndef POPGATE_SESSION_PLUGIN_ASKS_H
#define POPGATE_SESSION_PLUGIN_ASKS_H

#include "common/account.h"
#include "session/plugin.h"

/* A fault in report for each route that asks for what its backend's plugin does not take; the set is loaded. */
void plugin_judge_routes(const struct plugin_set *set, const struct conf *conf, struct conf_report *report);
/* Likewise for each account, which a name's route may concern: the one that counts at all listeners. */
void plugin_judge_accounts(const struct plugin_set *set, const struct conf *conf, const struct accounts *accounts,
			   struct conf_report *report);

#endif
