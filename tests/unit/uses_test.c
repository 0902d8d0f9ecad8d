/* Tests of the record of devices' last use: what counts as a use, what outlives a kill, and what a damaged file does.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/uses.h"

static const uint8_t phone[DEVICE_SALT] = "a phone", desk[DEVICE_SALT] = "a desk\0more";
static char folder[64];

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/popgate-uses-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int end(void **state)
{
	static const char *const files[] = {USES_FILE, USES_FILE "-wal", USES_FILE "-shm"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static struct uses *open_uses(void)
{
	struct popgate_error error;
	struct uses *uses = uses_open(folder, 1000, &error);

	if (uses == NULL)
		fail_msg("%s", error.text);
	return uses;
}

static void note(struct uses *uses, const uint8_t *salt, int64_t when, const char *address)
{
	struct popgate_error error;
	struct use use = {.when = when};

	snprintf(use.address, sizeof(use.address), "%s", address);
	if (uses_note(uses, salt, &use, &error) != 0)
		fail_msg("%s", error.text);
}

/* when 0: never. */
static void assert_used(struct uses *uses, const uint8_t *salt, int64_t when, const char *address)
{
	struct popgate_error error;
	struct use use = {0};

	assert_int_equal(uses_find(uses, salt, &use, &error), when == 0 ? 1 : 0);
	assert_int_equal(use.when, when);
	assert_string_equal(use.address, address);
}

static void uses_stay(void **state)
{
	struct uses *uses = open_uses();

	(void)state;
	assert_used(uses, phone, 0, "");
	note(uses, phone, 1000, "192.0.2.1");
	assert_used(uses, desk, 0, "");
	note(uses, desk, 5000000000, "2001:db8::1");
	uses_close(&uses);
	assert_null(uses);
	uses = open_uses();
	assert_used(uses, phone, 1000, "192.0.2.1");
	assert_used(uses, desk, 5000000000, "2001:db8::1");
	uses_close(&uses);
}

static void uses_of_one_minute_are_one(void **state)
{
	struct uses *uses = open_uses();

	(void)state;
	note(uses, phone, 1000, "192.0.2.1");
	note(uses, phone, 1000 + USES_INTERVAL - 1, "192.0.2.1");
	assert_used(uses, phone, 1000, "192.0.2.1");
	note(uses, phone, 1000 + USES_INTERVAL, "192.0.2.1");
	assert_used(uses, phone, 1000 + USES_INTERVAL, "192.0.2.1");
	note(uses, phone, 1001 + USES_INTERVAL, "192.0.2.2");
	assert_used(uses, phone, 1001 + USES_INTERVAL, "192.0.2.2");
	uses_close(&uses);
}

static void clock_that_is_set_back_is_believed(void **state)
{
	struct uses *uses = open_uses();

	(void)state;
	note(uses, phone, 1000000000, "192.0.2.1");
	note(uses, phone, 1000, "192.0.2.1");
	assert_used(uses, phone, 1000, "192.0.2.1");
	uses_close(&uses);
}

static void input_79_use_outlives_who_noted_it(void **state)
{
	pid_t child = fork();
	struct uses *uses;
	int status;

	(void)state;
	if (child == 0) {
		uses = open_uses();
		note(uses, phone, 1000, "192.0.2.1");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	uses = open_uses();
	assert_used(uses, phone, 1000, "192.0.2.1");
	uses_close(&uses);
}

static void two_may_have_it(void **state)
{
	struct uses *one = open_uses(), *other = open_uses();

	(void)state;
	note(one, phone, 1000, "192.0.2.1");
	note(other, desk, 2000, "192.0.2.2");
	assert_used(other, phone, 1000, "192.0.2.1");
	assert_used(one, desk, 2000, "192.0.2.2");
	uses_close(&one);
	note(other, phone, 3000, "192.0.2.3");
	uses_close(&other);
}

static void file_is_its_owners_alone(void **state)
{
	struct uses *uses = open_uses();
	struct popgate_error error;
	struct stat status;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" USES_FILE, folder);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	uses_close(&uses);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(truncate(path, 100), 0); /* what is not ours is not even read */
	assert_null(uses_open(folder, 1000, &error));
	assert_int_equal(error.status, POPGATE_PERM);
	assert_non_null(strstr(error.text, "chmod 600"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nonexistent/file", path), 0);
	assert_null(uses_open(folder, 1000, &error));
	assert_int_equal(error.status, POPGATE_PERM);
	assert_non_null(strstr(error.text, "is no file: move it away"));
}

static void input_81_damaged_file_is_told_and_kept(void **state)
{
	static const char junk[] = "this is no database, and was none at any time; it is long enough to be looked at";
	struct popgate_error error;
	char path[128], kept[sizeof(junk)] = "";
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/" USES_FILE, folder);
	assert_non_null(file = fopen(path, "w"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_true(fputs(junk, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_null(uses_open(folder, 1000, &error));
	assert_int_equal(error.status, POPGATE_PERM);
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, "is damaged: move it away"));
	assert_non_null(file = fopen(path, "r"));
	assert_int_equal(fread(kept, 1, sizeof(kept) - 1, file), sizeof(junk) - 1);
	assert_int_equal(fclose(file), 0);
	assert_string_equal(kept, junk);
}

static void folder_that_is_not_there_is_told(void **state)
{
	struct popgate_error error;

	(void)state;
	assert_null(uses_open("/nonexistent", 1000, &error));
	assert_int_equal(error.status, POPGATE_TEMP);
	assert_non_null(strstr(error.text, "/nonexistent/" USES_FILE));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(uses_stay),
	    TEST(uses_of_one_minute_are_one),
	    TEST(clock_that_is_set_back_is_believed),
	    TEST(input_79_use_outlives_who_noted_it),
	    TEST(two_may_have_it),
	    TEST(file_is_its_owners_alone),
	    TEST(input_81_damaged_file_is_told_and_kept),
	    TEST(folder_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
