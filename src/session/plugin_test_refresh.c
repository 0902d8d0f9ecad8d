/* plugin_test_refresh - checks of refresh(), which makes of a drop that was kept open one as good as new. The check's
 * own process. */
#include "common/deadline.h"
#include "session/plugin_test.h"
#include "session/plugin_test_take.h"

#define AT_ONCE 1000 /* milliseconds */

/* A listed drop that can be kept. */
static struct probe *begin(struct plugin_test *test, size_t least)
{
	struct probe *probe;

	if ((plugin_capabilities(test->plugin) & POPGATE_CAN_REFRESH) == 0)
		plugin_test_skip(test, "the plugin has no refresh");
	probe = probe_listed(test, least);
	if ((probe->session.offers & POPGATE_CAN_REFRESH) == 0)
		plugin_test_skip(test, "not offered for this drop");
	return probe;
}

/* refresh(), held against the listing that the drop had. */
static void refresh_same(struct probe *probe)
{
	struct maildrop before = probe->session.maildrop;

	probe->session.maildrop = (struct maildrop){0};
	probe->locks = 0;
	probe_refresh(probe);
	if (probe->locks > 0)
		plugin_test_fail(probe->test, "expected no lock() in refresh, came %u", probe->locks);
	probe_compare(probe->test, &before, &probe->session.maildrop);
	maildrop_clear(&before);
}

static void same(struct plugin_test *test)
{
	struct probe *probe = begin(test, 0);

	refresh_same(probe);
	refresh_same(probe);
	probe_close(&probe);
}

/* What the client before has read, or was about to, changes nothing for the next one. */
static void after_reading(struct plugin_test *test)
{
	static const size_t next[] = {0, 1};
	struct probe *probe = begin(test, 2);
	struct take before[2] = {{.probe = probe}, {.probe = probe}};

	for (size_t i = 0; i < 2; i++)
		take_all(&before[i], i, POPGATE_WHOLE);
	if ((probe->session.offers & POPGATE_CAN_PREFETCH) != 0) {
		test->child->call = "prefetch";
		test->plugin->prefetch(probe->session.drop, next, 2, POPGATE_WHOLE, test->conf->limits.read_ahead);
		test->child->call = NULL;
	}
	refresh_same(probe);
	for (size_t i = 2; i-- > 0;) {
		struct take take = {.probe = probe};

		take_all(&take, i, POPGATE_WHOLE);
		if (take.raw != before[i].raw || take.digest != before[i].digest)
			plugin_test_fail(test, "message %zu: expected the octets of before, came others", i + 1);
	}
	probe_close(&probe);
}

static int refuse(void *context, const struct popgate_message *message)
{
	size_t *calls = context;

	(void)message;
	++*calls;
	return -1;
}

static void refused(struct plugin_test *test)
{
	struct probe *probe = begin(test, 1);
	struct popgate_error error;
	size_t calls = 0;
	int result;

	plugin_test_soil(&error);
	test->child->call = "refresh";
	result = test->plugin->refresh(probe->session.drop, refuse, &calls, probe_deadline(probe), &error);
	test->child->call = NULL;
	if (result == 0)
		plugin_test_fail(test, "expected -1 with STOPPED, came success");
	plugin_test_judge(test, "refresh", &error, 1u << POPGATE_STOPPED, &probe->session.secret);
	if (calls > 1)
		plugin_test_fail(test, "expected no add() after the one that was refused, came %zu", calls - 1);
	probe_close(&probe);
}

static int take_none(void *context, const struct popgate_message *message)
{
	(void)context, (void)message;
	return 0;
}

static void late(struct plugin_test *test)
{
	struct probe *probe = begin(test, 0);
	int64_t started = deadline_now(), taken;
	struct popgate_error error;
	int result;

	plugin_test_soil(&error);
	test->child->call = "refresh";
	result = test->plugin->refresh(probe->session.drop, take_none, NULL, started - 1, &error);
	test->child->call = NULL;
	taken = deadline_now() - started;
	if (result != 0)
		plugin_test_judge(test, "refresh", &error, 1u << POPGATE_TEMP, &probe->session.secret);
	if (taken > AT_ONCE)
		plugin_test_fail(test, "expected an end within 1 s, came one after %lld ms", (long long)taken);
	probe_close(&probe);
}

/* The second message is the first one then. */
static void after_commit(struct plugin_test *test)
{
	static const size_t first[] = {0};
	struct probe *probe = begin(test, 2);
	struct take before = {.probe = probe}, after = {.probe = probe};
	size_t count = probe->session.maildrop.count;
	struct popgate_error error;
	unsigned char gone[2] = {0}; /* the second is nobody's: "commit: a part" is about that */

	take_all(&before, 1, POPGATE_WHOLE);
	plugin_test_soil(&error);
	probe->session.updating = true;
	test->child->call = "commit";
	if (test->plugin->commit(probe->session.drop, first, 1, gone, deadline_in(test->conf->limits.commit_timeout),
				 &error) != 0)
		plugin_test_fail(test, "expected commit to succeed, came %s: %s", plugin_test_status(error.status),
				 error.text);
	test->child->call = NULL;
	probe_refresh(probe);
	if (probe->session.maildrop.count >= count)
		plugin_test_fail(test,
				 "expected a listing without what was removed, unless the settings only mark or keep, "
				 "came one of %zu messages after %zu",
				 probe->session.maildrop.count, count);
	take_all(&after, 0, POPGATE_WHOLE);
	if (after.raw != before.raw || after.digest != before.digest)
		plugin_test_fail(test, "message 1: expected the octets of what was message 2 before, came others");
	probe_close(&probe);
}

const struct plugin_check plugin_checks_refresh[] = {
    {.name = "refresh: the same again", .needs = STAGE_LISTED, .run = same},
    {.name = "refresh: after reading", .needs = STAGE_FETCHED, .run = after_reading},
    {.name = "refresh: add refuses", .needs = STAGE_LISTED, .run = refused},
    {.name = "refresh: deadline has passed", .needs = STAGE_LISTED, .run = late},
    {.name = NULL},
};

const struct plugin_check plugin_checks_refresh_commit[] = {
    {.name = "refresh: after commit", .needs = STAGE_FETCHED, .destroys = true, .run = after_commit},
    {.name = NULL},
};
