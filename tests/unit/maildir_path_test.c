/* Templates of paths: what an administrator may write, and what a user name can make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/maildir/path.h"

static void finds_the_base(void **state)
{
	static const char *const pairs[][2] = {
	    {"/var/mail/%d/%n/Maildir", "/var/mail"}, {"/srv/%u", "/srv"},  {"/srv/mail-%u/x", "/srv"},
	    {"/home/ann/Maildir", "/home/ann"},	      {"/a/b%%c/%u", "/a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t size = path_base(pairs[i][0]);

		assert_null(path_fault(pairs[i][0]));
		assert_int_equal(size, strlen(pairs[i][1]));
		assert_memory_equal(pairs[i][0], pairs[i][1], size);
		assert_int_equal(pairs[i][0][size], '/');
	}
}

static void refuses_templates(void **state)
{
	static const char *const wrong[] = {"",		 "mail/%u",    "/",	  "/mail",	  "/%u",
					    "/%u/mail",	 "/srv/%",     "/srv/%x", "/srv//%u",	  "/srv/%u/",
					    "/srv/./%u", "/srv/../%u", "/srv/..", "/srv/a\nb/%u", "/srv/%u%"};
	char longest[600];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(path_fault(wrong[i]));
	snprintf(longest, sizeof(longest), "/srv/%0500d/%%u", 0);
	assert_non_null(path_fault(longest));
	snprintf(longest, sizeof(longest), "/srv/%0256d/%%u", 0);
	assert_non_null(path_fault(longest));
}

static void fills_in(const char *rest, const char *user, const char *expected)
{
	char path[PATH_ROOM] = "untouched";

	if (expected == NULL) {
		assert_int_equal(path_fill(rest, user, path), -1);
		return;
	}
	assert_int_equal(path_fill(rest, user, path), 0);
	assert_string_equal(path, expected);
}

static void fills_names_in(void **state)
{
	(void)state;
	fills_in("%d/%n/Maildir", "ann@example.org", "example.org/ann/Maildir");
	fills_in("%u/Maildir", "ann@example.org", "ann@example.org/Maildir");
	fills_in("%n", "a@b@example.org", "a@b");
	fills_in("%n", "ann", "ann");
	fills_in("x-%n%%/.m", "ann", "x-ann%/.m");
	fills_in("Maildir", "ann", "Maildir");
	fills_in("%u", "%n", "%n");
	fills_in("%u", "a.b..", "a.b..");
	fills_in("%u", "j\xc3\xb6rg", "j\xc3\xb6rg");
	fills_in("%d/%n", "ann", NULL);
}

static void refuses_names(void **state)
{
	static const char *const wrong[] = {"",	      ".",	 "..",	 "../ann", "a/b",  "/",	     "ann/",
					    "/ann",   ".ann",	 "@",	 "ann@",   "@org", "ann@.",  "ann@..",
					    "ann@.x", "ann@a/b", "a\nb", "a\x7f",  "\x01", "..@org", "ann@/"};
	static const char *const templates[] = {"%u", "%n/Maildir", "%d/%n", "x%nx", "Maildir"};
	char longest[400], expected[420];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (size_t j = 0; j < sizeof(templates) / sizeof(templates[0]); j++)
			fills_in(templates[j], wrong[i], NULL);
	snprintf(longest, sizeof(longest), "%0255d", 0);
	fills_in("%u", longest, longest);
	fills_in("x%u", longest, NULL);
	snprintf(expected, sizeof(expected), "a/%s/b", longest);
	fills_in("a/%u/b", longest, expected);
	fills_in("%u/%u/%u/%u/%u", longest, NULL);
	snprintf(longest, sizeof(longest), "%0256d", 0);
	fills_in("%u", longest, NULL);
	fills_in("Maildir", longest, NULL);
}

static void names_folders(void **state)
{
	static const char *const wrong[] = {"", ".", "..", "a.", ".a", "/a", "a/", "a//b", "a..b", "a/.b", "a\nb"};
	char name[PATH_ROOM];

	(void)state;
	path_folder("Lists/popgate.dev", name);
	assert_string_equal(name, ".Lists.popgate.dev");
	assert_null(path_folder_fault("Lists/popgate.dev"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(path_folder_fault(wrong[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_base), cmocka_unit_test(refuses_templates), cmocka_unit_test(fills_names_in),
	    cmocka_unit_test(refuses_names),  cmocka_unit_test(names_folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
