/* oauth_verb - see oauth_verb.h. */
#include "agent/oauth_verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/login.h"
#include "agent/refresh.h"
#include "common/account.h"
#include "common/deadline.h"
#include "common/fault.h"
#include "common/stamp.h"
#include "common/text.h"
#include "state/store.h"

#define LOCK_WAIT  90000 /* milliseconds: as long as one who asks for a token may take */
#define READ_TRIES 4

struct scene {
	const struct oauth_order *order;
	struct oauth *oauth;
	struct accounts *accounts;
	struct store *store;
};

static int complain(const char *what, const struct popgate_error *error)
{
	char shown[POPGATE_ERROR_TEXT * 4];

	text_harmless(error->text, strlen(error->text), shown, sizeof(shown));
	fflush(stdout);
	fprintf(stderr, "popgate oauth %s: %s\n", what, shown);
	return PROCESS_EXIT_FAILURE;
}

static const struct conf_provider *provider_of(const struct scene *scene, const struct account *account)
{
	return account->source.kind == CONF_SOURCE_OAUTH ? oauth_provider(scene->oauth, account->source.text) : NULL;
}

/* The account that is meant, if it has a provider. */
static const struct account *find(const struct scene *scene, const char *action)
{
	const char *user = scene->order->user;
	const struct account *account = user == NULL ? NULL : accounts_find(scene->accounts, user);

	if (user == NULL)
		fprintf(stderr, "popgate oauth %s: whose? See popgate oauth --help\n", action);
	else if (account == NULL)
		fprintf(stderr, "popgate oauth %s: there is no account `%s` in %s\n", action, user,
			scene->order->conf->accounts_file);
	else if (provider_of(scene, account) == NULL)
		fprintf(stderr, "popgate oauth %s: the account `%s` has no key `oauth` that names a provider\n", action,
			user);
	else
		return account;
	return NULL;
}

/* ---- login ---- */

/* The serial number of the token that is there, as far as that can be read, else one to begin with. Others who have the
 * store for a while are waited for: a number that is used twice would be taken for what was refused. */
static uint64_t serial_before(const struct scene *scene, const char *provider, const char *user)
{
	struct popgate_error error = {.status = POPGATE_PERM};
	struct token before = {0};
	enum store_row row = store_get(scene->store, provider, user, &before, &error);
	uint64_t serial;

	for (int tries = 1; row == STORE_FAILED && error.status == POPGATE_TEMP && tries < READ_TRIES; tries++)
		row = store_get(scene->store, provider, user, &before, &error);
	serial = row == STORE_FOUND ? before.serial : token_begin();
	token_clear(&before);
	return serial;
}

/* What counts from now on; whoever asks for a token of it just now is waited for. */
static int keep(const struct scene *scene, const struct account *account, struct token *token,
		struct popgate_error *error)
{
	const char *provider = provider_of(scene, account)->name; /* fanalyzer: find() has seen to it */

	if (token->refresh.size == 0)
		return fault_set(error, POPGATE_PERM,
				 "%s gave a token that cannot be refreshed: the scope must ask for offline access, or "
				 "the application be allowed it",
				 provider);
	if (store_lock(scene->store, provider, account->user, deadline_in(LOCK_WAIT), error) != 0)
		return -1;
	token->serial = serial_before(scene, provider, account->user) + 1; /* no session has this one yet */
	token->login = (int64_t)time(NULL);
	return store_keep(scene->store, provider, account->user, token, error);
}

/* By what: as was asked for, else by device, where the provider has that. NULL: it has not. */
static const char *choose(const struct scene *scene, const struct conf_provider *provider, bool *device_r)
{
	const struct oauth_order *order = scene->order;

	*device_r = order->device || (!order->browser && provider->device_endpoint != NULL);
	if (*device_r && provider->device_endpoint == NULL)
		return "this provider lets nobody log in by device: leave --device out";
	if (!*device_r && provider->authorization_endpoint == NULL)
		return "this provider lets nobody log in by browser: leave --browser out";
	return order->device && order->browser ? "--device and --browser exclude each other" : NULL;
}

/* An application's own token needs nobody: whether it comes is tried. */
static int try_application(const struct scene *scene, const struct account *account)
{
	const struct refresh refresh = {.provider = provider_of(scene, account), .account = account->user};
	struct popgate_error error;
	struct token token = {0};

	if (refresh_get(scene->oauth, &refresh, &token, &error) != 0)
		return complain("login", &error);
	printf("%s gives its tokens to this application itself; nobody has to log in, and one is there.\n",
	       refresh.provider->name); /* fanalyzer: find() has seen to it */
	token_clear(&token);
	return PROCESS_EXIT_OK;
}

static int login(struct scene *scene)
{
	const struct account *account = find(scene, "login");
	const struct conf_provider *provider = account == NULL ? NULL : provider_of(scene, account);
	struct login_options options = {.oauth = scene->oauth, .provider = provider, .port = scene->order->port};
	struct popgate_error error;
	struct token token = {0};
	const char *why;
	bool device;
	int result;

	if (provider == NULL)
		return PROCESS_EXIT_USAGE;
	if (provider->grant == CONF_GRANT_CLIENT_CREDENTIALS)
		return try_application(scene, account);
	why = choose(scene, provider, &device);
	if (why != NULL) {
		fprintf(stderr, "popgate oauth login: %s\n", why);
		return PROCESS_EXIT_USAGE;
	}
	options.user = account->user;
	options.mailbox = account->upstream_user != NULL ? account->upstream_user : account->user;
	result = device ? login_by_device(&options, &token, &error) : login_by_browser(&options, &token, &error);
	if (result == 0)
		result = keep(scene, account, &token, &error);
	token_clear(&token);
	if (result != 0)
		return complain("login", &error);
	printf("Done: %s may log in to popgate now; nothing has to be restarted.\n"
	       "`popgate oauth status %s` tells how the token is.\n",
	       account->user, account->user);
	return PROCESS_EXIT_OK;
}

/* ---- status ---- */

static void print_time(const char *before, int64_t seconds)
{
	char text[STAMP_SIZE];

	stamp_write(seconds, text);
	printf("%s%s", before, text);
}

/* Of a token that is there, or was. Whether it needs nobody. */
static bool tell_state(const struct token *token)
{
	const int64_t now = (int64_t)time(NULL);

	printf("%s", token->failures > 0 ? "the provider gives no token now" : "good");
	if (token->failures > 0 && token->refused != 0)
		printf(" (%s)", token->reason);
	if (token->failures > 0 && token->retry > now)
		printf(", it is asked again in %lld s", (long long)(token->retry - now));
	if (token->access.size > 0)
		print_time(token->expires > now ? ", this hour's token until " : ", the last token ended ",
			   token->expires);
	return token->failures == 0 || token->refused != POPGATE_PERM;
}

/* Likewise, of an account's. */
static bool tell(const struct scene *scene, const struct account *account)
{
	const struct conf_provider *provider = provider_of(scene, account);
	const char *name = provider->name; /* fanalyzer: find() has seen to it */
	struct popgate_error error;
	struct token token = {0};
	const bool applies = provider->grant == CONF_GRANT_CLIENT_CREDENTIALS;
	const enum store_row row =
	    store_get(scene->store, name, refresh_owner(provider, account->user), &token, &error);
	bool good = false;

	printf("%s at %s: ", account->user, provider->name);
	if (row == STORE_FAILED || (row == STORE_DAMAGED && !applies))
		printf("%s", error.text);
	else if (row == STORE_NONE && !applies)
		printf("no token: run `popgate oauth login %s`", account->user);
	else if (row == STORE_DAMAGED)
		printf("the stored token is damaged: the next login asks for another");
	else if (row == STORE_NONE)
		printf("no token was asked for yet: `popgate oauth login %s` tries it", account->user);
	else if (token.revoked)
		printf("revoked by the provider: run `popgate oauth login %s`", account->user);
	else
		good = tell_state(&token);
	if (token.login > 0)
		print_time("; login ", token.login);
	putchar('\n');
	token_clear(&token);
	return good;
}

static int status(struct scene *scene)
{
	const struct account *one = NULL;
	bool good = true;

	if (scene->order->user != NULL && (one = find(scene, "status")) == NULL)
		return PROCESS_EXIT_USAGE;
	if (one != NULL)
		return tell(scene, one) ? PROCESS_EXIT_OK : PROCESS_EXIT_FAILURE;
	for (size_t i = 0; i < scene->accounts->count; i++)
		if (provider_of(scene, &scene->accounts->items[i]) != NULL)
			good = tell(scene, &scene->accounts->items[i]) && good;
	return good ? PROCESS_EXIT_OK : PROCESS_EXIT_FAILURE;
}

/* ---- logout ---- */

/* Of an account that was removed: whoever gets its name must not have its mail. */
static int forget_removed(const struct scene *scene, const char *user)
{
	const struct conf *conf = scene->order->conf;
	size_t forgotten = 0;

	for (size_t i = 0; i < conf->provider_count; i++) {
		const char *provider = conf->providers[i].name;
		struct popgate_error error;
		int result = store_lock(scene->store, provider, user, deadline_in(LOCK_WAIT), &error);

		if (result == 0)
			result = store_remove(scene->store, provider, user, &error);
		store_unlock(scene->store);
		if (result < 0)
			return complain("logout", &error);
		forgotten += result == 0;
	}
	printf("There is no account `%s`%s.\n", user,
	       forgotten == 0 ? ", and no token of it" : "; popgate has forgotten the token that it had");
	return PROCESS_EXIT_OK;
}

static int logout(struct scene *scene)
{
	const char *user = scene->order->user;
	const bool removed = user != NULL && *user != '\0' && accounts_find(scene->accounts, user) == NULL;
	const struct account *account = removed ? NULL : find(scene, "logout");
	const struct conf_provider *provider = account == NULL ? NULL : provider_of(scene, account);
	struct popgate_error error;
	int result;

	if (removed)
		return forget_removed(scene, user);
	if (provider == NULL)
		return PROCESS_EXIT_USAGE;
	result = store_lock(scene->store, provider->name, refresh_owner(provider, account->user),
			    deadline_in(LOCK_WAIT), &error);
	if (result == 0)
		result = store_remove(scene->store, provider->name, refresh_owner(provider, account->user), &error);
	if (result < 0)
		return complain("logout", &error);
	if (result > 0)
		printf("There was no token of %s.\n", account->user);
	else
		printf("popgate has forgotten the token of %s. Sessions that are open go on until it ends.\n"
		       "%s was not told: take the permission back there as well.\n",
		       account->user, provider->name);
	return PROCESS_EXIT_OK;
}

/* ---- the verb ---- */

static const struct {
	const char *name;
	int (*run)(struct scene *scene);
} actions[] = {{"login", login}, {"status", status}, {"logout", logout}};

static int run(struct scene *scene, size_t action, struct conf_report *report)
{
	struct popgate_error error;
	const struct conf *conf = scene->order->conf;

	if (conf->provider_count == 0 || conf->accounts_file == NULL) {
		conf_report_add(report, conf->source, 0,
				"tokens are for accounts: set `accounts`, and a provider in the list `oauth`");
		return PROCESS_EXIT_CONF;
	}
	scene->accounts = accounts_read(conf, report);
	if (process_state_directory(scene->order->conf, scene->order->identity, report) == 0)
		scene->oauth = oauth_new(conf, report);
	if (scene->accounts == NULL || scene->oauth == NULL)
		return PROCESS_EXIT_CONF;
	if (process_identity_assume(scene->order->identity) != 0)
		return PROCESS_EXIT_FAILURE;
	scene->store = store_open(conf->state_directory, &scene->oauth->key, STORE_PATIENCE, &error);
	/* what is broken is told before a person logs in for nothing */
	if (scene->store == NULL || store_look_through(scene->store, &error) != 0)
		return complain(actions[action].name, &error);
	return actions[action].run(scene);
}

int oauth_verb_run(const struct oauth_order *order, struct conf_report *report)
{
	struct scene scene = {.order = order};
	int result = PROCESS_EXIT_USAGE;
	size_t action = 0;

	while (action < sizeof(actions) / sizeof(actions[0]) &&
	       (order->action == NULL || strcmp(actions[action].name, order->action) != 0))
		action++;
	if (action == sizeof(actions) / sizeof(actions[0])) {
		fputs("popgate oauth: login, status or logout? See popgate oauth --help\n", stderr);
		return PROCESS_EXIT_USAGE;
	}
	process_keep_private();
	result = run(&scene, action, report);
	store_close(&scene.store);
	oauth_free(&scene.oauth);
	accounts_free(&scene.accounts);
	return result;
}

/* The store is looked at as its owner, for a moment: what SQLite may have to make there is his. */
void oauth_verb_check(const struct conf *conf, const struct process_identity *identity, struct conf_report *report)
{
	struct oauth *oauth = oauth_new(conf, report);
	char path[4096];

	if (oauth != NULL && conf->state_directory != NULL &&
	    snprintf(path, sizeof(path), "%s/" STORE_FILE, conf->state_directory) < (int)sizeof(path) &&
	    access(path, F_OK) == 0 && (!identity->change || seteuid(identity->uid) == 0)) {
		(void)oauth_judge_store(oauth, report);
		if (identity->change && seteuid(0) != 0)
			conf_report_add(report, NULL, 0, "root cannot be had back");
	}
	oauth_free(&oauth);
}
