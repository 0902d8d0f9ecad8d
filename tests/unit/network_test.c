/* Tests of network: what is one, and who lies in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/network.h"

static bool holds(const char *text, const char *address)
{
	struct network network;

	assert_int_equal(network_parse(text, &network), 0);
	return network_holds(&network, address);
}

static void ipv4(void **state)
{
	(void)state;
	assert_true(holds("192.0.2.0/24", "192.0.2.0"));
	assert_true(holds("192.0.2.0/24", "192.0.2.255"));
	assert_false(holds("192.0.2.0/24", "192.0.3.0"));
	assert_false(holds("192.0.2.0/24", "192.0.1.255"));
	assert_true(holds("192.0.2.128/25", "192.0.2.200"));
	assert_false(holds("192.0.2.128/25", "192.0.2.127"));
	assert_true(holds("192.0.2.7", "192.0.2.7"));
	assert_false(holds("192.0.2.7", "192.0.2.6"));
	assert_true(holds("192.0.2.7/32", "192.0.2.7"));
	assert_true(holds("10.0.0.0/8", "10.255.255.255"));
	assert_true(holds("0.0.0.0/0", "203.0.113.9"));
}

static void ipv6(void **state)
{
	(void)state;
	assert_true(holds("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(holds("2001:db8::/32", "2001:db9::"));
	assert_true(holds("2001:db8::1", "2001:db8:0:0::1"));
	assert_true(holds("2001:db8:0:8000::/49", "2001:db8:0:ffff::"));
	assert_false(holds("2001:db8:0:8000::/49", "2001:db8:0:7fff::"));
	assert_true(holds("::/0", "2001:db8::1"));
	assert_true(holds("::1", "::1"));
	assert_true(holds("fe80::/10", "febf::1"));
	assert_false(holds("fe80::/10", "fec0::1"));
}

static void addresses_of_a_link(void **state)
{
	(void)state;
	assert_true(holds("fe80::/10", "fe80::1%eth0"));
	assert_true(holds("fe80::1", "fe80::1%3"));
	assert_true(holds("::/0", "febf::1%eth0"));
	assert_false(holds("fe80::1", "fe80::2%eth0"));
	assert_false(holds("2001:db8::/32", "fe80::1%eth0"));
	assert_false(holds("::/0", "2001:db8::1%eth0"));
	assert_false(holds("::/0", "fec0::1%eth0"));
	assert_false(holds("::/0", "fe80::1%"));
	assert_false(holds("::/0", "%eth0"));
	assert_false(holds("0.0.0.0/0", "192.0.2.1%eth0"));
	assert_false(holds("::/0", "1111111111111111111111111111111111111111111111111111111111111111111111%eth0"));
}

/* An IPv4 address is the same however it is written, and no IPv6 network is meant for it. */
static void ipv4_written_as_ipv6(void **state)
{
	(void)state;
	assert_true(holds("192.0.2.0/24", "::ffff:192.0.2.9"));
	assert_true(holds("192.0.2.0/24", "::ffff:c000:209"));
	assert_false(holds("192.0.2.0/24", "::ffff:192.0.3.9"));
	assert_true(holds("::ffff:192.0.2.0/120", "192.0.2.9"));
	assert_true(holds("::ffff:0:0/96", "192.0.2.9"));
	assert_false(holds("::/0", "192.0.2.9"));
	assert_false(holds("::/0", "::ffff:192.0.2.9"));
	assert_false(holds("::/80", "192.0.2.9"));
	assert_false(holds("0.0.0.0/0", "2001:db8::1"));
	assert_false(holds("0.0.0.0/0", "::1"));
	assert_false(holds("0.0.0.0/0", "::"));
	assert_false(holds("192.0.2.0/24", "::192.0.2.9"));
}

static void hostile_networks_are_none(void **state)
{
	static const char *const bad[] = {"",
					  "/",
					  "/24",
					  "192.0.2.0/",
					  "192.0.2.0/33",
					  "192.0.2.0/-1",
					  "192.0.2.0/+8",
					  "192.0.2.0/ 8",
					  "192.0.2.0/24 ",
					  " 192.0.2.0/24",
					  "192.0.2.0/24/8",
					  "192.0.2.0/0x8",
					  "192.0.2.0/99999999999999999999",
					  "192.0.2.0/255.255.255.0",
					  "192.0.2",
					  "192.0.2.256",
					  "0300.0.2.1",
					  "192.0.2.1/24",
					  "192.0.2.0/1",
					  "0.0.0.1/0",
					  "2001:db8::/129",
					  "2001:db8::1/64",
					  "2001:db8::/31 ",
					  "[2001:db8::1]",
					  "fe80::1%eth0",
					  "::ffff:192.0.2.1/95",
					  "1:2:3:4:5:6:7:8:9",
					  "localhost",
					  "*",
					  "192.0.2.*",
					  "1111111111111111111111111111111111111111111111111111111111111111111111/8"};
	struct network network = {.bits = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (network_parse(bad[i], &network) == 0)
			fail_msg("%s is taken for a network", bad[i]);
	assert_int_equal(network.bits, 77);
}

static void hostile_addresses_lie_nowhere(void **state)
{
	static const char *const bad[] = {"",	    "localhost", "192.0.2.1.",	"192.0.2.1 ",
					  "::1%lo", "[::1]",	 "192.0.2.1:25"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(holds("0.0.0.0/0", bad[i]));
		assert_false(holds("::/0", bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ipv4),
	    cmocka_unit_test(ipv6),
	    cmocka_unit_test(addresses_of_a_link),
	    cmocka_unit_test(ipv4_written_as_ipv6),
	    cmocka_unit_test(hostile_networks_are_none),
	    cmocka_unit_test(hostile_addresses_lie_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
