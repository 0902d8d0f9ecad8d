/* plugin_test_commit - checks of commit(), which remove messages for good: only with --destructive. The check's own
 * process. */
#include <stdlib.h>
#include <string.h>

#include "common/deadline.h"
#include "session/plugin_test.h"
#include "session/plugin_test_host.h"

#define ERRORS_COMMIT (1u << POPGATE_TEMP | 1u << POPGATE_PERM | 1u << POPGATE_PROTOCOL)
#define ERRORS_LATE   (1u << POPGATE_TEMP)
#define CHOSEN	      2 /* messages at most that a check removes */

/* One removal, and the listing before it. */
struct removal {
	struct plugin_test *test;
	struct maildrop before;
	size_t positions[CHOSEN], count;
	unsigned char gone[CHOSEN + 1]; /* the last is nobody's */
	int result;
	struct popgate_error error;
};

static void commit(struct removal *removal, struct probe *probe, int64_t deadline, unsigned errors)
{
	struct plugin_test *test = removal->test;

	plugin_test_soil(&removal->error);
	probe->session.updating = true;
	test->child->call = "commit";
	removal->result = test->plugin->commit(probe->session.drop, removal->positions, removal->count, removal->gone,
					       deadline, &removal->error);
	test->child->call = NULL;
	removal->before = probe->session.maildrop;
	if (removal->result != 0)
		plugin_test_judge(test, "commit", &removal->error, errors, &probe->session.secret);
	if (removal->gone[removal->count] != 0)
		plugin_test_fail(test, "expected %zu octets of gone[] to be written, came one more", removal->count);
	for (size_t i = 0; i < removal->count; i++)
		if (removal->gone[i] > 1)
			plugin_test_fail(test, "expected 0 or 1 in gone[], came %u", removal->gone[i]);
}

/* close(), but the listing stays. */
static void leave(struct probe **probe)
{
	(*probe)->session.maildrop = (struct maildrop){0};
	probe_close(probe);
}

static bool chosen(const struct removal *removal, size_t position, size_t *index_r)
{
	for (*index_r = 0; *index_r < removal->count; (*index_r)++)
		if (removal->positions[*index_r] == position)
			return true;
	return false;
}

static bool is_listed(const struct maildrop *maildrop, const char *id)
{
	for (size_t i = 0; i < maildrop->count; i++)
		if (strcmp(maildrop_id(maildrop, &maildrop->entries[i]), id) == 0)
			return true;
	return false;
}

/* Holds a new listing against what commit() has said. Returns how many are away that it did not confirm. */
static size_t compare(const struct removal *removal)
{
	struct probe *probe = probe_listed(removal->test, 0);
	const struct maildrop *after = &probe->session.maildrop;
	size_t unconfirmed = 0, kept = 0, index;

	for (size_t i = 0; i < removal->before.count; i++) {
		const char *id = maildrop_id(&removal->before, &removal->before.entries[i]);
		bool asked = chosen(removal, i, &index), there = is_listed(after, id);

		kept += there;
		unconfirmed += asked && !there && removal->gone[index] == 0;
		if (!asked && !there)
			plugin_test_fail(removal->test,
					 "message %zu was not to be removed: expected it to be listed again, "
					 "came a listing without it",
					 i + 1);
		if (asked && there && removal->gone[index] == 1)
			plugin_test_fail(removal->test,
					 "message %zu is told to be gone: expected a listing without it, unless the "
					 "settings only mark or keep, came one with it",
					 i + 1);
	}
	if (after->count > kept)
		plugin_test_skip(removal->test, "%zu messages have come meanwhile", after->count - kept);
	probe_close(&probe);
	return unconfirmed;
}

static void must_succeed(const struct removal *removal)
{
	if (removal->result != 0)
		plugin_test_fail(removal->test, "expected commit to succeed, came %s: %s",
				 plugin_test_status(removal->error.status), removal->error.text);
	for (size_t i = 0; i < removal->count; i++)
		if (removal->gone[i] != 1)
			plugin_test_fail(removal->test,
					 "expected gone[] all 1 of a commit that succeeds, came 0 for message %zu",
					 removal->positions[i] + 1);
}

static int64_t in_time(const struct plugin_test *test)
{
	return deadline_in(test->conf->limits.commit_timeout);
}

static void commit_part(struct plugin_test *test)
{
	struct removal removal = {.test = test, .count = 1};
	struct probe *probe = probe_listed(test, 2);

	if (probe->session.maildrop.count >= 4) { /* not neighbours */
		removal.positions[1] = 2;
		removal.count = 2;
	}
	commit(&removal, probe, in_time(test), ERRORS_COMMIT);
	must_succeed(&removal);
	leave(&probe);
	(void)compare(&removal);
	plugin_test_note(test, "%zu of %zu messages removed", removal.count, removal.before.count);
}

/* Nothing may be begun, be it told or not. */
static void commit_late(struct plugin_test *test)
{
	struct removal removal = {.test = test, .count = 1};
	struct probe *probe = probe_listed(test, 1);

	commit(&removal, probe, deadline_now() - 1, ERRORS_LATE);
	if (removal.result == 0)
		plugin_test_fail(test, "expected TEMP, came success");
	if (removal.gone[0] != 0)
		plugin_test_fail(test, "expected no removal to begin, came gone[] 1 for message 1");
	leave(&probe);
	if (compare(&removal) > 0)
		plugin_test_fail(test, "expected no removal to begin, came a listing without message 1");
}

static struct probe *committed(struct plugin_test *test)
{
	struct removal removal = {.test = test, .count = 1};
	struct probe *probe = probe_listed(test, 1);

	commit(&removal, probe, in_time(test), ERRORS_COMMIT);
	must_succeed(&removal);
	return probe;
}

static void close_committed(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	size_t before, after;

	probe_close(&probe); /* what libraries open once and keep is open now */
	before = plugin_test_descriptors();
	probe = committed(test);
	probe_close(&probe);
	after = plugin_test_descriptors();
	if (after > before)
		plugin_test_fail(test, "expected %zu open descriptors as before open, came %zu", before, after);
}

const struct plugin_check plugin_checks_commit[] = {
    {.name = "commit: a part", .needs = STAGE_LISTED, .destroys = true, .run = commit_part},
    {.name = "commit: deadline has passed", .needs = STAGE_LISTED, .destroys = true, .run = commit_late},
    {.name = "close: after commit", .needs = STAGE_LISTED, .destroys = true, .run = close_committed},
    {.name = NULL},
};
