/* plugin_test_stop - checks of a fetch() that is to end early: the sink has enough or refuses, the client goes, the
 * upstream says nothing. The check's own process. */
#include "common/deadline.h"
#include "session/plugin_test.h"
#include "session/plugin_test_take.h"

#define AT_ONCE 1000 /* milliseconds */
#define TRIES	16

static void enough(struct plugin_test *test)
{
	struct take whole = {.probe = probe_listed(test, 1)}, part = {.probe = whole.probe};
	size_t message = take_largest(whole.probe);

	take_all(&whole, message, POPGATE_WHOLE);
	part.enough_after = 1;
	take_all(&part, message, POPGATE_WHOLE);
	part.enough_after = whole.raw / 2 + 1;
	take_all(&part, message, POPGATE_WHOLE);
}

static void refuse(struct take *take, size_t message, size_t at)
{
	const struct plugin_test *test = take->probe->test;

	take->refuse_at = at;
	take_refused(take, message);
	if (take->writes_after > 0)
		plugin_test_fail(test, "expected no write after the one that was refused, came %zu",
				 take->writes_after);
	if (take->result == 0)
		plugin_test_fail(test, "expected -1 with STOPPED, came success");
	if (take->error.status != POPGATE_STOPPED)
		plugin_test_fail(test, "expected STOPPED, came %s", take_came(take));
}

static void refuse_first(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};

	refuse(&take, take_largest(take.probe), 1);
}

static void refuse_middle(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};
	size_t message = take_largest(take.probe);

	take_all(&take, message, POPGATE_WHOLE);
	if (take.writes < 2)
		plugin_test_skip(test, "the largest message comes in one write");
	refuse(&take, message, take.writes / 2 + 1);
}

/* Whatever the refusal did to the drop, what comes next is whole or fails. */
static void after_refusal(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	struct take whole = {.probe = probe}, take = {.probe = probe};
	size_t message = take_largest(probe);

	take_all(&whole, message, POPGATE_WHOLE);
	refuse(&take, message, 1);
	take.refuse_at = 0;
	take_try(&take, message, POPGATE_WHOLE);
	if (take.result == 0 && (take.raw != whole.raw || take.digest != whole.digest))
		plugin_test_fail(test, "expected the same octets again, came others");
	plugin_test_note(test, "the next fetch %s", take.result == 0 ? "works" : "fails");
}

/* ---- what wait() says ---- */

/* Fetches messages until wait() was called, which says what the script has: first in the middle of one, else at its
 * start. A server that is quick is not always waited for. */
static void scripted(struct take *take, enum probe_script script)
{
	struct probe *probe = take->probe;
	size_t samples = take_samples(probe);

	probe->script = script;
	for (size_t try = 0; try < 2 * TRIES && !probe->scripted; try++) {
		probe->after_octets = try < TRIES;
		take_try(take, try % TRIES == 0 ? take_largest(probe) : take_sample(probe, try % samples),
			 POPGATE_WHOLE);
		if (!probe->scripted && take->result != 0)
			plugin_test_fail(probe->test, "expected fetch to succeed, came %s", take_came(take));
	}
	if (!probe->scripted)
		plugin_test_skip(probe->test, "fetch has not waited");
}

static void client_gone(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};
	int64_t taken;

	scripted(&take, PROBE_GONE);
	taken = deadline_now() - take.probe->since;
	if (take.result == 0)
		plugin_test_fail(test, "expected STOPPED, came success");
	if (take.error.status != POPGATE_STOPPED)
		plugin_test_fail(test, "expected STOPPED, came %s", take_came(&take));
	if (taken > AT_ONCE)
		plugin_test_fail(test, "expected an end within 1 s, came one after %lld ms", (long long)taken);
}

static void upstream_silent(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};

	scripted(&take, PROBE_TIMEOUT);
	if (take.result == 0)
		plugin_test_fail(test, "expected TEMP, came success");
	if (take.error.status != POPGATE_TEMP)
		plugin_test_fail(test, "expected TEMP, came %s", take_came(&take));
}

const struct plugin_check plugin_checks_stop[] = {
    {.name = "fetch: the sink has enough", .needs = STAGE_FETCHED, .run = enough},
    {.name = "fetch: refused at once", .needs = STAGE_FETCHED, .run = refuse_first},
    {.name = "fetch: refused in the middle", .needs = STAGE_FETCHED, .run = refuse_middle},
    {.name = "fetch: after a refusal", .needs = STAGE_FETCHED, .run = after_refusal},
    {.name = "fetch: the client goes", .needs = STAGE_FETCHED, .run = client_gone},
    {.name = "fetch: the upstream is silent", .needs = STAGE_FETCHED, .run = upstream_silent},
    {.name = NULL},
};
