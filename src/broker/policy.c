/* policy - see policy.h. Counts in the memory that all brokers share. */
#include "broker/policy.h"

#include <time.h>

#include "broker/login.h"
#include "broker/opening.h"
#include "common/deadline.h"
#include "common/usage.h"

#define DAY 86400 /* seconds */

static struct usage *usage_of(const struct login *login)
{
	return login->broker->process->usage;
}

static uint32_t today(void)
{
	return (uint32_t)(time(NULL) / DAY);
}

void policy_find(struct login *login, const struct opening_place *place)
{
	const struct account *account = login->account;
	struct policy policy = {0};

	if (place->route != NULL) {
		policy.login_delay = place->route->login_delay;
		policy.max_sessions = place->route->max_sessions;
	}
	if (account != NULL) {
		policy.login_delay = account->login_delay > 0 ? account->login_delay : policy.login_delay;
		policy.max_sessions = account->max_sessions > 0 ? account->max_sessions : policy.max_sessions;
		policy.max_octets = account->max_octets;
	}
	/* no backend is without a name */
	if (policy.login_delay > 0 || policy.max_sessions > 0 || policy.max_octets > 0)
		policy.key = account != NULL ? usage_key(usage_of(login), "", account->user)
					     : usage_key(usage_of(login), place->backend->name, place->user);
	login->policy = policy;
}

static bool is_too_soon(const struct policy *policy, int64_t last)
{
	int64_t now = deadline_now();

	return last != 0 && last <= now && now - last < (int64_t)policy->login_delay * 1000;
}

unsigned policy_judge(const struct login *login, enum policy_time time, const char **why_r)
{
	const struct policy *policy = &login->policy;
	struct usage_record record;

	if (policy->key == 0)
		return 0;
	record = usage_look(usage_of(login), policy->key, today());
	if (is_too_soon(policy, record.last)) {
		*why_r = "the last login is less than login_delay ago";
		return REFUSAL_LOGIN_DELAY;
	}
	if (policy->max_octets > 0 && record.octets >= policy->max_octets) {
		*why_r = "the day's max_octets are used up";
		return REFUSAL_OCTETS;
	}
	if (time == POLICY_OPENED && policy->max_sessions > 0 && record.sessions >= policy->max_sessions) {
		*why_r = "max_sessions are open";
		return REFUSAL_SESSIONS;
	}
	return 0;
}

uint64_t policy_allowance(const struct login *login)
{
	const struct policy *policy = &login->policy;
	uint64_t octets;

	if (policy->max_octets == 0)
		return 0;
	octets = usage_look(usage_of(login), policy->key, today()).octets;
	return octets < policy->max_octets ? policy->max_octets - octets : 1;
}

void policy_enter(struct login *login)
{
	struct policy *policy = &login->policy;

	if (policy->key == 0)
		return;
	usage_enter(usage_of(login), policy->key, login->broker->process->number, deadline_now());
	policy->counted = true;
}

void policy_leave(struct login *login, uint64_t octets)
{
	struct policy *policy = &login->policy;

	if (!policy->counted)
		return;
	policy->counted = false;
	usage_leave(usage_of(login), policy->key, login->broker->process->number);
	usage_add(usage_of(login), policy->key, octets, today());
}

struct range {
	unsigned least, most;
};

static void widen(struct range *range, unsigned delay)
{
	range->least = delay < range->least ? delay : range->least;
	range->most = delay > range->most ? delay : range->most;
}

void policy_announce(const struct broker *broker, struct message_features *features)
{
	const struct conf *conf = broker->process->conf;
	const struct accounts *accounts = broker->accounts;
	struct range range = {.least = UINT32_MAX};

	for (size_t i = 0; i < conf->route_count; i++)
		widen(&range, conf->routes[i].login_delay);
	for (size_t i = 0; accounts != NULL && i < accounts->count; i++) {
		const struct account *account = &accounts->items[i];

		/* else it has the delay of one of the routes */
		if (!account->disabled && (account->login_delay > 0 || account->backend != ACCOUNT_BY_ROUTE))
			widen(&range, account->login_delay);
	}
	features->login_delay = range.most;
	features->login_delay_varies = range.least != range.most;
}
