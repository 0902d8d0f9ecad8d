/* plugin_test_close - checks of close(): at each stage of a drop it leaves no descriptor. The check's own process. */
#include <string.h>

#include "session/plugin_test.h"
#include "session/plugin_test_take.h"

/* Brings a drop to where it shall be closed. */
typedef struct probe *stage_fn(struct plugin_test *test);

/* Twice: what libraries open once and keep shows in the first time. */
static void close_at(struct plugin_test *test, stage_fn *stage)
{
	struct probe *probe = stage(test);
	size_t before, after;

	probe_close(&probe);
	before = plugin_test_descriptors();
	probe = stage(test);
	probe_close(&probe);
	after = plugin_test_descriptors();
	if (after > before)
		plugin_test_fail(test, "expected %zu open descriptors as before open, came %zu", before, after);
}

static void close_nothing(struct plugin_test *test)
{
	test->child->call = "close";
	test->plugin->close(NULL);
}

static void close_opened(struct plugin_test *test)
{
	close_at(test, probe_open);
}

/* Who fails to open has nothing that anybody could close. */
static void open_refused(struct plugin_test *test)
{
	size_t before = 0;

	for (int i = 0; i < 2; i++) {
		struct probe *probe = probe_new(test);
		struct popgate_error error;

		if (secret_set(&probe->session.secret, "\x01", 1) != 0)
			plugin_test_skip(test, "out of memory");
		if (probe_try(probe, probe_deadline(probe), &error) == 0)
			plugin_test_skip(test, "a wrong password is accepted");
		if (i > 0 && plugin_test_descriptors() > before)
			plugin_test_fail(test, "expected %zu open descriptors as before open, came %zu", before,
					 plugin_test_descriptors());
		before = plugin_test_descriptors();
	}
}

static struct probe *listed(struct plugin_test *test)
{
	return probe_listed(test, 0);
}

static void close_listed(struct plugin_test *test)
{
	close_at(test, listed);
}

static struct probe *fetched(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1)};

	take_all(&take, take_largest(take.probe), POPGATE_WHOLE);
	return take.probe;
}

static void close_fetched(struct plugin_test *test)
{
	close_at(test, fetched);
}

static struct probe *refused(struct plugin_test *test)
{
	struct take take = {.probe = probe_listed(test, 1), .refuse_at = 1};

	take_refused(&take, take_largest(take.probe));
	return take.probe;
}

static void close_refused(struct plugin_test *test)
{
	close_at(test, refused);
}

const struct plugin_check plugin_checks_close[] = {
    {.name = "close: nothing", .needs = STAGE_CONFIGURED, .run = close_nothing},
    {.name = "close: after open", .needs = STAGE_OPEN, .run = close_opened},
    {.name = "open: nothing left of a refused one", .needs = STAGE_OPEN, .run = open_refused},
    {.name = "close: after list", .needs = STAGE_LISTED, .run = close_listed},
    {.name = "close: after fetch", .needs = STAGE_FETCHED, .run = close_fetched},
    {.name = "close: after a refused fetch", .needs = STAGE_FETCHED, .run = close_refused},
    {.name = NULL},
};
