/* plugin_test_takes - checks of what ABI 1.3 lets logins ask for: a folder, a token, a master user, no secret at all.
 * From outside, a plugin can only be shown things that lead nowhere; it must say so. The check's own process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/plugin_test.h"
#include "session/plugin_test_host.h"

/* What is nowhere, nobody's, and no token. */
#define NOWHERE "popgate-plugin-test"

static void demand(const struct plugin_test *test, unsigned capability, const char *what)
{
	if ((plugin_takes(test->plugin, test->instance) & capability) == 0)
		plugin_test_skip(test, "the plugin takes no %s", what);
}

static void subset(struct plugin_test *test)
{
	unsigned all = POPGATE_TAKES_FOLDER | POPGATE_TAKES_TOKEN | POPGATE_TAKES_MASTER | POPGATE_TAKES_NONE, more;

	if (test->plugin->abi_minor < 3 || test->plugin->takes == NULL)
		plugin_test_skip(test, "the plugin has no takes");
	test->child->call = "takes";
	more = test->plugin->takes(test->instance) & all & ~test->plugin->capabilities;
	test->child->call = NULL;
	if (more != 0)
		plugin_test_fail(test, "expected bits that are in capabilities too, came 0x%x more", more);
}

/* open(), which must fail with one of two. */
static void refuse(struct probe *probe, const char *what, enum popgate_status one, enum popgate_status other)
{
	const struct plugin_test *test = probe->test;
	const char *first = plugin_test_status(one), *second = plugin_test_status(other);
	struct popgate_error error;

	if (probe_try(probe, probe_deadline(probe), &error) == 0)
		plugin_test_fail(test, "%s: expected %s or %s, came success", what, first, second);
	if (error.status != one && error.status != other)
		plugin_test_fail(test, "%s: expected %s or %s, came %s: %s", what, first, second,
				 plugin_test_status(error.status), error.text);
}

static void set_secret(struct probe *probe, enum popgate_secret_kind kind, const char *text)
{
	probe->session.secret_kind = kind;
	if (secret_set(&probe->session.secret, text, strlen(text)) != 0)
		plugin_test_skip(probe->test, "out of memory");
}

static void folder(struct plugin_test *test)
{
	static const char *const names[] = {NOWHERE, "../" NOWHERE "/..", "/" NOWHERE, "\\" NOWHERE, NOWHERE "\"*%{5}"};
	char longer[3000];

	demand(test, POPGATE_TAKES_FOLDER, "folder");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct probe *probe = probe_new(test);

		probe->session.folder = strdup(names[i]);
		refuse(probe, "a folder that is not there", POPGATE_PERM, POPGATE_TEMP);
	}
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	{
		struct probe *probe = probe_new(test);

		probe->session.folder = strdup(longer);
		refuse(probe, "a folder with a long name", POPGATE_PERM, POPGATE_TEMP);
	}
}

static void token(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);

	demand(test, POPGATE_TAKES_TOKEN, "token");
	set_secret(probe, POPGATE_TOKEN, NOWHERE);
	refuse(probe, "a token that is none", POPGATE_AUTH, POPGATE_PERM);
	if (probe->renewals > 1)
		plugin_test_fail(test, "expected one call of renew() at most, came %u", probe->renewals);
	if (probe->locks > 0)
		plugin_test_fail(test, "expected no lock() before the token is accepted, came one");
}

/* The password is the user's own, and so proves nobody else. */
static void master(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);

	demand(test, POPGATE_TAKES_MASTER, "master user");
	probe->session.auth_user = strdup(NOWHERE);
	refuse(probe, "another's password for the user", POPGATE_AUTH, POPGATE_PERM);
}

static void none(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);
	struct popgate_error error;

	demand(test, POPGATE_TAKES_NONE, "login without a secret");
	set_secret(probe, POPGATE_NONE, "");
	if (probe_try(probe, probe_deadline(probe), &error) != 0)
		plugin_test_fail(test, "expected open to succeed without a secret, came %s: %s",
				 plugin_test_status(error.status), error.text);
	if (probe->locks != 1)
		plugin_test_fail(test, "expected one call of lock() in open, came %u", probe->locks);
	probe_list(probe);
}

/* Only the kind says that nothing need be proved. */
static void empty(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);

	demand(test, POPGATE_TAKES_NONE, "login without a secret");
	set_secret(probe, POPGATE_PASSWORD, "");
	refuse(probe, "a password that is empty", POPGATE_AUTH, POPGATE_PERM);
}

const struct plugin_check plugin_checks_takes[] = {
    {.name = "takes", .needs = STAGE_CONFIGURED, .run = subset},
    {.name = "takes: a folder", .needs = STAGE_OPEN, .run = folder},
    {.name = "takes: a token", .needs = STAGE_OPEN, .run = token},
    {.name = "takes: a master user", .needs = STAGE_OPEN, .run = master},
    {.name = "takes: no secret", .needs = STAGE_OPEN, .run = none},
    {.name = "takes: an empty password", .needs = STAGE_OPEN, .run = empty},
    {.name = NULL},
};
