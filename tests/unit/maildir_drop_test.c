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

static char folder[] = "/tmp/popgate-maildir-XXXXXX";
static struct maildir_conf conf;
static struct drop drop;
static struct popgate_error error;
static size_t listed;

static void path_of(const char *name, char path[200])
{
	snprintf(path, 200, "%s/Maildir/%s", folder, name);
}

static void write_letter(unsigned number)
{
	char name[60], path[200];
	FILE *file;

	snprintf(name, sizeof(name), "new/1700000%03u.host", number);
	path_of(name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "Subject: %u\n\nx\n", number);
	assert_int_equal(fclose(file), 0);
}

static int remove_all(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c): a test's own folder */
}

static void begin(unsigned left, enum popgate_wait then)
{
	clock_now = 0;
	looks = 0;
	looks_left = left;
	afterwards = then;
	listed = 0;
	drop = (struct drop){.conf = &conf, .top = -1, .folder = -1, .fresh = -1, .cur = -1};
	assert_int_equal(drop_open(&drop, "ann", &error), 0);
}

static int setup(void **state)
{
	static const char *const parts[] = {"", "new", "cur", "tmp"};
	char path[200];

	(void)state;
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	if (mkdtemp(folder) == NULL)
		return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		path_of(parts[i], path);
		mkdir(path, 0700);
	}
	for (unsigned i = 0; i < COUNT; i++)
		write_letter(i);
	conf = (struct maildir_conf){
	    .host = &host, .mail = {folder, "Maildir"}, .folder = "INBOX", .uidl_format = "", .delete = CONF_EXPUNGE};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_close(&drop);
	return remove_all();
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
		char name[60], path[200];

		snprintf(name, sizeof(name), "new/1700000%03u.host", i);
		path_of(name, path);
		count += access(path, F_OK) == 0;
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
		char name[60], path[200];

		snprintf(name, sizeof(name), "new/1700000%03u.host", i);
		path_of(name, path);
		assert_int_equal(unlink(path), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_late_listing_fails_and_goes_on_where_it_was, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_client_that_leaves_ends_the_listing, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_host_that_wants_no_more_gets_no_more, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_message_without_a_size_is_not_listed, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_sink_ends_a_fetch, setup, teardown),
	    cmocka_unit_test_setup_teardown(removes_exactly_those, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_was_removed_by_others_is_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_late_removal_tells_what_is_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
