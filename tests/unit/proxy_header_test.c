/* Tests of the PROXY protocol's header: what is told, every split, every truncation, hostile sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "front/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define AFTER	  "USER ann\r\n" /* what follows is the client's */

struct result {
	enum proxy_event event;
	size_t used;
	char text[INET6_ADDRSTRLEN + 8]; /* "ADDRESS PORT" */
};

static void describe(struct result *result, const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN] = "none";
	struct sockaddr_in6 six;
	struct sockaddr_in four;
	unsigned port = 0;

	if (address->ss_family == AF_INET) {
		memcpy(&four, address, sizeof(four));
		inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
		port = ntohs(four.sin_port);
	} else if (address->ss_family == AF_INET6) {
		memcpy(&six, address, sizeof(six));
		inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
		port = ntohs(six.sin6_port);
	}
	snprintf(result->text, sizeof(result->text), "%s %u", text, port);
}

/* Feeds pieces as they would be peeked at, each in memory of its own size. `cut`: where the first ends. */
static struct result feed(const char *octets, size_t size, size_t cut, size_t step)
{
	struct result result = {.event = PROXY_MORE};
	struct sockaddr_storage address = {0};
	struct proxy_header header = {0};
	const char *why = NULL;

	while (result.event == PROXY_MORE && result.used < size) {
		size_t left = size - result.used, piece = result.used < cut ? cut - result.used : step, used;
		unsigned char *copy;

		piece = piece < left ? piece : left;
		copy = malloc(piece);
		assert_non_null(copy);
		memcpy(copy, octets + result.used, piece);
		result.event = proxy_header_take(&header, copy, piece, &used, &address, &why);
		free(copy);
		assert_true(used > 0 && used <= piece);
		assert_true(used == piece || result.event != PROXY_MORE);
		result.used += used;
	}
	assert_true((result.event == PROXY_MALFORMED) == (why != NULL));
	describe(&result, &address);
	return result;
}

/* In whatever pieces it comes, the header says the same and ends where it ends; without its end it never does. */
static void check(const char *header, size_t size, enum proxy_event event, const char *text)
{
	char *octets = malloc(size + sizeof(AFTER));
	struct result result;

	assert_non_null(octets);
	memcpy(octets, header, size);
	memcpy(octets + size, AFTER, sizeof(AFTER));
	for (size_t cut = 0; cut <= size; cut++) {
		result = feed(octets, size + sizeof(AFTER), cut, size + sizeof(AFTER));
		assert_int_equal(result.event, event);
		assert_int_equal(result.used, size);
		assert_string_equal(result.text, text);
		assert_int_equal(feed(octets, cut, cut, 1).event, cut < size ? PROXY_MORE : event);
	}
	assert_int_equal(feed(octets, size + sizeof(AFTER), 0, 1).used, size);
	free(octets);
}

static void check_line(const char *line, enum proxy_event event, const char *text)
{
	check(line, strlen(line), event, text);
}

static void lines_tell_the_client(void **state)
{
	(void)state;
	check_line("PROXY TCP4 192.0.2.7 198.51.100.1 40000 110\r\n", PROXY_CLIENT, "192.0.2.7 40000");
	check_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", PROXY_CLIENT, "255.255.255.255 65535");
	check_line("PROXY TCP4 127.0.0.1 127.0.0.1 0 0\r\n", PROXY_CLIENT, "127.0.0.1 0");
	check_line("PROXY TCP6 2001:db8::7 2001:db8::1 40000 995\r\n", PROXY_CLIENT, "2001:db8::7 40000");
	check_line("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", PROXY_CLIENT, "::ffff:192.0.2.7 1");
	check_line(
	    "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"
	    "\r\n",
	    PROXY_CLIENT, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
}

static void unknown_is_the_proxy_itself(void **state)
{
	(void)state;
	check_line("PROXY UNKNOWN\r\n", PROXY_OWN, "none 0");
	check_line(
	    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"
	    "\r\n",
	    PROXY_OWN, "none 0");
	check_line("PROXY UNKNOWN what else\r\n", PROXY_OWN, "none 0");
}

static void refuse(const char *octets, size_t size)
{
	struct result whole = feed(octets, size, size, 1), single = feed(octets, size, 0, 1);

	if (whole.event != PROXY_MALFORMED || single.event != PROXY_MALFORMED)
		fail_msg("taken: %.*s", (int)size, octets);
	assert_string_equal(whole.text, "none 0");
}

static void unsound_lines_are_refused(void **state)
{
	static const char *const lines[] = {
	    "PROXY \r\n",
	    "PROXY\r\n",
	    "PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
	    "PROXY TCP4\r\n",
	    "PROXY TCP4 \r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
	    "PROXY TCP4 192.0.2.7  192.0.2.1 1 2\r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1 \r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n",
	    "PROXY TCP4 192.0.2.7 192.0.2.1 1 18446744073709551617\r\n",
	    "PROXY TCP4 192.0.2.07 192.0.2.1 1 2\r\n",
	    "PROXY TCP4 192.0.2 192.0.2.1 1 2\r\n",
	    "PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n",
	    "PROXY TCP4 localhost 192.0.2.1 1 2\r\n",
	    "PROXY TCP4 ::1 ::1 1 2\r\n",
	    "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
	    "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
	    "PROXY TCP6 [::1] ::1 1 2\r\n",
	    "PROXY tcp4 192.0.2.7 192.0.2.1 1 2\r\n",
	    "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
	    "PROXY UNKNOWNS\r\n",
	    "proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
	    "USER ann\r\n",
	    "\x16\x03\x01\x02",
	    "\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], strlen(lines[i]));
	refuse("PROXY TCP4 192.0.2.7\0 192.0.2.1 1 2\r\n", 38);
}

static void lines_are_bounded(void **state)
{
	char line[300] = "PROXY UNKNOWN ";

	(void)state;
	memset(line + 14, 'x', sizeof(line) - 14);
	memcpy(line + 105, "\r\n", 2);
	check(line, 107, PROXY_OWN, "none 0");
	line[105] = line[106] = 'x';
	line[106] = '\r';
	line[107] = '\n';
	refuse(line, sizeof(line));
	assert_int_equal(feed(line, sizeof(line), sizeof(line), 1).used, 107);
}

/* ---- version 2 ---- */

static size_t make(char *out, unsigned command, unsigned family, size_t rest)
{
	memcpy(out, SIGNATURE, 12);
	out[12] = (char)command;
	out[13] = (char)family;
	out[14] = (char)(rest >> 8);
	out[15] = (char)rest;
	memset(out + 16, 0x5a, rest);
	return 16 + rest;
}

static size_t make_four(char *out, size_t rest)
{
	size_t size = make(out, 0x21, 0x11, rest);

	memcpy(out + 16, "\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\x40\x00\x6e", 12);
	return size;
}

static void octets_tell_the_client(void **state)
{
	char octets[400];
	size_t size = make_four(octets, 12);

	(void)state;
	check(octets, size, PROXY_CLIENT, "192.0.2.7 40000");
	size = make(octets, 0x21, 0x21, 36);
	memcpy(octets + 16, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
	memcpy(octets + 48, "\x9c\x40", 2);
	check(octets, size, PROXY_CLIENT, "2001:db8::7 40000");
	memcpy(octets + 16, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07", 16);
	check(octets, size, PROXY_CLIENT, "::ffff:192.0.2.7 40000");
}

/* What may follow the addresses is passed over, whatever it is. */
static void more_than_addresses_is_skipped(void **state)
{
	char octets[PROXY_HEADER_MAX];
	size_t size = make_four(octets, 12 + 3);

	(void)state;
	check(octets, size, PROXY_CLIENT, "192.0.2.7 40000");
	size = make_four(octets, 300);
	octets[40] = '\n';
	check(octets, size, PROXY_CLIENT, "192.0.2.7 40000");
	size = make_four(octets, PROXY_HEADER_MAX - 16);
	assert_int_equal(size, PROXY_HEADER_MAX);
	assert_int_equal(feed(octets, size, 0, 7).event, PROXY_CLIENT);
	assert_int_equal(feed(octets, size - 1, 0, 7).event, PROXY_MORE);
}

static void local_and_unspecified_are_the_proxy_itself(void **state)
{
	char octets[400];

	(void)state;
	check(octets, make(octets, 0x20, 0x00, 0), PROXY_OWN, "none 0");
	check(octets, make(octets, 0x20, 0x11, 12), PROXY_OWN, "none 0");
	check(octets, make(octets, 0x20, 0xff, 5), PROXY_OWN, "none 0");
	check(octets, make(octets, 0x21, 0x00, 0), PROXY_OWN, "none 0");
	check(octets, make(octets, 0x21, 0x00, 40), PROXY_OWN, "none 0");
	check(octets, make(octets, 0x21, 0x31, 216), PROXY_OWN, "none 0");
}

static void unsound_octets_are_refused(void **state)
{
	static const unsigned char families[] = {0x01, 0x10, 0x12, 0x13, 0x20, 0x22, 0x30, 0x32, 0x41, 0xff};
	char octets[PROXY_HEADER_MAX + 200];

	(void)state;
	for (unsigned command = 0; command < 256; command++)
		if (command != 0x20 && command != 0x21)
			refuse(octets, make(octets, command, 0x11, 12));
	for (size_t i = 0; i < sizeof(families); i++)
		refuse(octets, make(octets, 0x21, families[i], 216));
	refuse(octets, make(octets, 0x21, 0x11, 11));
	refuse(octets, make(octets, 0x21, 0x11, 0));
	refuse(octets, make(octets, 0x21, 0x21, 35));
	refuse(octets, make(octets, 0x21, 0x31, 215));
	refuse(octets, make(octets, 0x20, 0x00, PROXY_HEADER_MAX - 15));
	for (size_t i = 1; i < 12; i++) {
		make(octets, 0x21, 0x11, 12);
		octets[i] ^= 1;
		refuse(octets, 28);
		assert_int_equal(feed(octets, 28, 0, 1).used, i + 1);
	}
	make(octets, 0x21, 0x11, 12);
	memcpy(octets + 14, "\xff\xff", 2);
	refuse(octets, 28);
	assert_int_equal(feed(octets, 28, 0, 1).used, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_tell_the_client),
	    cmocka_unit_test(unknown_is_the_proxy_itself),
	    cmocka_unit_test(unsound_lines_are_refused),
	    cmocka_unit_test(lines_are_bounded),
	    cmocka_unit_test(octets_tell_the_client),
	    cmocka_unit_test(more_than_addresses_is_skipped),
	    cmocka_unit_test(local_and_unspecified_are_the_proxy_itself),
	    cmocka_unit_test(unsound_octets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
