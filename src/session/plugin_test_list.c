/* plugin_test_list - checks of list(). The check's own process. */
#include "common/deadline.h"
#include "session/plugin_test.h"
#include "session/plugin_test_host.h"

#define AT_ONCE 1000 /* milliseconds */

static void list(struct plugin_test *test)
{
	const struct probe *probe = probe_listed(test, 0);

	plugin_test_note(test, "%zu messages, %llu octets", probe->session.maildrop.count,
			 (unsigned long long)probe->session.maildrop.octets);
}

static void list_again(struct plugin_test *test)
{
	struct probe *first = probe_listed(test, 0), *second;
	struct maildrop before = first->session.maildrop;

	first->session.maildrop = (struct maildrop){0};
	probe_close(&first);
	second = probe_listed(test, 0);
	probe_compare(test, &before, &second->session.maildrop);
}

/* ---- a host that wants no more ---- */

struct refusal {
	size_t at, calls;
};

static int refuse_at(void *context, const struct popgate_message *message)
{
	struct refusal *refusal = context;

	(void)message;
	return ++refusal->calls >= refusal->at ? -1 : 0;
}

static void list_refused_at(struct plugin_test *test, size_t at)
{
	struct probe *probe = probe_open(test);
	struct refusal refusal = {.at = at};
	struct popgate_error error;
	int result;

	plugin_test_soil(&error);
	test->child->call = "list";
	result = test->plugin->list(probe->session.drop, refuse_at, &refusal, probe_deadline(probe), &error);
	test->child->call = NULL;
	if (refusal.calls > at)
		plugin_test_fail(test, "expected no add() after the one that was refused, came %zu",
				 refusal.calls - at);
	if (result == 0)
		plugin_test_fail(test, "expected -1 with STOPPED, came success");
	plugin_test_judge(test, "list", &error, 1u << POPGATE_STOPPED, &probe->session.secret);
	probe_close(&probe);
}

static void list_refused(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	size_t count = probe->session.maildrop.count;

	probe_close(&probe);
	list_refused_at(test, 1);
	if (count > 1)
		list_refused_at(test, 2);
}

static int take_none(void *context, const struct popgate_message *message)
{
	(void)context, (void)message;
	return 0;
}

/* What is at hand may be listed; nothing is waited for. */
static void list_late(struct plugin_test *test)
{
	struct probe *probe = probe_open(test);
	int64_t begun = deadline_now(), taken;
	struct popgate_error error;
	int result;

	plugin_test_soil(&error);
	test->child->call = "list";
	result = test->plugin->list(probe->session.drop, take_none, NULL, begun - 1, &error);
	test->child->call = NULL;
	taken = deadline_now() - begun;
	if (result != 0)
		plugin_test_judge(test, "list", &error, 1u << POPGATE_TEMP, &probe->session.secret);
	if (taken > AT_ONCE)
		plugin_test_fail(test, "expected an end within 1 s, came one after %lld ms", (long long)taken);
}

/* Of two instances the second lives, whatever becomes of the first. */
static void list_second(struct plugin_test *test)
{
	void *second = plugin_test_configure(test);
	struct probe *probe;

	test->child->call = "destroy";
	test->plugin->destroy(test->instance);
	test->instance = second;
	probe = probe_open(test);
	probe_list(probe);
	probe_close(&probe);
}

const struct plugin_check plugin_checks_list[] = {
    {.name = "list", .needs = STAGE_OPEN, .gives = STAGE_LISTED, .run = list},
    {.name = "list: the same again", .needs = STAGE_LISTED, .run = list_again},
    {.name = "list: add refuses", .needs = STAGE_LISTED, .run = list_refused},
    {.name = "list: deadline has passed", .needs = STAGE_LISTED, .run = list_late},
    {.name = "list: of two instances", .needs = STAGE_LISTED, .run = list_second},
    {.name = NULL},
};
