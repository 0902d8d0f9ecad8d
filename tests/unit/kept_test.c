/* Tests of the drops that are kept open: found by mailbox, the oldest to make way, and forgotten when they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>

#include "broker/kept.h"

static struct event_base *base;

static void ignore(void *context, struct ipc_inbox *inbox)
{
	(void)context, (void)inbox;
}

static void ended(void *context)
{
	(void)context;
}

/* A session's drop, kept. Returns the session's end of the channel. */
static int keep_locked(struct kept_set *set, size_t backend, const char *user, uint64_t lock)
{
	struct channel *report;
	int ends[2];

	assert_int_equal(ipc_pair(ends), 0);
	report = channel_new(base, ends[0], ignore, ended, NULL);
	assert_non_null(report);
	kept_add(set, backend, user, lock, &report);
	assert_null(report);
	return ends[1];
}

static int keep(struct kept_set *set, size_t backend, const char *user)
{
	return keep_locked(set, backend, user, 0);
}

/* Whether the broker has closed its end. */
static bool is_over(int session)
{
	struct ipc_inbox inbox;

	assert_int_equal(fcntl(session, F_SETFL, O_NONBLOCK), 0);
	return ipc_receive(session, &inbox) == IPC_CLOSED;
}

/* Takes it, and lets it go. Whether there was one, and it was that session's. */
static bool takes(struct kept_set *set, size_t backend, const char *user, int session)
{
	uint64_t lock;
	struct channel *report = kept_take(set, backend, user, &lock);

	if (report == NULL)
		return false;
	assert_false(is_over(session));
	channel_free(&report);
	assert_true(is_over(session));
	close(session);
	return true;
}

static void found_by_backend_and_user(void **state)
{
	struct kept_set set = {.most = 10};
	int ann = keep(&set, 0, "ann"), other = keep(&set, 1, "ann"), bob = keep(&set, 0, "bob");

	(void)state;
	assert_false(takes(&set, 2, "ann", -1));
	assert_false(takes(&set, 0, "annie", -1));
	assert_false(takes(&set, 1, "bob", -1));
	assert_true(takes(&set, 1, "ann", other));
	assert_true(takes(&set, 0, "Ann", ann));
	assert_false(takes(&set, 0, "ann", -1));
	assert_true(takes(&set, 0, "bob", bob));
	assert_int_equal(set.count, 0);
	assert_null(set.oldest);
	assert_null(set.newest);
}

static void of_one_mailbox_the_newest_counts(void **state)
{
	struct kept_set set = {.most = 10};
	int first = keep(&set, 0, "ann"), second;

	(void)state;
	second = keep(&set, 0, "ann");
	assert_true(is_over(first));
	close(first);
	assert_int_equal(set.count, 1);
	assert_true(takes(&set, 0, "ann", second));
}

/* By its lock it is known whatever it was called; who locks what, only the user himself tells. */
static void of_one_folder_the_others_are_ended(void **state)
{
	struct kept_set set = {.most = 10};
	int plain = keep_locked(&set, 0, "ann\n", 7), named = keep_locked(&set, 0, "ANN\nINBOX", 7),
	    other = keep_locked(&set, 0, "ann\nSent", 8), anne = keep_locked(&set, 0, "anne\n", 7),
	    away = keep_locked(&set, 1, "ann\n", 7);
	struct channel *report;
	uint64_t lock = 0;

	(void)state;
	kept_end_others(&set, 0, "ann\n\\Inbox", 7);
	assert_true(is_over(plain));
	assert_true(is_over(named));
	assert_int_equal(set.count, 3);
	close(plain);
	close(named);
	assert_true(takes(&set, 0, "anne\n", anne));
	assert_true(takes(&set, 1, "ann\n", away));
	report = kept_take(&set, 0, "ann\nSENT", &lock);
	assert_non_null(report);
	assert_int_equal(lock, 8);
	channel_free(&report);
	close(other);
	for (int i = 0; i < 5000; i++) { /* some of whom are neighbours in the table */
		char user[20];
		int session;

		snprintf(user, sizeof(user), "user%d\n", i);
		session = keep_locked(&set, 0, user, 7);
		kept_end_others(&set, 0, "ann\n", 7);
		assert_true(takes(&set, 0, user, session));
	}
}

static void the_oldest_makes_way(void **state)
{
	struct kept_set set = {.most = 3};
	int sessions[6];
	char user[20];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		sessions[i] = keep(&set, 0, user);
	}
	assert_true(takes(&set, 0, "user1", sessions[1])); /* out of the middle */
	for (int i = 3; i < 6; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		sessions[i] = keep(&set, 0, user);
	}
	assert_int_equal(set.count, 3);
	assert_true(is_over(sessions[0]));
	assert_true(is_over(sessions[2]));
	close(sessions[0]);
	close(sessions[2]);
	for (int i = 3; i < 6; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		assert_true(takes(&set, 0, user, sessions[i]));
	}
}

static void one_that_ends_is_forgotten(void **state)
{
	struct kept_set set = {.most = 10};
	int ann = keep(&set, 0, "ann"), bob = keep(&set, 0, "bob"), cid = keep(&set, 0, "cid");

	(void)state;
	close(bob);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(set.count, 2);
	assert_false(takes(&set, 0, "bob", -1));
	close(ann);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_true(takes(&set, 0, "cid", cid));
	assert_int_equal(set.count, 0);
}

/* Names that fall into one bucket are told apart. */
static void many(void **state)
{
	enum { MANY = 300 };
	struct kept_set set = {.most = MANY};
	int sessions[MANY];
	char user[20];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(user, sizeof(user), "%d", i);
		sessions[i] = keep(&set, (size_t)i % 2, user);
	}
	for (int i = MANY - 1; i >= 0; i--) {
		snprintf(user, sizeof(user), "%d", i);
		assert_true(takes(&set, (size_t)i % 2, user, sessions[i]));
	}
	for (size_t i = 0; i < KEPT_BUCKETS; i++)
		assert_null(set.buckets[i]);
}

static int base_new(void **state)
{
	(void)state;
	base = channel_base();
	return base == NULL ? -1 : 0;
}

static int base_free(void **state)
{
	(void)state;
	event_base_free(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(found_by_backend_and_user),	  cmocka_unit_test(of_one_mailbox_the_newest_counts),
	    cmocka_unit_test(of_one_folder_the_others_are_ended), cmocka_unit_test(the_oldest_makes_way),
	    cmocka_unit_test(one_that_ends_is_forgotten),	  cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, base_new, base_free);
}
