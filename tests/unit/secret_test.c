/* Tests of secrets: copied, moved, and gone afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

#include "common/secret.h"

/* Stand in for the C library's (the second is the first as _FORTIFY_SOURCE
 * calls it), to see that what is freed had been wiped before. */
void explicit_bzero(void *data, size_t size);
void __explicit_bzero_chk(void *data, size_t size, size_t room);

static const void *wiped;
static size_t wiped_size;

void explicit_bzero(void *data, size_t size)
{
	volatile unsigned char *at = data;

	for (size_t i = 0; i < size; i++)
		at[i] = 0;
	wiped = data;
	wiped_size = size;
}

void __explicit_bzero_chk(void *data, size_t size, size_t room)
{
	assert_true(size <= room);
	explicit_bzero(data, size);
}

static void wipe(void **state)
{
	char data[] = "secret";

	(void)state;
	secret_wipe(data + 1, 4);
	assert_memory_equal(data, "s\0\0\0\0t", 7);
	secret_wipe(data, 0);
	assert_int_equal(data[0], 's');
}

static void set_and_clear(void **state)
{
	struct secret secret = {0};
	const void *data;

	(void)state;
	assert_int_equal(secret_set(&secret, "a\0b", 3), 0);
	assert_int_equal(secret.size, 3);
	assert_memory_equal(secret.data, "a\0b", 4); /* a NUL follows */
	data = secret.data;
	wiped = NULL;
	secret_clear(&secret);
	assert_ptr_equal(wiped, data);
	assert_int_equal(wiped_size, 3);
	assert_null(secret.data);
	assert_int_equal(secret.size, 0);
	secret_clear(&secret);
}

static void set_wipes_what_was_there(void **state)
{
	struct secret secret = {0};
	const void *data;

	(void)state;
	assert_int_equal(secret_set(&secret, "first", 5), 0);
	data = secret.data;
	wiped = NULL;
	assert_int_equal(secret_set(&secret, "second!", 7), 0);
	assert_ptr_equal(wiped, data);
	assert_int_equal(wiped_size, 5);
	assert_string_equal((const char *)secret.data, "second!");
	secret_clear(&secret);
}

static void empty_is_not_none(void **state)
{
	struct secret secret = {0};

	(void)state;
	assert_int_equal(secret_set(&secret, NULL, 0), 0);
	assert_non_null(secret.data);
	assert_int_equal(secret.data[0], '\0');
	assert_int_equal(secret.size, 0);
	secret_clear(&secret);
	assert_null(secret.data);
}

static void too_long_is_refused(void **state)
{
	static char octets[SECRET_MAX + 1];
	struct secret secret = {0};

	(void)state;
	assert_int_equal(secret_set(&secret, octets, SECRET_MAX), 0);
	assert_int_equal(secret_set(&secret, octets, SECRET_MAX + 1), -1);
	assert_null(secret.data);
	assert_int_equal(secret.size, 0);
}

static void move(void **state)
{
	struct secret from = {0}, to = {0};
	const void *data, *old;

	(void)state;
	assert_int_equal(secret_set(&from, "new", 3), 0);
	assert_int_equal(secret_set(&to, "old one", 7), 0);
	data = from.data;
	old = to.data;
	wiped = NULL;
	secret_move(&to, &from);
	assert_ptr_equal(wiped, old);
	assert_ptr_equal(to.data, data);
	assert_int_equal(to.size, 3);
	assert_null(from.data);
	assert_int_equal(from.size, 0);
	secret_clear(&from);
	secret_clear(&to);
}

/* The kernel's flags of the mapping that begins at data, as /proc/self/smaps tells them. */
static void flags_of(const void *data, char *flags, size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512], begin[32];
	bool found = false;

	assert_non_null(file);
	snprintf(begin, sizeof(begin), "%lx-", (unsigned long)(uintptr_t)data);
	flags[0] = '\0';
	while (flags[0] == '\0' && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, begin, strlen(begin)) == 0)
			found = true;
		if (found && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, size, "%s", line);
	}
	fclose(file);
}

static void invariant_13_pages_are_locked_and_in_no_core(void **state)
{
	struct secret secret = {0};
	char flags[512];

	(void)state;
	assert_int_equal(secret_set(&secret, "hush", 4), 0);
	flags_of(secret.data, flags, sizeof(flags));
	if (flags[0] == '\0')
		skip(); /* a kernel that does not tell */
	assert_non_null(strstr(flags, " dd "));
	assert_non_null(strstr(flags, " wf "));
#ifndef WITH_SANITIZERS		  /* which make nothing of mlock() */
	if (mlock(flags, 1) == 0) /* or the system allows none of it */
		assert_non_null(strstr(flags, " lo "));
#endif
	secret_clear(&secret);
}

static void invariant_13_no_child_has_it(void **state)
{
	struct secret secret = {0};
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(secret_set(&secret, "hush", 4), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(secret.data[0] | secret.data[3]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal((const char *)secret.data, "hush");
	secret_clear(&secret);
}

static void nothing_may_be_locked(void **state)
{
	const struct rlimit none = {0, 0};
	struct secret secret = {0};

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	assert_int_equal(secret_set(&secret, "hush", 4), 0);
	assert_string_equal((const char *)secret.data, "hush");
	secret_clear(&secret);
}

static void any_size_has_its_nul(void **state)
{
	static char octets[SECRET_MAX];
	struct secret secret = {0};

	(void)state;
	memset(octets, 'x', sizeof(octets));
	for (size_t size = 4094; size <= SECRET_MAX; size += size < 4098 ? 1 : 4098) {
		assert_int_equal(secret_set(&secret, octets, size), 0);
		assert_int_equal(strlen((const char *)secret.data), size);
	}
	secret_clear(&secret);
}

static void equal_to_the_same_octets_alone(void **state)
{
	struct secret secret = {0};

	(void)state;
	assert_false(secret_equal(&secret, "", 0));
	assert_int_equal(secret_set(&secret, "open\0sesame", 11), 0);
	assert_true(secret_equal(&secret, "open\0sesame", 11));
	assert_false(secret_equal(&secret, "open\0sesamE", 11));
	assert_false(secret_equal(&secret, "open\0sesame", 10));
	assert_false(secret_equal(&secret, "Open\0sesame", 11));
	assert_int_equal(secret_set(&secret, "", 0), 0);
	assert_true(secret_equal(&secret, "", 0));
	assert_false(secret_equal(&secret, "x", 1));
	secret_clear(&secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wipe),
	    cmocka_unit_test(set_and_clear),
	    cmocka_unit_test(set_wipes_what_was_there),
	    cmocka_unit_test(empty_is_not_none),
	    cmocka_unit_test(too_long_is_refused),
	    cmocka_unit_test(move),
	    cmocka_unit_test(equal_to_the_same_octets_alone),
	    cmocka_unit_test(any_size_has_its_nul),
	    cmocka_unit_test(invariant_13_pages_are_locked_and_in_no_core),
	    cmocka_unit_test(invariant_13_no_child_has_it),
	    cmocka_unit_test(nothing_may_be_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
