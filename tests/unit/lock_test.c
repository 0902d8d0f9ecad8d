/* Tests of the maildrop's lock: among processes, deaths and removed files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/lock.h"

/* Stands in for the C library's: what happens between open and the lock can be chosen. */
static void (*before_lock)(void);

int fcntl(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (before_lock != NULL && command == F_OFD_SETLK)
		before_lock();
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

static char folder[64];

static int enter(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/popgate-lock-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int leave(void **state)
{
	char command[128];

	(void)state;
	before_lock = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command) == 0 ? 0 : -1;
}

static struct lock named(const char *backend, const char *user, const char *where)
{
	struct lock lock;

	assert_int_equal(lock_name(&lock, folder, backend, user, where), 0);
	assert_int_equal(lock.fd, -1);
	return lock;
}

static struct lock bobs(void)
{
	return named("main", "bob", "INBOX");
}

static bool is_same(const struct lock *one, const struct lock *other)
{
	return one->place == other->place && strcmp(one->path, other->path) == 0;
}

static void taken_held_released(void **state)
{
	struct lock first = bobs(), second = bobs();
	struct stat status;

	(void)state;
	assert_int_equal(lock_try(&first), LOCK_TAKEN);
	assert_true(first.fd >= 0);
	assert_true((fcntl(first.fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(stat(first.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(lock_try(&second), LOCK_HELD);
	assert_int_equal(second.fd, -1);
	/* Who does not hold it frees nothing. */
	lock_release(&second);
	assert_int_equal(lock_try(&second), LOCK_HELD);
	lock_release(&first);
	assert_int_equal(first.fd, -1);
	assert_int_equal(lock_try(&second), LOCK_TAKEN);
	lock_release(&first);
	assert_int_equal(lock_try(&first), LOCK_HELD);
	lock_release(&second);
}

static bool same_name(const char *backend, const char *user, const char *where)
{
	struct lock lock = named(backend, user, where), other = named("main", "bob@example.org", "INBOX");

	return is_same(&lock, &other);
}

/* Two spellings of one account are one lock; two accounts never are. */
static void input_75_names_are_folded(void **state)
{
	(void)state;
	assert_true(same_name("main", "bob@example.org", "INBOX"));
	assert_true(same_name("main", "BOB@Example.ORG", "inbox"));
	assert_true(same_name("Main", "bob@example.org", "InBox"));
	assert_false(same_name("main", "bob@example.org", "Archive"));
	assert_false(same_name("main", "bob@example.or", "gINBOX"));
	assert_false(same_name("mainb", "ob@example.org", "INBOX"));
	assert_false(same_name("other", "bob@example.org", "INBOX"));
	assert_false(same_name("bob@example.org", "main", "INBOX"));
	assert_false(same_name("main", "", "bob@example.orgINBOX"));
}

static void long_names_are_told_apart(void **state)
{
	char one[700], other[700], folded[700];
	struct lock first, second;

	(void)state;
	memset(one, 'a', sizeof(one) - 1);
	one[sizeof(one) - 1] = '\0';
	memcpy(other, one, sizeof(one));
	memcpy(folded, one, sizeof(one));
	other[sizeof(other) - 2] = 'b';
	memset(folded, 'A', sizeof(folded) - 1);
	first = named("main", one, "INBOX");
	second = named("main", other, "INBOX");
	assert_false(is_same(&first, &second));
	second = named("main", folded, "INBOX");
	assert_true(is_same(&first, &second));
}

/* Whatever a user is called, the name stays within the folder and tells nothing. */
static void the_name_is_a_digest(void **state)
{
	struct lock lock = named("main", "../../etc/passwd\nx", "/");
	const char *name = lock.path + strlen(folder) + 1;

	(void)state;
	assert_memory_equal(lock.path, folder, strlen(folder));
	assert_int_equal(strspn(name, "0123456789"), 2);
	assert_string_equal(name + 2, ".lock");
}

static void a_path_too_long_is_refused(void **state)
{
	char directory[LOCK_PATH_MAX];
	struct lock lock;
	size_t fits = LOCK_PATH_MAX - 1 - strlen("/00.lock");

	(void)state;
	memset(directory, 'd', sizeof(directory));
	directory[fits + 1] = '\0';
	assert_int_equal(lock_name(&lock, directory, "main", "bob", "INBOX"), -1);
	directory[fits] = '\0';
	assert_int_equal(lock_name(&lock, directory, "main", "bob", "INBOX"), 0);
	assert_int_equal(strlen(lock.path), LOCK_PATH_MAX - 1);
	assert_int_equal(lock_try(&lock), LOCK_FAILED);
}

/* A process that takes the lock, says so, and waits for its end. */
static pid_t hold(void)
{
	int pipe_ends[2];
	char octet;
	pid_t child;

	assert_int_equal(pipe(pipe_ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct lock lock;

		close(pipe_ends[0]);
		if (lock_name(&lock, folder, "main", "bob", "INBOX") != 0 || lock_try(&lock) != LOCK_TAKEN ||
		    write(pipe_ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipe_ends[1]);
	assert_int_equal(read(pipe_ends[0], &octet, 1), 1);
	close(pipe_ends[0]);
	return child;
}

static void a_killed_holder_frees_it(void **state)
{
	struct lock lock = bobs();

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t holder = hold();

		assert_int_equal(lock_try(&lock), LOCK_HELD);
		assert_int_equal(kill(holder, SIGKILL), 0);
		assert_int_equal(waitpid(holder, NULL, 0), holder);
		assert_int_equal(lock_try(&lock), LOCK_TAKEN);
		lock_release(&lock);
	}
}

/* Maildrops that share a file are no obstacle to each other; there are few files. */
static void a_file_is_shared(void **state)
{
	struct lock first = bobs(), other;
	char user[32];
	int i = 0;

	(void)state;
	do {
		snprintf(user, sizeof(user), "user%d", i++);
		other = named("main", user, "INBOX");
	} while (strcmp(first.path, other.path) != 0 && i < 10000);
	assert_in_range(i, 2, 9999);
	assert_int_equal(lock_try(&first), LOCK_TAKEN);
	assert_int_equal(lock_try(&other), LOCK_TAKEN);
	lock_release(&first);
	first = named("main", user, "INBOX");
	assert_int_equal(lock_try(&first), LOCK_HELD);
	lock_release(&other);
}

/* Cleaners of folders remove what nobody has touched for days. */
static void a_file_in_use_is_not_old(void **state)
{
	static const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct lock lock = bobs();
	struct stat status;

	(void)state;
	assert_int_equal(lock_try(&lock), LOCK_TAKEN);
	lock_release(&lock);
	assert_int_equal(utimensat(AT_FDCWD, lock.path, old, 0), 0);
	assert_int_equal(lock_try(&lock), LOCK_TAKEN);
	assert_int_equal(stat(lock.path, &status), 0);
	assert_true(status.st_mtim.tv_sec > 1 && status.st_atim.tv_sec > 1);
	lock_release(&lock);
}

/* ---- the file vanishes between open and the lock ---- */

static struct lock rival;
static int happenings;

static void remove_once(void)
{
	if (happenings++ == 0)
		assert_int_equal(unlink(rival.path), 0);
}

static void a_removed_file_is_not_taken(void **state)
{
	struct lock lock = bobs();
	struct stat opened, file;

	(void)state;
	rival = lock;
	happenings = 0;
	before_lock = remove_once;
	assert_int_equal(lock_try(&lock), LOCK_TAKEN);
	before_lock = NULL;
	assert_int_equal(happenings, 2);
	assert_int_equal(fstat(lock.fd, &opened), 0);
	assert_int_equal(stat(lock.path, &file), 0);
	assert_true(opened.st_ino == file.st_ino);
	lock_release(&lock);
}

/* The file is removed, its holder goes, and another takes the new one first. */
static void let_the_rival_in(void)
{
	void (*again)(void) = before_lock;

	before_lock = NULL;
	if (happenings++ == 0) {
		assert_int_equal(unlink(rival.path), 0);
		lock_release(&rival);
		assert_int_equal(lock_try(&rival), LOCK_TAKEN);
	}
	before_lock = again;
}

static void the_new_file_may_be_anothers(void **state)
{
	struct lock lock = bobs();

	(void)state;
	rival = lock;
	assert_int_equal(lock_try(&rival), LOCK_TAKEN);
	happenings = 0;
	before_lock = let_the_rival_in;
	assert_int_equal(lock_try(&lock), LOCK_HELD);
	before_lock = NULL;
	assert_int_equal(lock.fd, -1);
	lock_release(&rival);
}

static void remove_always(void)
{
	(void)unlink(rival.path);
}

/* A file that vanishes each time is given up, without a descriptor lost. */
static void an_unlucky_try_ends(void **state)
{
	struct lock lock = bobs();
	int before = dup(0), after;

	(void)state;
	close(before);
	rival = lock;
	before_lock = remove_always;
	assert_int_equal(lock_try(&lock), LOCK_HELD);
	before_lock = NULL;
	assert_int_equal(lock.fd, -1);
	after = dup(0);
	assert_int_equal(after, before);
	close(after);
}

static void what_cannot_be_opened_fails(void **state)
{
	struct lock lock = bobs();

	(void)state;
	(void)unlink(lock.path);
	assert_int_equal(symlink("/dev/null", lock.path), 0);
	assert_int_equal(lock_try(&lock), LOCK_FAILED);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(unlink(lock.path), 0);
	assert_int_equal(mkdir(lock.path, 0700), 0);
	assert_int_equal(lock_try(&lock), LOCK_FAILED);
	assert_int_equal(rmdir(lock.path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taken_held_released),
	    cmocka_unit_test(input_75_names_are_folded),
	    cmocka_unit_test(long_names_are_told_apart),
	    cmocka_unit_test(the_name_is_a_digest),
	    cmocka_unit_test(a_path_too_long_is_refused),
	    cmocka_unit_test(a_killed_holder_frees_it),
	    cmocka_unit_test(a_file_is_shared),
	    cmocka_unit_test(a_file_in_use_is_not_old),
	    cmocka_unit_test(a_removed_file_is_not_taken),
	    cmocka_unit_test(the_new_file_may_be_anothers),
	    cmocka_unit_test(an_unlucky_try_ends),
	    cmocka_unit_test(what_cannot_be_opened_fails),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
