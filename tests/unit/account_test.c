/* Tests of account: a table of them, and finding one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/account_table.h"

static void add(struct accounts *accounts, const char *user, const char *hash, bool disabled)
{
	struct account account = {
	    .user = strdup(user), .hash = hash == NULL ? NULL : strdup(hash), .disabled = disabled};

	assert_null(account_table_add(accounts, &account));
}

static void names_are_found_in_any_case(void **state)
{
	struct accounts *accounts = account_table_new(3);

	(void)state;
	add(accounts, "Ann@Example.org", NULL, false);
	add(accounts, "j\xc3\xb6rg", NULL, false);
	add(accounts, "[x]", NULL, false);
	assert_ptr_equal(accounts_find(accounts, "ann@example.ORG"), &accounts->items[0]);
	assert_ptr_equal(accounts_find(accounts, "Ann@Example.org"), &accounts->items[0]);
	assert_ptr_equal(accounts_find(accounts, "J\xc3\xb6RG"), &accounts->items[1]);
	assert_null(accounts_find(accounts, "j\xc3\x96rg")); /* ASCII alone */
	assert_null(accounts_find(accounts, "{x}"));	     /* 0x20 apart, and no letters */
	assert_null(accounts_find(accounts, "ann@example.or"));
	assert_null(accounts_find(accounts, "ann@example.orgg"));
	assert_null(accounts_find(accounts, ""));
	accounts_free(&accounts);
	assert_null(accounts);
	accounts_free(&accounts);
	assert_null(accounts_find(NULL, "ann"));
}

static void an_empty_table_has_nobody(void **state)
{
	struct accounts *accounts = account_table_new(0);

	(void)state;
	assert_null(accounts_find(accounts, "ann"));
	accounts_free(&accounts);
}

static void a_name_stands_once(void **state)
{
	struct accounts *accounts = account_table_new(2);
	struct account again = {.user = strdup("ANN")};

	(void)state;
	add(accounts, "ann", "$y$x", false);
	assert_ptr_equal(account_table_add(accounts, &again), &accounts->items[0]);
	assert_int_equal(accounts->count, 1);
	account_clear(&again);
	assert_null(again.user);
	accounts_free(&accounts);
}

static void all_of_many_are_found(void **state)
{
	enum { MANY = 20000 };
	struct accounts *accounts = account_table_new(MANY);
	char name[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "user%d@example.org", i);
		add(accounts, name, NULL, false);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "USER%d@Example.Org", i);
		assert_ptr_equal(accounts_find(accounts, name), &accounts->items[i]);
		snprintf(name, sizeof(name), "user%d@example.com", i);
		assert_null(accounts_find(accounts, name));
	}
	accounts_free(&accounts);
}

static void proofs_are_those_of_who_may_log_in(void **state)
{
	struct accounts *accounts = account_table_new(3);
	struct account account = {.user = strdup("dan"), .secret = strdup("s")};

	(void)state;
	add(accounts, "ann", NULL, false);
	assert_int_equal(accounts->proofs, 0);
	add(accounts, "bob", "$y$x", true);
	assert_int_equal(account_proofs(&accounts->items[1]), ACCOUNT_HASH);
	assert_int_equal(accounts->proofs, 0);
	assert_null(account_table_add(accounts, &account));
	assert_int_equal(accounts->proofs, ACCOUNT_SECRET);
	accounts_free(&accounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_found_in_any_case),
	    cmocka_unit_test(an_empty_table_has_nobody),
	    cmocka_unit_test(a_name_stands_once),
	    cmocka_unit_test(all_of_many_are_found),
	    cmocka_unit_test(proofs_are_those_of_who_may_log_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
