/* refresh - see refresh.h. */
#include "agent/refresh.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "agent/grant.h"
#include "common/deadline.h"
#include "common/fault.h"
#include "common/log.h"

#define YOUNG	      30 /* seconds: whoever refuses a token so new refuses the next as well */
#define RETRY_FIRST   5	 /* seconds after a failure, then twice as long each time */
#define RETRY_MOST    300
#define RETRY_LAST    3600  /* whatever the provider says */
#define LOCK_WAIT     20000 /* milliseconds: longer than a request takes */
#define DOUBLINGS     6
#define LOOK_PATIENCE 100 /* milliseconds: the agent has others to serve */

static int64_t now_seconds(void)
{
	return (int64_t)time(NULL);
}

int64_t refresh_expires(const struct token *token)
{
	const int64_t left = token_old_from(token) - now_seconds();

	return deadline_in(left > 0 ? left * 1000 : 0);
}

const char *refresh_owner(const struct conf_provider *provider, const char *account)
{
	return provider->grant == CONF_GRANT_CLIENT_CREDENTIALS ? "" : account;
}

/* ---- what is there ---- */

static bool waits(const struct token *token, int64_t now)
{
	return now < token->retry && token->retry - now <= RETRY_LAST;
}

static bool was_refused(const struct refresh *refresh, const struct token *token)
{
	return refresh->newer && token->serial == refresh->serial;
}

static int refuse_revoked(const struct refresh *refresh, struct popgate_error *error)
{
	return fault_set(error, POPGATE_PERM, "%s has revoked the token: `popgate oauth login %.100s` gets a new one",
			 refresh->provider->name, refresh->account);
}

/* What the provider said last counts until it is asked again. */
static int refuse_for_now(const struct refresh *refresh, const struct token *token, int seconds,
			  struct popgate_error *error)
{
	if (token->refused == 0)
		return fault_set(error, POPGATE_TEMP, "%s could give no token: it is asked again in %d s",
				 refresh->provider->name, seconds);
	return fault_set(error, token->refused == POPGATE_PERM ? POPGATE_PERM : POPGATE_TEMP,
			 "%s; it is asked again in %d s", token->reason, seconds);
}

/* 0: good. 1: ask. -1: AUTH, PERM, TEMP. */
static int judge(const struct refresh *refresh, const struct token *token, struct popgate_error *error)
{
	const int64_t now = now_seconds();
	const bool refused = was_refused(refresh, token);

	if (token->revoked)
		return refuse_revoked(refresh, error);
	if (!refused && token_is_fresh(token, now))
		return 0;
	if (refused && token_is_fresh(token, now) && now - token->issued < YOUNG && now >= token->issued)
		return fault_set(error, POPGATE_AUTH,
				 "the mail server refuses a token of %s that is just made: do scope and mailbox fit?",
				 refresh->provider->name);
	if (waits(token, now))
		return refuse_for_now(refresh, token, (int)(token->retry - now), error);
	return 1;
}

/* Also for an application that never had one, or whose own is damaged: it can ask for another. */
static int get(struct store *store, const struct refresh *refresh, struct token *token, struct popgate_error *error)
{
	const struct conf_provider *provider = refresh->provider;
	const bool applies = provider->grant == CONF_GRANT_CLIENT_CREDENTIALS;
	const enum store_row row =
	    store_get(store, provider->name, refresh_owner(provider, refresh->account), token, error);

	if (row == STORE_FAILED || (row == STORE_DAMAGED && !applies))
		return -1;
	if (!applies && (row == STORE_NONE || token->refresh.size == 0))
		return fault_set(error, POPGATE_PERM, "there is no token yet: `popgate oauth login %.100s` gets one",
				 refresh->account);
	if (row != STORE_FOUND)
		token->serial = token_begin();
	return 0;
}

static bool is_under_way(struct store *store, const struct refresh *refresh)
{
	struct popgate_error error;
	const struct conf_provider *provider = refresh->provider;
	const bool held = store_lock(store, provider->name, refresh_owner(provider, refresh->account), 0, &error) != 0;

	store_unlock(store);
	return held;
}

int refresh_look(const struct oauth *oauth, const struct refresh *refresh, struct token *token_r,
		 struct popgate_error *error)
{
	struct store *store = store_open(oauth->conf->state_directory, &oauth->key, LOOK_PATIENCE, error);
	struct token token = {0};
	int result = store == NULL ? -1 : get(store, refresh, &token, error);

	if (result == 0)
		result = judge(refresh, &token, error);
	else if (error->status == POPGATE_TEMP)
		result = 1; /* who asks may wait for those who have the store */
	/* what is written before a request looks the same as a failure */
	if (result < 0 && waits(&token, now_seconds()) && !token.revoked && is_under_way(store, refresh))
		result = 1;
	store_close(&store);
	if (result == 0)
		*token_r = token;
	else
		token_clear(&token);
	return result;
}

/* ---- asking ---- */

static int put(struct store *store, const struct refresh *refresh, const struct token *token,
	       struct popgate_error *error)
{
	const struct conf_provider *provider = refresh->provider;

	return store_put(store, provider->name, refresh_owner(provider, refresh->account), token, error);
}

static void log_end_of(const struct refresh *refresh, const char *event, const struct popgate_error *error)
{
	struct log_line line;

	log_begin(&line, POPGATE_LOG_WARN, event, NULL);
	log_text(&line, "provider", refresh->provider->name);
	log_text(&line, "user", refresh->account);
	log_text(&line, "msg", error->text);
	log_end(&line);
}

/* The next try is later each time. */
static void postpone(struct token *token, int64_t wait)
{
	int64_t pause = (int64_t)RETRY_FIRST << (token->failures < DOUBLINGS ? token->failures : DOUBLINGS);

	if (pause > RETRY_MOST)
		pause = RETRY_MOST;
	if (pause < wait)
		pause = wait > RETRY_LAST ? RETRY_LAST : wait;
	token->failures++;
	token->retry = now_seconds() + pause;
}

static int keep(struct store *store, const struct refresh *refresh, const struct token *token,
		struct popgate_error *error)
{
	const struct conf_provider *provider = refresh->provider;

	return store_keep(store, provider->name, refresh_owner(provider, refresh->account), token, error);
}

static int take_refusal(struct store *store, const struct refresh *refresh, struct token *token,
			enum grant_result result, struct popgate_error *error)
{
	struct popgate_error unwritten;

	token_refuse(token, error->status, error->text);
	if (result == GRANT_SPOILED) {
		if (keep(store, refresh, token, &unwritten) != 0)
			log_end_of(refresh, "token_unwritten", &unwritten);
		return -1;
	}
	if (result == GRANT_REVOKED && refresh->provider->grant == CONF_GRANT_REFRESH) {
		token->revoked = true;
		log_end_of(refresh, "token_revoked", error);
		(void)refuse_revoked(refresh, error);
	}
	/* of a fault that is not written down only the pause is lost, or the provider says it again */
	(void)put(store, refresh, token, &unwritten);
	return -1;
}

/* Before the request the row is written once as it will be if no answer comes: so it is known that it can be written,
 * and whatever ends this process leaves a pause. */
static int ask(const struct oauth *oauth, struct store *store, const struct refresh *refresh, struct token *token,
	       struct popgate_error *error)
{
	const struct grant grant = {.by = refresh->provider->grant == CONF_GRANT_REFRESH ? GRANT_BY_REFRESH
											 : GRANT_BY_CLIENT};
	enum grant_result result;
	int64_t wait;

	postpone(token, 0);
	token_refuse(token, 0, "");
	if (put(store, refresh, token, error) != 0)
		return -1;
	result = grant_ask(oauth, refresh->provider, &grant, token, &wait, error);
	if (result == GRANT_OK && keep(store, refresh, token, error) == 0)
		return 0;
	if (result == GRANT_OK) {
		/* the old one may be spent: the new one is given out at least to this session */
		log_end_of(refresh, "token_unwritten", error);
		return 0;
	}
	if (wait > 0) {
		token->failures--;
		postpone(token, wait);
	}
	return take_refusal(store, refresh, token, result, error);
}

int refresh_get(const struct oauth *oauth, const struct refresh *refresh, struct token *token_r,
		struct popgate_error *error)
{
	const struct conf_provider *provider = refresh->provider;
	struct store *store = store_open(oauth->conf->state_directory, &oauth->key, STORE_PATIENCE, error);
	struct token token = {0};
	int result = -1;

	if (store != NULL &&
	    store_lock(store, provider->name, refresh_owner(provider, refresh->account), deadline_in(LOCK_WAIT),
		       error) == 0 &&
	    get(store, refresh, &token, error) == 0) {
		result = judge(refresh, &token, error);
		if (result > 0)
			result = ask(oauth, store, refresh, &token, error);
	}
	store_close(&store);
	if (result == 0)
		*token_r = token;
	else
		token_clear(&token);
	return result;
}
