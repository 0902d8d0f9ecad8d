/* plugin_test_open - checks of open(): the credential, the lock, the deadline. The check's own process. */
#include <stdio.h>
#include <string.h>

#include "common/deadline.h"
#include "session/plugin_test.h"
#include "session/plugin_test_host.h"

#define AT_ONCE 1000 /* milliseconds */

static void open_right(struct plugin_test *test)
{
	(void)probe_open(test);
}

static void open_lock(struct plugin_test *test)
{
	const struct probe *probe = probe_open(test);

	if (probe->locks != 1)
		plugin_test_fail(test, "expected one call of lock() in open, came %u", probe->locks);
	if (probe->locked_first)
		plugin_test_fail(test, "expected lock() after credential(), came lock() first");
}

/* One octet more, and so nobody's. */
static void open_wrong(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);
	struct secret wrong = {0};
	char text[SECRET_MAX];
	struct popgate_error error;

	if (test->password->size + 1 >= sizeof(text))
		plugin_test_skip(test, "the password is too long to be made longer");
	memcpy(text, test->password->data, test->password->size);
	text[test->password->size] = 'x';
	if (secret_set(&wrong, text, test->password->size + 1) != 0)
		plugin_test_skip(test, "out of memory");
	secret_wipe(text, sizeof(text));
	secret_move(&probe->session.secret, &wrong);
	if (probe_try(probe, probe_deadline(probe), &error) == 0)
		plugin_test_fail(test, "expected AUTH, came success");
	if (error.status != POPGATE_AUTH)
		plugin_test_fail(test, "expected AUTH, came %s: %s", plugin_test_status(error.status), error.text);
	if (probe->locks > 0)
		plugin_test_fail(test, "expected no lock() before the credential is accepted, came one");
}

static void open_late(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);
	int64_t begun = deadline_now(), taken;
	struct popgate_error error;
	int result = probe_try(probe, begun - 1, &error);

	taken = deadline_now() - begun;
	if (result == 0)
		plugin_test_fail(test, "expected TEMP, came success");
	if (error.status != POPGATE_TEMP)
		plugin_test_fail(test, "expected TEMP, came %s: %s", plugin_test_status(error.status), error.text);
	if (taken > AT_ONCE)
		plugin_test_fail(test, "expected an end within 1 s, came one after %lld ms", (long long)taken);
}

const struct plugin_check plugin_checks_open[] = {
    {.name = "open", .needs = STAGE_CONFIGURED, .gives = STAGE_OPEN, .run = open_right},
    {.name = "open: the lock", .needs = STAGE_OPEN, .run = open_lock},
    {.name = "open: wrong password", .needs = STAGE_OPEN, .run = open_wrong},
    {.name = "open: deadline has passed", .needs = STAGE_OPEN, .run = open_late},
    {.name = NULL},
};
