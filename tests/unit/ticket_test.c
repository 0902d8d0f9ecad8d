/* Tests of the ring of keys behind TLS session tickets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/ticket.h"

static struct ticket_ring ring;

static int begin(void **state)
{
	(void)state;
	return ticket_begin(&ring, 1000);
}

static void key_of_the_hour_needs_no_renewal(void **state)
{
	bool renew = true;

	(void)state;
	assert_ptr_equal(ticket_find(&ring, ring.current.name, &renew), &ring.current);
	assert_false(renew);
}

static void unknown_names_have_no_key(void **state)
{
	const unsigned char name[TICKET_NAME] = "garbage";
	bool renew;

	(void)state;
	assert_null(ticket_find(&ring, name, &renew));
}

static void parts_of_a_key_are_all_different(void **state)
{
	const unsigned char nothing[TICKET_SECRET] = {0};

	(void)state;
	assert_memory_not_equal(ring.current.cipher, ring.current.mac, TICKET_SECRET);
	assert_memory_not_equal(ring.current.cipher, ring.chain, TICKET_SECRET);
	assert_memory_not_equal(ring.current.name, ring.current.cipher, TICKET_NAME);
	assert_memory_not_equal(ring.current.cipher, nothing, TICKET_SECRET);
	assert_memory_not_equal(ring.current.mac, nothing, TICKET_SECRET);
}

static void two_chains_have_nothing_in_common(void **state)
{
	struct ticket_ring other;
	bool renew;

	(void)state;
	assert_int_equal(ticket_begin(&other, 1000), 0);
	assert_null(ticket_find(&other, ring.current.name, &renew));
	assert_memory_not_equal(other.current.cipher, ring.current.cipher, TICKET_SECRET);
}

static void nothing_changes_before_the_period_is_over(void **state)
{
	const struct ticket_ring before = ring;

	(void)state;
	ticket_advance(&ring, 1000 + TICKET_PERIOD - 1);
	assert_memory_equal(&ring, &before, sizeof(ring));
}

static void key_decrypts_for_one_period_more_and_is_renewed(void **state)
{
	const struct ticket_key old = ring.current;
	const struct ticket_key *found;
	bool renew;

	(void)state;
	ticket_advance(&ring, 1000 + TICKET_PERIOD);
	assert_memory_not_equal(ring.current.name, old.name, TICKET_NAME);
	assert_memory_not_equal(ring.current.cipher, old.cipher, TICKET_SECRET);
	found = ticket_find(&ring, old.name, &renew);
	assert_non_null(found);
	assert_true(renew);
	assert_memory_equal(found, &old, sizeof(old));
	ticket_advance(&ring, 1000 + 2 * TICKET_PERIOD - 1);
	assert_non_null(ticket_find(&ring, old.name, &renew));
	ticket_advance(&ring, 1000 + 2 * TICKET_PERIOD);
	assert_null(ticket_find(&ring, old.name, &renew));
}

static bool holds(const void *memory, size_t size, const void *octets, size_t count)
{
	return memmem(memory, size, octets, count) != NULL;
}

static void key_whose_time_is_over_is_nowhere_in_the_ring(void **state)
{
	const struct ticket_ring before = ring;

	(void)state;
	ticket_advance(&ring, 1000 + 2 * TICKET_PERIOD);
	assert_false(holds(&ring, sizeof(ring), before.current.cipher, TICKET_SECRET));
	assert_false(holds(&ring, sizeof(ring), before.current.mac, TICKET_SECRET));
	assert_false(holds(&ring, sizeof(ring), before.chain, TICKET_SECRET));
}

static void copies_agree_however_often_they_look(void **state)
{
	struct ticket_ring often = ring, seldom = ring;

	(void)state;
	for (int64_t now = 1000; now < 1000 + 5 * TICKET_PERIOD; now += TICKET_PERIOD / 7)
		ticket_advance(&often, now);
	ticket_advance(&often, 1000 + 5 * TICKET_PERIOD);
	ticket_advance(&seldom, 1000 + 5 * TICKET_PERIOD);
	assert_memory_equal(&often, &seldom, sizeof(often));
}

static void wiped_ring_has_no_keys_and_goes_nowhere(void **state)
{
	const struct ticket_ring nothing = {0};
	const struct ticket_key old = ring.current;
	bool renew;

	(void)state;
	ticket_wipe(&ring);
	ticket_advance(&ring, 1000 + 9 * TICKET_PERIOD);
	assert_memory_equal(&ring, &nothing, sizeof(ring));
	assert_null(ticket_find(&ring, old.name, &renew));
	assert_null(ticket_find(&ring, nothing.current.name, &renew));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(key_of_the_hour_needs_no_renewal, begin),
	    cmocka_unit_test_setup(unknown_names_have_no_key, begin),
	    cmocka_unit_test_setup(parts_of_a_key_are_all_different, begin),
	    cmocka_unit_test_setup(two_chains_have_nothing_in_common, begin),
	    cmocka_unit_test_setup(nothing_changes_before_the_period_is_over, begin),
	    cmocka_unit_test_setup(key_decrypts_for_one_period_more_and_is_renewed, begin),
	    cmocka_unit_test_setup(key_whose_time_is_over_is_nowhere_in_the_ring, begin),
	    cmocka_unit_test_setup(copies_agree_however_often_they_look, begin),
	    cmocka_unit_test_setup(wiped_ring_has_no_keys_and_goes_nowhere, begin),
	};

	return cmocka_run_group_tests_name("ticket", tests, NULL, NULL);
}
