/* Tests of the store of tokens: there and back, one at a time, and what another key, another row or a torn file does.
 */
#include <errno.h>
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
#include <dirent.h>

#include "common/deadline.h"
#include "state/store.h"

/* ---- what the system does ---- */

static enum { WORKS, UNKNOWN, KILLS, LATE, LATE_UNKNOWN } wanted_of_rename;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
int __real_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags);
int __wrap_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags);

/* UNKNOWN: the file system cannot do it; KILLS: the process ends there; LATE: somebody has put another file there. */
int __wrap_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags)
{
	if (wanted_of_rename == KILLS)
		(void)raise(SIGKILL);
	if (wanted_of_rename == LATE || wanted_of_rename == LATE_UNKNOWN) {
		FILE *file = fopen(new_name, "wex");

		assert_non_null(file);
		assert_true(fputs("another", file) >= 0);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(chmod(new_name, 0600), 0);
	}
	errno = EINVAL;
	return wanted_of_rename == UNKNOWN || wanted_of_rename == LATE_UNKNOWN
		   ? -1
		   : __real_renameat2(from, name, to, new_name, flags);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- tests ---- */

struct place {
	char folder[64];
	struct secret key;
};

static void set_key(struct place *place)
{
	assert_int_equal(secret_set(&place->key, "01234567890123456789012345678901", 32), 0);
}

static int begin(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->folder, sizeof(place->folder), "/tmp/popgate-store-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	set_key(place);
	*state = place;
	return 0;
}

static int end(void **state)
{
	struct place *place = *state;
	static const char *const files[] = {STORE_FILE, STORE_FILE "-journal", STORE_LOCK_FILE};

	wanted_of_rename = WORKS;
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", place->folder, files[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(place->folder), 0); /* nothing else is left */
	secret_clear(&place->key);
	free(place);
	return 0;
}

static struct store *open_store(const struct place *place)
{
	struct popgate_error error;
	struct store *store = store_open(place->folder, &place->key, STORE_PATIENCE, &error);

	if (store == NULL)
		fail_msg("%s", error.text);
	return store;
}

static void put(struct store *store, const char *provider, const char *account, const char *refresh)
{
	struct popgate_error error;
	struct token token = {.serial = 7};

	assert_int_equal(secret_set(&token.refresh, refresh, strlen(refresh)), 0);
	assert_int_equal(store_put(store, provider, account, &token, &error), 0);
	token_clear(&token);
}

static void assert_holds(struct store *store, const char *provider, const char *account, const char *refresh)
{
	struct popgate_error error;
	struct token token = {0};

	assert_int_equal(store_get(store, provider, account, &token, &error),
			 refresh == NULL ? STORE_NONE : STORE_FOUND);
	if (refresh != NULL)
		assert_string_equal((const char *)token.refresh.data, refresh);
	token_clear(&token);
}

static void tokens_stay(void **state)
{
	struct store *store = open_store(*state);
	struct popgate_error error;

	assert_holds(store, "p", "ann", NULL);
	put(store, "p", "ann", "first");
	put(store, "p", "bob", "other");
	put(store, "q", "ann", "elsewhere");
	put(store, "p", "Ann", "second"); /* the same account */
	store_close(&store);
	assert_null(store);
	store = open_store(*state);
	assert_holds(store, "p", "ANN", "second");
	assert_holds(store, "p", "bob", "other");
	assert_holds(store, "q", "ann", "elsewhere");
	assert_int_equal(store_remove(store, "p", "ann", &error), 0);
	assert_int_equal(store_remove(store, "p", "ann", &error), 1);
	assert_holds(store, "p", "ann", NULL);
	assert_holds(store, "q", "ann", "elsewhere");
	store_close(&store);
}

static void another_key_opens_nothing(void **state)
{
	struct place *place = *state;
	struct store *store = open_store(place);
	struct popgate_error error;

	store_close(&store); /* also where it is empty */
	assert_int_equal(secret_set(&place->key, "x1234567890123456789012345678901", 32), 0);
	assert_null(store_open(place->folder, &place->key, STORE_PATIENCE, &error));
	assert_int_equal(error.status, POPGATE_PERM);
	assert_non_null(strstr(error.text, "token key"));
}

static void file_that_others_may_read_is_refused(void **state)
{
	struct place *place = *state;
	struct store *store = open_store(place);
	struct popgate_error error;
	char path[128];

	store_close(&store);
	snprintf(path, sizeof(path), "%s/" STORE_FILE, place->folder);
	assert_int_equal(chmod(path, 0640), 0);
	assert_null(store_open(place->folder, &place->key, STORE_PATIENCE, &error));
	assert_non_null(strstr(error.text, "chmod 600"));
}

static void lock_is_of_one_account_and_dies_with_its_holder(void **state)
{
	struct place *place = *state;
	struct store *a = open_store(*state), *b = open_store(*state);
	struct popgate_error error;
	int64_t begun = deadline_now();
	pid_t pid;

	assert_int_equal(store_lock(a, "p", "ann", deadline_in(1000), &error), 0);
	assert_int_equal(store_lock(b, "p", "ANN", deadline_in(200), &error), -1);
	assert_int_equal(error.status, POPGATE_TEMP);
	assert_in_range(deadline_now() - begun, 150, 5000);
	assert_int_equal(store_lock(b, "p", "bob", deadline_in(1000), &error), 0);
	store_unlock(b);
	store_unlock(a);
	assert_int_equal(store_lock(b, "p", "ann", deadline_in(1000), &error), 0);
	store_close(&b);
	pid = fork();
	if (pid == 0) {
		struct store *own;

		set_key(place); /* secrets don't survive a fork */
		own = open_store(place);

		_exit(store_lock(own, "p", "ann", deadline_in(1000), &error) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(store_lock(a, "p", "ann", deadline_in(1000), &error), 0);
	store_close(&a);
}

/* ---- making ---- */

static size_t count_files(const struct place *place)
{
	DIR *folder = opendir(place->folder);
	size_t count = 0;

	assert_non_null(folder);
	for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

static void make_and_die(struct place *place)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		set_key(place); /* secrets don't survive a fork */
		wanted_of_rename = KILLS;
		(void)open_store(place);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void input_79_store_that_is_never_finished_leaves_nothing(void **state)
{
	struct place *place = *state;
	struct store *store;
	char path[128];

	for (int times = 0; times < 3; times++)
		make_and_die(place);
	snprintf(path, sizeof(path), "%s/" STORE_FILE, place->folder);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(count_files(place), 2); /* it, and the lock */
	store = open_store(place);
	assert_holds(store, "p", "ann", NULL);
	put(store, "p", "ann", "first");
	store_close(&store);
	assert_int_equal(count_files(place), 2);
}

static void store_is_made_where_files_cannot_be_renamed_so(void **state)
{
	struct store *store;

	wanted_of_rename = UNKNOWN;
	store = open_store(*state);
	put(store, "p", "ann", "first");
	store_close(&store);
	wanted_of_rename = WORKS;
	store = open_store(*state);
	assert_holds(store, "p", "ann", "first");
	store_close(&store);
	assert_int_equal(count_files(*state), 2);
}

/* As a copy that is put back just then. */
static void what_is_there_is_not_replaced(void **state)
{
	struct place *place = *state;
	struct popgate_error error;
	char path[128], text[16] = "";

	snprintf(path, sizeof(path), "%s/" STORE_FILE, place->folder);
	for (int way = LATE; way <= LATE_UNKNOWN; way++) {
		FILE *file;

		wanted_of_rename = way;
		assert_null(store_open(place->folder, &place->key, STORE_PATIENCE, &error));
		assert_non_null(strstr(error.text, "is damaged"));
		file = fopen(path, "re");
		assert_non_null(file);
		assert_non_null(fgets(text, sizeof(text), file));
		assert_int_equal(fclose(file), 0);
		assert_string_equal(text, "another");
		assert_int_equal(count_files(place), 2);
		assert_int_equal(unlink(path), 0);
	}
}

#define PROCESSES 8

static void many_that_make_one_at_a_time_have_one(void **state)
{
	struct place *place = *state;
	struct store *store;
	int failed = 0;

	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			char account[] = {(char)('a' + i), '\0'};

			set_key(place);
			store = open_store(place);
			put(store, "p", account, "first");
			_exit(0);
		}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_true(wait(&status) > 0);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	store = open_store(place);
	for (int i = 0; i < PROCESSES; i++)
		assert_holds(store, "p", (char[]){(char)('a' + i), '\0'}, "first");
	store_close(&store);
	assert_int_equal(count_files(place), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(tokens_stay, begin, end),
	    cmocka_unit_test_setup_teardown(another_key_opens_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(file_that_others_may_read_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(lock_is_of_one_account_and_dies_with_its_holder, begin, end),
	    cmocka_unit_test_setup_teardown(input_79_store_that_is_never_finished_leaves_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(store_is_made_where_files_cannot_be_renamed_so, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_there_is_not_replaced, begin, end),
	    cmocka_unit_test_setup_teardown(many_that_make_one_at_a_time_have_one, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
