/* Tests of the count of connections by address, over several fronts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/tally.h"

#define SLOTS  8192 /* keys that differ by a multiple of it are neighbours */
#define PROBES 16   /* how many neighbours are counted */

static struct tally *tally;

static int begin(void **state)
{
	(void)state;
	tally = tally_new(3);
	return tally == NULL ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	tally_free(&tally);
	return tally == NULL ? 0 : -1;
}

static uint64_t key_by(uint64_t (*function)(const struct tally *, const struct sockaddr *), const char *address)
{
	struct sockaddr_storage storage;
	struct sockaddr_in four;
	struct sockaddr_in6 six;

	memset(&storage, 0, sizeof(storage));
	memset(&four, 0, sizeof(four));
	memset(&six, 0, sizeof(six));
	if (strchr(address, ':') != NULL) {
		six.sin6_family = AF_INET6;
		six.sin6_port = 1;
		assert_int_equal(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
		memcpy(&storage, &six, sizeof(six));
	} else {
		four.sin_family = AF_INET;
		four.sin_port = 2;
		assert_int_equal(inet_pton(AF_INET, address, &four.sin_addr), 1);
		memcpy(&storage, &four, sizeof(four));
	}
	return function(tally, (struct sockaddr *)&storage);
}

static uint64_t key_of(const char *address)
{
	return key_by(tally_key, address);
}

/* What a proxy has told is counted, whatever it is. */
static void told_addresses_have_no_exemption(void **state)
{
	(void)state;
	assert_true(key_by(tally_key_told, "127.0.0.1") != 0);
	assert_true(key_by(tally_key_told, "127.0.0.1") == key_by(tally_key_told, "::ffff:127.0.0.1"));
	assert_true(key_by(tally_key_told, "::1") != 0);
	assert_true(key_by(tally_key_told, "192.0.2.1") == key_of("192.0.2.1"));
	assert_true(key_by(tally_key_told, "2001:db8:1:2::1") == key_of("2001:db8:1:2::2"));
}

static void input_30_addresses(void **state)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};

	(void)state;
	assert_int_equal(key_of("127.0.0.1"), 0);
	assert_int_equal(key_of("::1"), 0);
	assert_int_equal(key_of("::ffff:127.0.0.1"), 0);
	assert_int_equal(tally_key(tally, (struct sockaddr *)&local), 0);
	assert_true(key_of("127.0.0.2") != 0);
	assert_true(key_of("192.0.2.1") != 0);
	assert_true(key_of("192.0.2.1") == key_of("::ffff:192.0.2.1"));
	assert_true(key_of("192.0.2.1") != key_of("192.0.2.2"));
	/* An IPv6 customer has a network of 64 bits. */
	assert_true(key_of("2001:db8:1:2::1") == key_of("2001:db8:1:2:ffff::9"));
	assert_true(key_of("2001:db8:1:2::1") != key_of("2001:db8:1:3::1"));
	assert_true(key_of("2001:db8::1") != 0);
}

/* Nobody can tell beforehand which addresses are neighbours. */
static void keys_are_seeded(void **state)
{
	struct tally *mine = tally, *other = tally_new(1);
	uint64_t one = key_of("192.0.2.1"), two;

	(void)state;
	assert_non_null(other);
	tally = other;
	two = key_of("192.0.2.1");
	tally = mine;
	assert_true(one != two);
	tally_free(&other);
}

static void input_30_fronts_count_together(void **state)
{
	uint64_t key = key_of("192.0.2.1"), other = key_of("192.0.2.2");

	(void)state;
	assert_int_equal(tally_enter(tally, 0, key), 1);
	assert_int_equal(tally_enter(tally, 0, key), 2);
	assert_int_equal(tally_enter(tally, 2, key), 3);
	assert_int_equal(tally_enter(tally, 1, other), 1);
	tally_leave(tally, 0, key);
	assert_int_equal(tally_enter(tally, 1, key), 3);
	tally_leave(tally, 0, key);
	tally_leave(tally, 1, key);
	tally_leave(tally, 2, key);
	assert_int_equal(tally_enter(tally, 0, key), 1);
	tally_leave(tally, 0, key);
	/* Who leaves once too often takes nothing away from others. */
	tally_leave(tally, 0, key);
	tally_leave(tally, 0, other);
	assert_int_equal(tally_enter(tally, 0, other), 2);
}

static void what_is_exempt_is_not_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(tally_enter(tally, 0, 0), 0);
	tally_leave(tally, 0, 0);
}

static void a_front_that_starts_forgets_its_own(void **state)
{
	uint64_t key = key_of("192.0.2.1");

	(void)state;
	tally_enter(tally, 0, key);
	tally_enter(tally, 0, key);
	tally_enter(tally, 1, key);
	tally_reset(tally, 0);
	assert_int_equal(tally_enter(tally, 0, key), 2);
	tally_reset(tally, 1);
	assert_int_equal(tally_enter(tally, 2, key), 2);
}

static void processes_share_it(void **state)
{
	uint64_t key = key_of("192.0.2.1");
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		for (int i = 0; i < 1000; i++)
			tally_enter(tally, 1, key);
		_exit(0);
	}
	for (int i = 0; i < 1000; i++)
		tally_enter(tally, 0, key);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(tally_enter(tally, 2, key), 2001);
}

static void neighbours_are_told_apart(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PROBES; i++)
		for (unsigned n = 1; n <= 3; n++)
			assert_int_equal(tally_enter(tally, 0, 7 + i * SLOTS), n);
	/* One too many is not counted, and takes nothing from the others. */
	assert_int_equal(tally_enter(tally, 0, 7 + PROBES * SLOTS), 0);
	tally_leave(tally, 0, 7 + PROBES * SLOTS);
	for (uint64_t i = 0; i < PROBES; i++)
		assert_int_equal(tally_enter(tally, 0, 7 + i * SLOTS), 4);
	/* Once one has gone, there is room; who stands behind the gap is still found. */
	for (int n = 0; n < 4; n++)
		tally_leave(tally, 0, 7);
	assert_int_equal(tally_enter(tally, 0, 7 + (PROBES - 1) * SLOTS), 5);
	assert_int_equal(tally_enter(tally, 0, 7 + PROBES * SLOTS), 1);
}

static void fronts_tell_who_has_room(void **state)
{
	(void)state;
	tally_total(tally, 0, 5);
	tally_total(tally, 1, 5);
	tally_total(tally, 2, 4);
	assert_true(tally_has_room(tally, 0, 5));
	assert_false(tally_has_room(tally, 2, 5));
	tally_total(tally, 2, 5);
	assert_false(tally_has_room(tally, 0, 5));
	tally_reset(tally, 1);
	assert_true(tally_has_room(tally, 0, 5));
}

/* The last slot's neighbours go on at the first. */
static void the_row_is_a_ring(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= PROBES; i++)
		assert_int_equal(tally_enter(tally, 2, i * SLOTS - 1), 1);
	for (uint64_t i = 1; i <= PROBES; i++)
		assert_int_equal(tally_enter(tally, 2, i * SLOTS - 1), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(input_30_addresses, begin, end),
	    cmocka_unit_test_setup_teardown(told_addresses_have_no_exemption, begin, end),
	    cmocka_unit_test_setup_teardown(keys_are_seeded, begin, end),
	    cmocka_unit_test_setup_teardown(input_30_fronts_count_together, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_exempt_is_not_counted, begin, end),
	    cmocka_unit_test_setup_teardown(a_front_that_starts_forgets_its_own, begin, end),
	    cmocka_unit_test_setup_teardown(processes_share_it, begin, end),
	    cmocka_unit_test_setup_teardown(neighbours_are_told_apart, begin, end),
	    cmocka_unit_test_setup_teardown(fronts_tell_who_has_room, begin, end),
	    cmocka_unit_test_setup_teardown(the_row_is_a_ring, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
