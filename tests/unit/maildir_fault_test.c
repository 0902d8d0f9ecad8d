/* A Maildir in which files share a base name, or whose file system fails: what the client has not seen stays, what is
 * not on the disk is not confirmed, and what can't be read changes no unique id. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../plugins/maildir/commit.h"
#include "../../plugins/maildir/fetch.h"
#include "../../plugins/maildir/list.h"
#include "../../plugins/maildir/scan.h"

#include "maildir_support.h"

#define DEADLINE 1000

/* ---- what the system does ------------------------------------------------ */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
int __real_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags);
int __wrap_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags);
ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);

static int fsync_fails, rename_fails;	   /* errno; 0: it works */
static unsigned reads_left, reads_failing; /* how many work, and how many don't then */
static ino_t synced[16];
static size_t syncs;
static unsigned folders_left; /* that may be read */
static bool touching;	      /* others change a folder whenever it is read */

int __wrap_fsync(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	if (syncs < sizeof(synced) / sizeof(synced[0]))
		synced[syncs++] = status.st_ino;
	errno = fsync_fails;
	return fsync_fails != 0 ? -1 : __real_fsync(fd);
}

DIR *__wrap_fdopendir(int fd)
{
	static time_t second = 1000;
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = ++second}};

	if (folders_left == 0) {
		errno = EMFILE;
		return NULL;
	}
	folders_left--;
	if (touching)
		assert_int_equal(futimens(fd, times), 0);
	return __real_fdopendir(fd);
}

int __wrap_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags)
{
	errno = rename_fails;
	return rename_fails != 0 ? -1 : __real_renameat2(from, name, to, new_name, flags);
}

ssize_t __wrap_read(int fd, void *data, size_t size)
{
	if (reads_left == 0 && reads_failing > 0) {
		reads_failing--;
		errno = EIO;
		return -1;
	}
	reads_left -= reads_left > 0;
	return __real_read(fd, data, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- the host and a Maildir ---------------------------------------------- */

static unsigned looks_left; /* at the clock, until it is late */

static int64_t now(void)
{
	looks_left -= looks_left > 0;
	return looks_left > 0 ? 0 : DEADLINE;
}

static enum popgate_wait wait_for(struct popgate_session *session, int fd, unsigned events, int64_t deadline)
{
	(void)session, (void)fd, (void)events, (void)deadline;
	return POPGATE_READY;
}

static const struct popgate_host host = {.size = sizeof(host), .now = now, .wait = wait_for};
static size_t listed;

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(support_path(name), "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static void rename_file(const char *name, const char *other)
{
	assert_int_equal(rename(support_path(name), support_path(other)), 0);
}

static bool is_there(const char *name)
{
	return access(support_path(name), F_OK) == 0;
}

static int setup(void **state)
{
	(void)state;
	fsync_fails = rename_fails = 0;
	folders_left = looks_left = UINT32_MAX;
	reads_failing = 0;
	touching = false;
	return support_make(&host) == 0 ? support_open() : -1;
}

static int add(void *context, const struct popgate_message *message)
{
	(void)context;
	assert_true(message->octets <= INT64_MAX);
	listed++;
	return 0;
}

static size_t list(void)
{
	listed = syncs = 0;
	assert_int_equal(list_messages(&drop, add, NULL, DEADLINE, &error), 0);
	return listed;
}

/* Removes as many messages as there are; returns what commit says, and how many are confirmed. */
static int remove_all(size_t *confirmed_r)
{
	size_t messages[4] = {0, 1, 2, 3};
	unsigned char gone[4] = {0};
	int result = commit_messages(&drop, messages, listed, gone, DEADLINE, &error);

	*confirmed_r = 0;
	for (size_t i = 0; i < listed; i++)
		*confirmed_r += gone[i];
	return result;
}

static void assert_removed(size_t count)
{
	size_t confirmed;

	assert_int_equal(remove_all(&confirmed), 0);
	assert_int_equal(confirmed, count);
}

/* ---- one base name, several files ---------------------------------------- */

/* Of two the one with the smaller inode is listed. */
static void write_pair(void)
{
	struct stat one, other;

	write_file("new/1.x", "");
	write_file("tmp/1.x", "");
	assert_int_equal(stat(support_path("new/1.x"), &one) | stat(support_path("tmp/1.x"), &other), 0);
	if (one.st_ino < other.st_ino) {
		rename_file("new/1.x", "new/2.x");
		rename_file("tmp/1.x", "new/1.x");
		rename_file("new/2.x", "tmp/1.x");
	}
	rename_file("tmp/1.x", "cur/1.x:2,S");
	write_file("new/1.x", "Subject: unseen\n\n");
	write_file("cur/1.x:2,S", "Subject: listed\n\n");
}

static void another_message_of_the_same_name_stays(void **state)
{
	(void)state;
	write_pair();
	assert_int_equal(list(), 1);
	assert_removed(1);
	assert_true(is_there("new/1.x"));
	assert_false(is_there("cur/1.x:2,S"));
}

static int keep(void *context, const void *data, size_t size)
{
	assert_in_range(size, 1, 99);
	memcpy(context, data, size);
	return 0;
}

static void the_listed_one_is_followed(void **state)
{
	char text[100] = "";
	const struct popgate_sink sink = {.write = keep, .context = text};

	(void)state;
	write_pair();
	assert_int_equal(list(), 1);
	rename_file("cur/1.x:2,S", "new/1.x:2,RS");
	rename_file("new/1.x", "cur/1.x:2,");
	assert_int_equal(fetch_message(&drop, 0, POPGATE_WHOLE, &sink, NULL, &error), 0);
	assert_string_equal(text, "Subject: listed\n\n");
	rename_file("new/1.x:2,RS", "new/1.x:2,FRS");
	assert_removed(1);
	assert_true(is_there("cur/1.x:2,"));
	assert_false(is_there("new/1.x:2,FRS"));
}

static void what_is_left_of_two_names_is_not_taken_for_the_listed_one(void **state)
{
	size_t confirmed;

	(void)state;
	write_pair();
	assert_int_equal(list(), 1);
	assert_int_equal(unlink(support_path("cur/1.x:2,S")), 0);
	assert_int_equal(fetch_message(&drop, 0, POPGATE_WHOLE, NULL, NULL, &error), -1);
	assert_int_equal(error.status, POPGATE_GONE);
	assert_int_equal(remove_all(&confirmed), -1);
	assert_int_equal(confirmed, 0);
	assert_true(is_there("new/1.x"));
}

static void remove_three(void)
{
	assert_int_equal(list(), 1);
	assert_removed(1);
	assert_false(is_there("new/1.x") || is_there("cur/1.x:2,") || is_there("cur/1.x:2,S"));
}

static void copies_go_with_it(void **state)
{
	(void)state;
	write_file("new/1.x", "Subject: same\n\n");
	write_file("cur/1.x:2,", "Subject: same\n\n");
	write_file("cur/1.x:2,S", "Subject: same\n\n");
	remove_three();
}

static void three_names_of_a_file_are_one(void **state)
{
	(void)state;
	write_file("new/1.x", "Subject: same\n\n");
	assert_int_equal(link(support_path("new/1.x"), support_path("cur/1.x:2,")), 0);
	assert_int_equal(link(support_path("new/1.x"), support_path("cur/1.x:2,S")), 0);
	remove_three();
}

static void reading_a_folder_again_doubles_nothing(void **state)
{
	size_t size;

	(void)state;
	write_file("new/1.x", "Subject: 1\n\n");
	write_file("cur/2.x:2,S", "Subject: 2\n\n");
	touching = true;
	assert_int_equal(list(), 2);
	size = strlen("-1.x-2.x:2,S-");
	assert_int_equal(drop.messages.names.size, size);
	assert_int_equal(scan_again(&drop, &error), 0);
	assert_int_equal(drop.messages.names.size, size);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(drop.messages.all[i].marks & MESSAGE_DOUBLE, 0);
}

static void one_that_cannot_be_removed_leaves_the_others_their_chance(void **state)
{
	size_t confirmed;

	(void)state;
	conf.delete = CONF_MOVE;
	snprintf(conf.trash_name, sizeof(conf.trash_name), ".Trash");
	mkdir(support_path(".Trash"), 0700);
	mkdir(support_path(".Trash/new"), 0700);
	write_file(".Trash/new/1.x", "Subject: older\n\n");
	write_file("new/1.x", "Subject: 1\n\n");
	write_file("new/2.x", "Subject: 2\n\n");
	assert_int_equal(list(), 2);
	rename_file("new/2.x", "cur/2.x:2,S");
	assert_int_equal(remove_all(&confirmed), -1);
	assert_int_equal(confirmed, 1);
	assert_non_null(strstr(error.text, "1 of 2 messages could not be removed: File exists"));
	assert_true(is_there(".Trash/cur/2.x:2,S"));
	assert_true(is_there("new/1.x"));
}

/* ---- a disk that fails ---------------------------------------------------- */

static void what_is_not_on_the_disk_is_not_confirmed(void **state)
{
	size_t confirmed;

	(void)state;
	write_file("new/1.x", "Subject: 1\n\n");
	assert_int_equal(list(), 1);
	fsync_fails = EIO;
	assert_int_equal(remove_all(&confirmed), -1);
	assert_int_equal(confirmed, 0);
	assert_int_equal(error.status, POPGATE_TEMP);
}

static void what_was_removed_before_a_failure_is_written_too(void **state)
{
	size_t confirmed;

	(void)state;
	write_file("new/1.x", "Subject: 1\n\n");
	write_file("new/2.x", "Subject: 2\n\n");
	assert_int_equal(list(), 2);
	rename_file("new/2.x", "cur/2.x:2,S");
	folders_left = 0;
	syncs = 0;
	assert_int_equal(remove_all(&confirmed), -1);
	assert_int_equal(confirmed, 1);
	assert_int_equal(syncs, 2);
}

static void what_is_remembered_is_on_the_disk(void **state)
{
	(void)state;
	write_file("new/1.x", "Subject: 1\n\n");
	fsync_fails = EIO;
	assert_int_equal(list(), 1);
	assert_int_equal(syncs, 1);
	assert_false(is_there("popgate-sizes") || is_there("popgate-sizes.tmp"));
	messages_clear(&drop.messages);
	fsync_fails = 0;
	assert_int_equal(list(), 1);
	assert_true(is_there("popgate-sizes"));
}

/* More than one reading of it. */
static void write_uidlist(void)
{
	FILE *file = fopen(support_path("dovecot-uidlist"), "w");

	assert_non_null(file);
	fputs("3 V1 N99999 Gx\n", file);
	for (unsigned uid = 1; uid < 20000; uid++)
		fprintf(file, "%u :nobody\n", uid);
	fputs("20000 :1.x,W=9\n", file);
	assert_int_equal(fclose(file), 0);
}

static void half_a_uidlist_is_none(void **state)
{
	(void)state;
	conf.uidl_format = "%08Xu%08Xv";
	write_file("new/1.x,W=9", "Subject: 1\n\n");
	write_uidlist();
	reads_left = reads_failing = 1;
	assert_int_equal(list_messages(&drop, add, NULL, DEADLINE, &error), -1);
	assert_int_equal(error.status, POPGATE_TEMP);
	assert_false(is_there("popgate-sizes"));
	messages_clear(&drop.messages);
	assert_int_equal(list(), 1);
	assert_int_equal(drop.messages.all[0].uid, 20000);
	assert_false(is_there("popgate-sizes"));
}

static void notes_that_cannot_be_read_are_not_written_over(void **state)
{
	struct stat before, after;

	(void)state;
	write_file("new/1.x", "Subject: 1\n\n");
	write_file("popgate-sizes", "popgate-sizes 1\n- n 1.x\n");
	assert_int_equal(stat(support_path("popgate-sizes"), &before), 0);
	reads_left = 0;
	reads_failing = 1;
	assert_int_equal(list_messages(&drop, add, NULL, DEADLINE, &error), -1);
	assert_int_equal(error.status, POPGATE_TEMP);
	assert_int_equal(stat(support_path("popgate-sizes"), &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
}

static void a_new_trash_is_on_the_disk(void **state)
{
	struct stat top, trash;

	(void)state;
	conf.delete = CONF_MOVE;
	snprintf(conf.trash_name, sizeof(conf.trash_name), ".Trash");
	write_file("new/1.x", "Subject: 1\n\n");
	assert_int_equal(list(), 1);
	syncs = 0;
	assert_removed(1);
	assert_int_equal(syncs, 6);
	assert_int_equal(stat(support_path(".Trash"), &trash), 0);
	assert_int_equal(stat(support_path(""), &top), 0);
	assert_int_equal(synced[0], trash.st_ino);
	assert_int_equal(synced[1], top.st_ino);
}

static void a_kernel_that_keeps_folders_apart_is_told(void **state)
{
	size_t confirmed;

	(void)state;
	conf.delete = CONF_FLAG;
	write_file("new/1.x", "Subject: 1\n\n");
	assert_int_equal(list(), 1);
	rename_fails = EXDEV;
	assert_int_equal(remove_all(&confirmed), -1);
	assert_int_equal(confirmed, 0);
	assert_non_null(strstr(error.text, "Linux 5.19"));
}

static void each_round_looks_at_the_clock(void **state)
{
	size_t confirmed;

	(void)state;
	write_file("new/1.x", "Subject: 1\n\n");
	write_file("new/2.x", "Subject: 2\n\n");
	assert_int_equal(list(), 2);
	rename_file("new/2.x", "cur/2.x:2,S");
	looks_left = 2;
	assert_int_equal(remove_all(&confirmed), -1);
	assert_int_equal(confirmed, 1);
	assert_true(is_there("cur/2.x:2,S"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(another_message_of_the_same_name_stays, setup, support_remove),
	    cmocka_unit_test_setup_teardown(the_listed_one_is_followed, setup, support_remove),
	    cmocka_unit_test_setup_teardown(what_is_left_of_two_names_is_not_taken_for_the_listed_one, setup,
					    support_remove),
	    cmocka_unit_test_setup_teardown(copies_go_with_it, setup, support_remove),
	    cmocka_unit_test_setup_teardown(three_names_of_a_file_are_one, setup, support_remove),
	    cmocka_unit_test_setup_teardown(reading_a_folder_again_doubles_nothing, setup, support_remove),
	    cmocka_unit_test_setup_teardown(one_that_cannot_be_removed_leaves_the_others_their_chance, setup,
					    support_remove),
	    cmocka_unit_test_setup_teardown(what_is_not_on_the_disk_is_not_confirmed, setup, support_remove),
	    cmocka_unit_test_setup_teardown(what_was_removed_before_a_failure_is_written_too, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_new_trash_is_on_the_disk, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_kernel_that_keeps_folders_apart_is_told, setup, support_remove),
	    cmocka_unit_test_setup_teardown(each_round_looks_at_the_clock, setup, support_remove),
	    cmocka_unit_test_setup_teardown(what_is_remembered_is_on_the_disk, setup, support_remove),
	    cmocka_unit_test_setup_teardown(half_a_uidlist_is_none, setup, support_remove),
	    cmocka_unit_test_setup_teardown(notes_that_cannot_be_read_are_not_written_over, setup, support_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
