/* plugin_test_fetch - checks of what fetch() brings: whole messages, headers, sizes, in any order. The check's own
 * process. */
#include <string.h>

#include "common/deadline.h"
#include "session/plugin_test.h"
#include "session/plugin_test_take.h"

#define WINDOW	2000 /* milliseconds of an upstream that takes none */
#define HEADERS 10   /* messages whose headers are compared */

static void same(const struct plugin_test *test, size_t message, const struct take *first, const struct take *second)
{
	if (first->raw != second->raw)
		plugin_test_fail(test, "message %zu: expected %llu octets again, came %llu", message + 1,
				 (unsigned long long)first->raw, (unsigned long long)second->raw);
	if (first->digest != second->digest)
		plugin_test_fail(test, "message %zu: expected the same octets again, came others", message + 1);
}

static void fetch(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};

	for (size_t i = 0; i < take_samples(take.probe); i++)
		take_all(&take, take_sample(take.probe, i), POPGATE_WHOLE);
}

static void fetch_twice(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	struct take first = {.probe = probe}, second = {.probe = probe};

	for (size_t i = 0; i < take_samples(probe); i++) {
		size_t message = take_sample(probe, i);

		take_all(&first, message, POPGATE_WHOLE);
		take_all(&second, message, POPGATE_WHOLE);
		same(test, message, &first, &second);
	}
}

/* A fault only where the plugin says that its sizes are exact. */
static void fetch_sizes(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	bool exact = (probe->session.offers & POPGATE_EXACT_SIZE) != 0;
	struct take take = {.probe = probe};
	size_t differ = 0;

	for (size_t i = 0; i < take_samples(probe); i++) {
		size_t message = take_sample(probe, i);
		uint64_t listed = probe->session.maildrop.entries[message].octets;

		take_all(&take, message, POPGATE_WHOLE);
		if (take.octets == listed)
			continue;
		if (exact)
			plugin_test_fail(test, "message %zu: expected %llu octets as listed, came %llu", message + 1,
					 (unsigned long long)listed, (unsigned long long)take.octets);
		differ++;
	}
	plugin_test_note(test, "%s; %zu of %zu differ", exact ? "declared exact" : "not declared exact", differ,
			 take_samples(probe));
}

/* What the host has cut from the octets of lines 0 begins the whole, and ends with the empty line. */
static void fetch_headers(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	struct take header = {.probe = probe, .keep = true}, whole = {.probe = probe, .keep = true};

	for (size_t i = 0; i < take_samples(probe) && i < HEADERS; i++) {
		size_t message = take_sample(probe, i);

		take_all(&header, message, 0);
		take_all(&whole, message, POPGATE_WHOLE);
		if (!header.body.enough && whole.body.in_body)
			plugin_test_fail(test,
					 "message %zu: expected the empty line after the header, came an end before it",
					 message + 1);
		if (header.kept_size > whole.kept_size || memcmp(header.kept, whole.kept, header.kept_size) != 0)
			plugin_test_fail(test,
					 "message %zu: expected a header that begins the whole message, came another",
					 message + 1);
	}
}

static void fetch_backwards(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 2);
	size_t count = take_samples(probe);
	struct take forth[64], back = {0};

	for (size_t i = 0; i < count; i++) {
		forth[i] = (struct take){.probe = probe};
		take_all(&forth[i], take_sample(probe, i), POPGATE_WHOLE);
	}
	probe_close(&probe);
	back.probe = probe_listed(test, count);
	for (size_t i = count; i-- > 0;) {
		take_all(&back, take_sample(back.probe, i), POPGATE_WHOLE);
		same(test, take_sample(back.probe, i), &forth[i], &back);
	}
}

/* Milliseconds that the largest message takes, of a drop that has not seen it. */
static int64_t plain_time(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};
	int64_t begun = deadline_now();

	take_all(&take, take_largest(take.probe), POPGATE_WHOLE);
	begun = deadline_now() - begun;
	probe_close(&take.probe);
	return begun;
}

/* The window is over before the first write returns, but not for an upstream that is as quick as it was before. */
static void fetch_slowly(struct plugin_test *test)
{
	int64_t plain = plain_time(test), window = WINDOW + 3 * plain;
	struct take take = {.sleep = window + WINDOW / 4};

	if (2 * plain + take.sleep > test->options->patience / 2)
		plugin_test_skip(test, "the upstream takes %lld ms for a message, too long for --deadline",
				 (long long)plain);
	take.probe = probe_listed(test, 1);
	take.pace = (struct popgate_pace){.window = window, .octets = UINT64_C(1) << 40};
	take_try(&take, take_largest(take.probe), POPGATE_WHOLE);
	if (take.result != 0)
		plugin_test_fail(test, "expected time in the sink not to count, came %s", take_came(&take));
}

const struct plugin_check plugin_checks_fetch[] = {
    {.name = "fetch", .needs = STAGE_LISTED, .gives = STAGE_FETCHED, .run = fetch},
    {.name = "fetch: the same again", .needs = STAGE_FETCHED, .run = fetch_twice},
    {.name = "fetch: sizes", .needs = STAGE_FETCHED, .run = fetch_sizes},
    {.name = "fetch: headers", .needs = STAGE_FETCHED, .run = fetch_headers},
    {.name = "fetch: backwards", .needs = STAGE_FETCHED, .run = fetch_backwards},
    {.name = "fetch: slow reader", .needs = STAGE_FETCHED, .run = fetch_slowly},
    {.name = NULL},
};
