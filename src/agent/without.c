/* without - what stands for OAuth in a popgate that was built without. The configuration refuses providers then, so
 * that nothing here is ever called for one. */
#include "agent/fetcher.h"
#include "agent/oauth_verb.h"

#include "common/fault.h"

static const char remedy[] =
    "this popgate was built without OAuth: build it with libcurl and cJSON, and not --without-oauth";

struct oauth *oauth_new(const struct conf *conf, struct conf_report *report)
{
	conf_report_add(report, conf->source, 0, "%s", remedy);
	return NULL;
}

void oauth_free(struct oauth **oauth)
{
	*oauth = NULL;
}

int oauth_judge_store(const struct oauth *oauth, struct conf_report *report)
{
	conf_report_add(report, oauth->conf->source, 0, "%s", remedy);
	return -1;
}

int oauth_begin_store(const struct oauth *oauth, struct conf_report *report)
{
	return oauth_judge_store(oauth, report);
}

const struct conf_provider *oauth_provider(const struct oauth *oauth, const char *name)
{
	(void)oauth, (void)name;
	return NULL;
}

int refresh_look(const struct oauth *oauth, const struct refresh *refresh, struct token *token_r,
		 struct popgate_error *error)
{
	(void)oauth, (void)refresh, (void)token_r;
	return fault_set(error, POPGATE_PERM, "%s", remedy);
}

pid_t fetcher_start(struct oauth *oauth, uint64_t id, const struct refresh *refresh, fetcher_close_fn *close_all,
		    /* NOLINTNEXTLINE(readability-non-const-parameter): as in fetcher.h */
		    void *context, int *fd_r, struct popgate_error *error)
{
	(void)oauth, (void)id, (void)refresh, (void)close_all, (void)context, (void)fd_r;
	return fault_set(error, POPGATE_PERM, "%s", remedy);
}

struct message fetcher_message(uint64_t id, const struct token *token)
{
	(void)id, (void)token;
	return (struct message){.type = MESSAGE_REFUSED};
}

int oauth_verb_run(const struct oauth_order *order, struct conf_report *report)
{
	(void)oauth_new(order->conf, report);
	return PROCESS_EXIT_CONF;
}

void oauth_verb_check(const struct conf *conf, const struct process_identity *identity, struct conf_report *report)
{
	(void)identity;
	(void)oauth_new(conf, report);
}
