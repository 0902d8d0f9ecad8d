/* plugin_test_prefetch - checks of prefetch(), which is a hint: whatever is made of it, fetch() stays right. The
 * check's own process. */
#include "session/plugin_test.h"
#include "session/plugin_test_take.h"

#define HINTED 4 /* messages at most */

/* A listed drop that takes hints, and what its messages are without any. */
struct hinted {
	struct probe *probe;
	size_t count, positions[HINTED];
	struct take plain[HINTED];
};

static void begin(struct plugin_test *test, struct hinted *hinted)
{
	struct probe *plain;

	*hinted = (struct hinted){0};
	if ((plugin_capabilities(test->plugin) & POPGATE_CAN_PREFETCH) == 0)
		plugin_test_skip(test, "the plugin has no prefetch");
	plain = probe_listed(test, 2);
	if ((plain->session.offers & POPGATE_CAN_PREFETCH) == 0)
		plugin_test_skip(test, "not offered for this drop");
	hinted->count = take_samples(plain) < HINTED ? take_samples(plain) : HINTED;
	for (size_t i = 0; i < hinted->count; i++) {
		hinted->positions[i] = i;
		hinted->plain[i] = (struct take){.probe = plain};
		take_all(&hinted->plain[i], i, POPGATE_WHOLE);
	}
	probe_close(&plain);
	hinted->probe = probe_listed(test, hinted->count);
}

static void hint(struct hinted *hinted, size_t from, size_t count)
{
	struct plugin_test *test = hinted->probe->test;

	test->child->call = "prefetch";
	test->plugin->prefetch(hinted->probe->session.drop, count == 0 ? NULL : hinted->positions + from, count,
			       POPGATE_WHOLE, test->conf->limits.read_ahead);
	test->child->call = NULL;
}

static void right(struct hinted *hinted, size_t i)
{
	struct take take = {.probe = hinted->probe};

	take_all(&take, i, POPGATE_WHOLE);
	if (take.raw != hinted->plain[i].raw || take.digest != hinted->plain[i].digest)
		plugin_test_fail(hinted->probe->test,
				 "message %zu: expected what comes without a hint, came other octets", i + 1);
}

static void followed(struct plugin_test *test)
{
	struct hinted hinted;

	begin(test, &hinted);
	for (size_t i = 0; i < hinted.count; i++) {
		hint(&hinted, i, hinted.count - i);
		right(&hinted, i);
	}
}

static void never_followed(struct plugin_test *test)
{
	struct hinted hinted;

	begin(test, &hinted);
	hint(&hinted, 0, hinted.count);
	probe_close(&hinted.probe);
}

/* The hint names what never comes, and messages come that it did not name. */
static void not_followed(struct plugin_test *test)
{
	struct hinted hinted;

	begin(test, &hinted);
	hint(&hinted, 0, hinted.count - 1);
	right(&hinted, hinted.count - 1);
	hint(&hinted, 0, hinted.count);
	right(&hinted, 0);
	for (size_t i = hinted.count; i-- > 0;)
		right(&hinted, i);
}

static void paused(struct plugin_test *test)
{
	struct hinted hinted;

	begin(test, &hinted);
	hint(&hinted, 0, 0);
	hint(&hinted, 0, hinted.count);
	right(&hinted, 0);
	hint(&hinted, 0, 0);
	hint(&hinted, 0, 0);
	for (size_t i = 1; i < hinted.count; i++)
		right(&hinted, i);
}

const struct plugin_check plugin_checks_prefetch[] = {
    {.name = "prefetch: followed", .needs = STAGE_FETCHED, .run = followed},
    {.name = "prefetch: never followed", .needs = STAGE_FETCHED, .run = never_followed},
    {.name = "prefetch: other messages", .needs = STAGE_FETCHED, .run = not_followed},
    {.name = "prefetch: pauses", .needs = STAGE_FETCHED, .run = paused},
    {.name = NULL},
};
