/* A drop of the maildir plugin under a host whose clock and client do what a test wants: what is broken off leaves
 * the mail alone, and is not done twice. */
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

#include "maildir_support.h"

#define COUNT	 600u
#define DEADLINE 1000

/* ---- the host ------------------------------------------------------------ */

static int64_t clock_now;
static unsigned looks, looks_left; /* at the clock or the client; after looks_left the one is late or the other gone */
static enum popgate_wait afterwards;

static int64_t now(void)
{
	return clock_now;
}

static enum popgate_wait wait_for(struct popgate_session *session, int fd, unsigned events, int64_t deadline)
{
	(void)session, (void)fd, (void)events;
	assert_true(deadline <= clock_now);
	if (looks++ < looks_left)
		return POPGATE_READY;
	if (afterwards == POPGATE_TIMEOUT)
		clock_now = DEADLINE;
	return afterwards == POPGATE_TIMEOUT ? POPGATE_READY : afterwards;
}

static const struct popgate_host host = {.size = sizeof(host), .now = now, .wait = wait_for};

/* ---- a Maildir ----------------------------------------------------------- */

static size_t listed;

static void write_letter(unsigned number)
{
	char name[60];
	FILE *file;

	snprintf(name, sizeof(name), "new/1700000%03u.host", number);
	file = fopen(support_path(name), "w");
	assert_non_null(file);
	fprintf(file, "Subject: %u\n\nx\n", number);
	assert_int_equal(fclose(file), 0);
}

static void begin(unsigned left, enum popgate_wait then)
{
	clock_now = 0;
	looks = 0;
	looks_left = left;
	afterwards = then;
	listed = 0;
	assert_int_equal(support_open(), 0);
}

static int setup(void **state)
{
	(void)state;
	if (support_make(&host) != 0)
		return -1;
	for (unsigned i = 0; i < COUNT; i++)
		write_letter(i);
	return 0;
}

static int add(void *context, const struct popgate_message *message)
{
	assert_in_range(message->octets, 17, 19);
	listed++;
	return context != NULL && listed == *(const size_t *)context ? -1 : 0;
}

static size_t files_in_new(void)
{
	size_t count = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		char name[60];

		snprintf(name, sizeof(name), "new/1700000%03u.host", i);
		count += access(support_path(name), F_OK) == 0;
	}
	return count;
}

/* ---- listing ------------------------------------------------------------- */

static void list_whole(void)
{
	begin(UINT32_MAX, POPGATE_READY);
	assert_int_equal(list_messages(&drop, add, NULL, DEADLINE, &error), 0);
	assert_int_equal(listed, COUNT);
}

static void a_late_listing_fails_and_goes_on_where_it_was(void **state)
{
	(void)state;
	begin(1, POPGATE_TIMEOUT);
	assert_int_equal(list_messages(&drop, add, NULL, DEADLINE, &error), -1);
	assert_int_equal(error.status, POPGATE_TEMP);
	assert_int_equal(listed, 0);
	drop_close(&drop);
	/* 256 are known by now */
	list_whole();
	assert_int_equal(looks, 2);
	drop_close(&drop);
	list_whole();
	assert_int_equal(looks, 0);
}

static void a_client_that_leaves_ends_the_listing(void **state)
{
	(void)state;
	begin(0, POPGATE_CLIENT_GONE);
	assert_int_equal(list_messages(&drop, add, NULL, DEADLINE, &error), -1);
	assert_int_equal(error.status, POPGATE_STOPPED);
}

static void a_host_that_wants_no_more_gets_no_more(void **state)
{
	size_t most = 5;

	(void)state;
	begin(UINT32_MAX, POPGATE_READY);
	assert_int_equal(list_messages(&drop, add, &most, DEADLINE, &error), -1);
	assert_int_equal(error.status, POPGATE_STOPPED);
	assert_int_equal(listed, 5);
}

static void a_message_without_a_size_is_not_listed(void **state)
{
	(void)state;
	begin(0, POPGATE_READY);
	assert_int_equal(messages_add(&drop.messages, &(struct found){.name = "1.x,W=9"}), 0);
	assert_int_equal(messages_add(&drop.messages, &(struct found){.name = "2.x"}), 0);
	messages_drop_absent(&drop.messages);
	assert_int_equal(drop.messages.count, 1);
	assert_int_equal(drop.messages.all[0].octets, 9);
}

/* ---- fetching ------------------------------------------------------------ */

static int answer;

static int take(void *context, const void *data, size_t size)
{
	(void)context, (void)data;
	assert_true(size > 0);
	return answer;
}

static void a_sink_ends_a_fetch(void **state)
{
	const struct popgate_sink sink = {.write = take};

	(void)state;
	list_whole();
	answer = 1;
	assert_int_equal(fetch_message(&drop, 0, POPGATE_WHOLE, &sink, NULL, &error), 0);
	answer = -1;
	assert_int_equal(fetch_message(&drop, 0, POPGATE_WHOLE, &sink, NULL, &error), -1);
	assert_int_equal(error.status, POPGATE_STOPPED);
}

/* ---- removing ------------------------------------------------------------ */

static size_t remove_from(size_t first, int64_t deadline, int expected)
{
	static size_t messages[COUNT];
	static unsigned char gone[COUNT];
	size_t count = 0;

	memset(gone, 0, sizeof(gone));
	for (size_t i = first; i < COUNT; i++)
		messages[i - first] = i;
	assert_int_equal(commit_messages(&drop, messages, COUNT - first, gone, deadline, &error), expected);
	for (size_t i = 0; i < COUNT - first; i++)
		count += gone[i];
	return count;
}

static void removes_exactly_those(void **state)
{
	(void)state;
	list_whole();
	assert_int_equal(remove_from(10, DEADLINE, 0), COUNT - 10);
	assert_int_equal(files_in_new(), 10);
}

static void what_was_removed_by_others_is_gone(void **state)
{
	(void)state;
	list_whole();
	for (unsigned i = 100; i < 200; i++) {
		char name[60];

		snprintf(name, sizeof(name), "new/1700000%03u.host", i);
		assert_int_equal(unlink(support_path(name)), 0);
	}
	assert_int_equal(remove_from(100, DEADLINE, 0), COUNT - 100);
	assert_int_equal(files_in_new(), 100);
}

static void a_late_removal_tells_what_is_left(void **state)
{
	(void)state;
	list_whole();
	assert_int_equal(remove_from(0, 0, -1), 0);
	assert_int_equal(error.status, POPGATE_TEMP);
	assert_non_null(strstr(error.text, "600 of 600"));
	assert_int_equal(files_in_new(), COUNT);
}

static void a_late_removal_makes_no_trash(void **state)
{
	(void)state;
	list_whole();
	conf.delete = CONF_MOVE;
	snprintf(conf.trash_name, sizeof(conf.trash_name), ".Trash");
	assert_int_equal(remove_from(590, 0, -1), 0);
	assert_int_equal(access(support_path(".Trash"), F_OK), -1);
	assert_int_equal(remove_from(590, DEADLINE, 0), COUNT - 590);
	assert_int_equal(access(support_path(".Trash"), F_OK), 0);
	assert_int_equal(files_in_new(), 590);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_late_listing_fails_and_goes_on_where_it_was, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_client_that_leaves_ends_the_listing, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_host_that_wants_no_more_gets_no_more, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_message_without_a_size_is_not_listed, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_sink_ends_a_fetch, setup, support_remove),
	    cmocka_unit_test_setup_teardown(removes_exactly_those, setup, support_remove),
	    cmocka_unit_test_setup_teardown(what_was_removed_by_others_is_gone, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_late_removal_tells_what_is_left, setup, support_remove),
	    cmocka_unit_test_setup_teardown(a_late_removal_makes_no_trash, setup, support_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
