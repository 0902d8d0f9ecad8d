/* plugin_asks - see plugin_asks.h. */
#include "session/plugin_asks.h"

#include "common/route.h"

#define MOST_FAULTS 20 /* that are told of accounts: those of one backend are all alike */

struct asked {
	unsigned capability;
	const char *what;
};

/* In the order in which they are told. */
static const struct asked asked[] = {
    {POPGATE_TAKES_FOLDER, "a folder"},
    {POPGATE_TAKES_MASTER, "a master user (auth_user)"},
    {POPGATE_TAKES_TOKEN, "an OAuth token"},
    {POPGATE_TAKES_NONE,
     "a mailbox that opens without a password upstream, since a device's, or keys of SCRAM, open nothing "
     "there (give the account a secret upstream: popgate account set --upstream-secret, or --secret-file, "
     "--oauth, ...)"},
};

static unsigned asks_of_source(const struct conf_source *source)
{
	return (source->auth_user != NULL ? POPGATE_TAKES_MASTER : 0) |
	       (source->kind == CONF_SOURCE_OAUTH ? POPGATE_TAKES_TOKEN : 0);
}

/* The capability's words, where the plugin lacks one that is asked for; NULL: it has all. */
static const char *lacking(const struct plugin_backend *backend, unsigned asks)
{
	unsigned missing = asks & ~plugin_takes(backend->plugin, backend->instance);

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		if ((asked[i].capability & missing) != 0)
			return asked[i].what;
	return NULL;
}

void plugin_judge_routes(const struct plugin_set *set, const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->route_count; i++) {
		const struct conf_route *route = &conf->routes[i];
		const struct conf_backend *backend = &conf->backends[route->backend];
		unsigned asks = asks_of_source(&route->source) | (route->folders.count > 0 ? POPGATE_TAKES_FOLDER : 0);
		const char *what = lacking(&set->items[route->backend], asks);

		if (what != NULL)
			conf_report_add(report, route->file, route->line,
					"the route for `%.64s` asks for %s, which plugin %s of backend `%s` cannot do",
					route->users, what, backend->plugin, backend->name);
	}
}

/* Where the account leads, and what opens the mailbox there. -1: nowhere. */
static int find_place(const struct conf *conf, const struct account *account, size_t *backend_r,
		      const struct conf_source **source_r)
{
	size_t route;

	*backend_r = account->backend;
	*source_r = &account->source;
	if (account->backend != ACCOUNT_BY_ROUTE)
		return 0;
	if (route_find(conf, CONF_ANY_LISTENER, account->user, &route) != 0)
		return -1;
	*backend_r = conf->routes[route].backend;
	if (account->source.kind == CONF_SOURCE_CLIENT && account->source.auth_user == NULL)
		*source_r = &conf->routes[route].source;
	return 0;
}

void plugin_judge_accounts(const struct plugin_set *set, const struct conf *conf, const struct accounts *accounts,
			   struct conf_report *report)
{
	const unsigned no_password = ACCOUNT_DEVICES | ACCOUNT_SCRAM_SHA_1 | ACCOUNT_SCRAM_SHA_256;
	size_t faults = 0;

	for (size_t i = 0; i < accounts->count; i++) {
		const struct account *account = &accounts->items[i];
		const struct conf_source *source;
		const char *what;
		unsigned asks;
		size_t backend;

		if (account->disabled || find_place(conf, account, &backend, &source) != 0)
			continue;
		asks = asks_of_source(source) |
		       (account->folder != NULL || account->folders.count > 0 ? POPGATE_TAKES_FOLDER : 0);
		if (source->kind == CONF_SOURCE_CLIENT && account->secret == NULL &&
		    (account_proofs(account) & no_password) != 0)
			asks |= POPGATE_TAKES_NONE;
		what = lacking(&set->items[backend], asks);
		if (what != NULL && ++faults > MOST_FAULTS) {
			conf_report_add(report, conf->accounts_file, 0,
					"of accounts that ask for what a plugin cannot do there are more");
			return;
		}
		if (what != NULL)
			conf_report_add(report, conf->accounts_file, account->line,
					"the account `%.64s` asks for %s, which plugin %s of backend `%s` cannot do",
					account->user, what, conf->backends[backend].plugin,
					conf->backends[backend].name);
	}
}
