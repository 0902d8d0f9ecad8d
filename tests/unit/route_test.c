/* Tests of routes and patterns: which login name goes where, and as whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf_pattern.h"
#include "common/route.h"

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool taken;
	} cases[] = {
	    {"*", "", true},
	    {"*", "bob", true},
	    {"**", "bob@example.org", true},
	    {"bob", "bob", true},
	    {"bob", "Bob", false},
	    {"bob", "bob@example.org", false},
	    {"bob", "bobby", false},
	    {"bobby", "bob", false},
	    {"bob*", "bob@example.org", true},
	    {"bob@example.org", "bob@EXAMPLE.Org", true},
	    {"bob@EXAMPLE.org", "bob@example.org", true},
	    {"bob@example.org", "BOB@example.org", false},
	    {"*@example.org", "bob@example.org", true},
	    {"*@example.org", "@example.org", true},
	    {"*@example.org", "bob@example.org.evil", false},
	    {"*@example.org", "bob@evilexample.org", false},
	    {"*@example.org", "bob@example.org@evil", false},
	    {"*@example.org", "evil@evil@example.org", true},
	    {"*@example.org", "example.org", false},
	    {"*@*.example.org", "bob@a.example.org", true},
	    {"*@*.example.org", "bob@example.org", false},
	    {"a*b*c", "abc", true},
	    {"a*b*c", "aXbYbZc", true},
	    {"a*b*c", "aXcYb", false},
	    {"*aab", "aaab", true},
	    {"a*", "a", true},
	    {"*a", "ba", true},
	    {"*a", "ab", false},
	    {"?", "x", false},
	    {"[a]", "a", false},
	    {"a.c", "abc", false},
	    /* Only ASCII is folded, only in the domain: after the last '@'. */
	    {"x@Y@z", "x@y@z", false},
	    {"x@y@Z", "x@y@z", true},
	    {"b@\xc3\x84.org", "b@\xc3\xa4.org", false},
	    {"b@[", "b@{", false},
	    {"", "x", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (conf_pattern_matches(cases[i].pattern, cases[i].name) != cases[i].taken)
			fail_msg("%s against %s", cases[i].pattern, cases[i].name);
}

/* A pattern of many stars costs no more than the product of the lengths. */
static void patterns_stay_cheap(void **state)
{
	char pattern[513], name[4097];

	(void)state;
	for (size_t i = 0; i < 512; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[510] = 'b';
	pattern[511] = pattern[512] = '\0';
	memset(name, 'a', 4096);
	name[4096] = '\0';
	assert_false(conf_pattern_matches(pattern, name));
}

static void covers(void **state)
{
	static const struct {
		const char *pattern, *other;
		bool covered;
	} cases[] = {
	    {"*", "*", true},	    {"*", "bob", true},	    {"*@b", "a@b", true},    {"*@b", "a@B", true},
	    {"*@b", "*@b", true},   {"*@*", "*@b", true},   {"*@b", "*@*", false},   {"a*", "*a", false},
	    {"bob", "*", false},    {"a*c", "a*b*c", true}, {"a*b*c", "a*c", false}, {"bob", "Bob", false},
	    {"*B*", "a@b*", false}, /* "a@b@c" has its b in the name, not the domain */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (conf_pattern_covers(cases[i].pattern, cases[i].other) != cases[i].covered)
			fail_msg("%s over %s", cases[i].pattern, cases[i].other);
}

static void templates(void **state)
{
	const char *bad = NULL;

	(void)state;
	assert_true(conf_template_valid("", &bad));
	assert_true(conf_template_valid("%u", &bad));
	assert_true(conf_template_valid("x%n+%d%%%%u", &bad));
	assert_null(bad);
	assert_false(conf_template_valid("%u%U", &bad));
	assert_string_equal(bad, "%U");
	assert_false(conf_template_valid("a%", &bad));
	assert_string_equal(bad, "%");
	assert_false(conf_template_valid("%%%", &bad));
	assert_false(conf_template_valid("% u", &bad));
}

static void the_first_route_counts(void **state)
{
	struct conf_route routes[] = {{.users = (char *)"bob@example.org", .listener = CONF_ANY_LISTENER},
				      {.users = (char *)"*@example.org", .listener = CONF_ANY_LISTENER},
				      {.users = (char *)"*@example.net", .listener = CONF_ANY_LISTENER}};
	struct conf conf = {.routes = routes, .route_count = 3}, none = {0};
	size_t index = 9;

	(void)state;
	assert_int_equal(route_find(&conf, 0, "bob@Example.ORG", &index), 0);
	assert_int_equal(index, 0);
	assert_int_equal(route_find(&conf, 0, "eve@example.org", &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(route_find(&conf, 0, "eve@example.net", &index), 0);
	assert_int_equal(index, 2);
	index = 9;
	assert_int_equal(route_find(&conf, 0, "eve", &index), -1);
	assert_int_equal(route_find(&conf, 0, "", &index), -1);
	assert_int_equal(route_find(&none, 0, "eve", &index), -1);
	assert_int_equal(index, 9);
}

static void a_route_may_be_for_one_listener(void **state)
{
	struct conf_route routes[] = {{.users = (char *)"bob", .listener = 1},
				      {.users = (char *)"*", .listener = 0},
				      {.users = (char *)"*", .listener = CONF_ANY_LISTENER}};
	struct conf conf = {.routes = routes, .route_count = 3};
	size_t index = 9;

	(void)state;
	assert_int_equal(route_find(&conf, 0, "bob", &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(route_find(&conf, 1, "bob", &index), 0);
	assert_int_equal(index, 0);
	assert_int_equal(route_find(&conf, 2, "bob", &index), 0);
	assert_int_equal(index, 2);
	assert_int_equal(route_find(&conf, CONF_ANY_LISTENER, "bob", &index), 0);
	assert_int_equal(index, 2);
	conf.route_count = 2;
	assert_int_equal(route_find(&conf, 2, "bob", &index), -1);
	assert_int_equal(route_find(&conf, CONF_ANY_LISTENER, "bob", &index), -1);
}

static void upstream_users(void **state)
{
	static const struct {
		const char *template, *name, *expected; /* NULL: refused */
	} cases[] = {
	    {"%u", "bob@example.org", "bob@example.org"},
	    {"%n", "bob@example.org", "bob"},
	    {"%d", "bob@example.org", "example.org"},
	    {"%n", "bob", "bob"},
	    {"%d", "bob", NULL},
	    {"%d", "bob@", NULL},
	    {"x%d", "bob", NULL},
	    {"x%d", "bob@", NULL},
	    {"%d", "", NULL},
	    {"%n", "@example.org", NULL},
	    {"%n", "a@b@c", "a@b"},
	    {"%d", "a@b@c", "c"},
	    {"%u", "", NULL},
	    {"x%n-%d%%", "bob@example.org", "xbob-example.org%"},
	    {"shared", "bob", "shared"},
	    {"%n%n", "bob@x", "bobbob"},
	    /* What the user sends is never expanded. */
	    {"%u", "%d%n%%@example.org", "%d%n%%@example.org"},
	    {"%n", "%u@example.org", "%u"},
	    {"%%u", "bob", "%u"},
	};
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf_route route = {.upstream_user = (char *)cases[i].template};
		int result = route_upstream_user(&route, cases[i].name, buffer, sizeof(buffer));

		assert_int_equal(result, cases[i].expected == NULL ? -1 : 0);
		if (cases[i].expected != NULL)
			assert_string_equal(buffer, cases[i].expected);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	struct conf_route route = {.upstream_user = (char *)"x%u"};
	char buffer[8] = "1234567";

	(void)state;
	assert_int_equal(route_upstream_user(&route, "abc", buffer, 5), 0);
	assert_string_equal(buffer, "xabc");
	assert_int_equal(buffer[5], '6');
	assert_int_equal(route_upstream_user(&route, "abcd", buffer, 5), -1);
	assert_int_equal(buffer[5], '6');
	assert_int_equal(route_upstream_user(&route, "", buffer, 1), -1);
	assert_int_equal(route_upstream_user(&route, "", buffer, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(patterns),
	    cmocka_unit_test(patterns_stay_cheap),
	    cmocka_unit_test(covers),
	    cmocka_unit_test(templates),
	    cmocka_unit_test(the_first_route_counts),
	    cmocka_unit_test(a_route_may_be_for_one_listener),
	    cmocka_unit_test(upstream_users),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
