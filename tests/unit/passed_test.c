/* Tests of what LISTEN_FDS and NOTIFY_SOCKET leave behind: systemd_test.py has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/listen.h"
#include "supervisor/notify.h"
#include "supervisor/passed.h"

#define FIRST 3

static struct passed passed;

static void announce(const char *count, long pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", pid);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDNAMES", "name", 1);
}

static void assert_forgotten(void)
{
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

/* Makes the first descriptor a socket that listens, somewhere. Returns its port. */
static unsigned listen_first(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	if (fd != FIRST) {
		assert_int_equal(dup2(fd, FIRST), FIRST);
		close(fd);
	}
	return listen_port(FIRST);
}

static void descriptors_are_closed_on_exec_and_the_environment_is_cleared(void **state)
{
	char address[] = "127.0.0.1";
	struct conf_listener listener = {.address = address, .port = listen_first()};
	int fd;

	(void)state;
	announce("1", getpid());
	passed_receive(&passed);
	assert_forgotten();
	assert_int_equal(passed.count, 1);
	assert_int_equal(fcntl(FIRST, F_GETFD), FD_CLOEXEC);
	fd = passed_find(&passed, &listener);
	assert_true(fd > FIRST);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	close(fd);
	listener.port ^= 1;
	assert_int_equal(passed_find(&passed, &listener), -1);
	passed_close(&passed);
	assert_int_equal(passed.count, 0);
	assert_int_equal(fcntl(FIRST, F_GETFD), -1);
}

static void what_is_meant_for_another_is_left_alone(void **state)
{
	(void)state;
	(void)listen_first();
	announce("1", (long)getpid() + 1);
	passed_receive(&passed);
	assert_forgotten();
	assert_int_equal(passed.count, 0);
	assert_int_equal(fcntl(FIRST, F_GETFD), 0);
	close(FIRST);
}

static void counts_that_are_none(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} cases[] = {{"", 0}, {"x", 0}, {"0", 0}, {"-1", 0}, {"18446744073709551617", 0}, {"65", PASSED_MAX}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		announce(cases[i].text, getpid());
		passed_receive(&passed);
		assert_forgotten();
		assert_int_equal(passed.count, cases[i].count);
		passed.count = 0;
	}
}

static void no_announcement_is_no_socket(void **state)
{
	(void)state;
	passed_receive(&passed);
	assert_int_equal(passed.count, 0);
}

static void the_address_for_notices_is_not_handed_on(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "/nowhere/socket", 1);
	notify_begin();
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_say(NOTIFY_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(descriptors_are_closed_on_exec_and_the_environment_is_cleared),
	    cmocka_unit_test(what_is_meant_for_another_is_left_alone),
	    cmocka_unit_test(counts_that_are_none),
	    cmocka_unit_test(no_announcement_is_no_socket),
	    cmocka_unit_test(the_address_for_notices_is_not_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
