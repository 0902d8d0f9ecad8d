/* Tests of what a login name says: forms with a domain and without, folders behind a delimiter, hostile ones. */
#include "conf_support.h"

#include "common/login_name.h"
#include "common/route.h"

static struct conf *conf;

static void check(size_t listener, const char *given, const char *user, const char *folder)
{
	struct login_name name;

	memset(&name, 0x5a, sizeof(name));
	assert_int_equal(login_name_read(conf, listener, given, &name), 0);
	if (strcmp(name.user, user) != 0 || strcmp(name.folder, folder == NULL ? "" : folder) != 0 ||
	    name.view != (folder != NULL))
		fail_msg("%s is %s, %s", given, name.user, name.view ? name.folder : "no folder");
}

/* The same at no listener. */
static void any(const char *given, const char *user, const char *folder)
{
	check(CONF_ANY_LISTENER, given, user, folder);
}

static void read_conf(const char *text)
{
	conf_free(&conf);
	conf = support_read(text);
}

/* Where nothing is said about names they are what they are. */
static void names_stay_as_they_are(void **state)
{
	static const char *const names[] = {"ann",
					    "ann@example.org",
					    "ann%example.org",
					    "%",
					    "%n",
					    "ann+Junk",
					    "+",
					    "ann@",
					    "@",
					    "../..",
					    "{9}",
					    "\"ann\"",
					    "a b",
					    "\xc3\xa4+\xc3\xb6"};

	(void)state;
	read_conf(LISTENERS BACKENDS ROUTES);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		any(names[i], names[i], NULL);
		check(0, names[i], names[i], NULL);
	}
}

static void percent_stands_for_at(void **state)
{
	(void)state;
	read_conf(LISTENERS BACKENDS ROUTES "percent_domain = true;");
	any("ann%example.org", "ann@example.org", NULL);
	check(0, "ann%example.org", "ann@example.org", NULL);
	any("a%b%example.org", "a%b@example.org", NULL);
	any("ann%x@example.org", "ann%x@example.org", NULL);
	any("ann@", "ann@", NULL);
	any("ann%", "ann%", NULL);
	any("%example.org", "%example.org", NULL);
	any("%", "%", NULL);
	any("%%", "%%", NULL);
	any("%%a", "%@a", NULL);
	any("ann", "ann", NULL);
}

static void names_without_domain_get_one(void **state)
{
	(void)state;
	read_conf(LISTENERS BACKENDS ROUTES "default_domain = \"example.org\"; percent_domain = true;");
	any("ann", "ann@example.org", NULL);
	check(0, "ann", "ann@example.org", NULL);
	any("ann@example.net", "ann@example.net", NULL);
	any("ann%example.net", "ann@example.net", NULL);
	any("ann@", "ann@", NULL);
	any("ann%", "ann%@example.org", NULL);
	any("%n", "%n@example.org", NULL);
}

static void a_listener_has_its_own(void **state)
{
	(void)state;
	read_conf("listeners = ({ address = \"127.0.0.1\"; port = 1; tls = \"none\"; cleartext_login = true; },\n"
		  "{ address = \"127.0.0.1\"; port = 2; tls = \"none\"; cleartext_login = true;\n"
		  "  default_domain = \"example.net\"; percent_domain = false; });\n" BACKENDS ROUTES
		  "default_domain = \"example.org\"; percent_domain = true;");
	check(0, "ann", "ann@example.org", NULL);
	check(1, "ann", "ann@example.net", NULL);
	check(0, "ann%a", "ann@a", NULL);
	check(1, "ann%a", "ann%a@example.net", NULL);
	any("ann", "ann@example.org", NULL);
}

#define VIEWS "routes = ({ users = \"*\"; backend = \"main\"; folder_delimiter = \"+\"; folders = (\"A\"); });\n"

static void a_folder_stands_behind_the_delimiter(void **state)
{
	(void)state;
	read_conf(LISTENERS BACKENDS VIEWS);
	any("ann", "ann", NULL);
	any("ann+Junk", "ann", "Junk");
	any("ann+Junk@example.org", "ann@example.org", "Junk");
	any("ann+a+b@example.org", "ann@example.org", "a+b");
	any("ann+a@b@example.org", "ann@example.org", "a@b");
	any("ann++", "ann", "+");
	any("ann+", "ann", "");
	any("ann+@example.org", "ann@example.org", "");
	any("ann+../..", "ann", "../..");
	any("ann+\xc3\x84/\xe2\x82\xac", "ann", "\xc3\x84/\xe2\x82\xac");
	any("ann@example.org+Junk", "ann@example.org+Junk", NULL);
	any("ann-Junk", "ann-Junk", NULL);
	/* no user stands before it */
	any("+Junk", "+Junk", NULL);
	any("+", "+", NULL);
	any("+Junk@example.org", "+Junk@example.org", NULL);
}

static void a_folder_and_a_domain_that_is_not_told(void **state)
{
	(void)state;
	read_conf(LISTENERS BACKENDS VIEWS "default_domain = \"example.org\"; percent_domain = true;");
	any("ann+Junk", "ann@example.org", "Junk");
	any("ann+Junk%example.net", "ann@example.net", "Junk");
	any("ann+a%b%example.net", "ann@example.net", "a%b");
}

/* What a sign means is a matter of the route that the user has. */
static void each_route_has_its_delimiter(void **state)
{
	size_t route;

	(void)state;
	read_conf(LISTENERS BACKENDS
		  "routes = ({ users = \"boss@example.org\"; backend = \"main\"; },\n"
		  "{ users = \"*@example.org\"; backend = \"main\"; folder_delimiter = \"+\"; folders = (\"A\"); },\n"
		  "{ users = \"*@example.net\"; backend = \"main\"; folder_delimiter = \"-\"; folders = (\"A\"); },\n"
		  "{ users = \"*\"; backend = \"main\"; });\n");
	any("ann+A@example.org", "ann@example.org", "A");
	any("ann-A@example.org", "ann-A@example.org", NULL);
	any("ann-A@example.net", "ann@example.net", "A");
	any("ann+x-A@example.net", "ann+x@example.net", "A");
	any("ann+A@example.com", "ann+A@example.com", NULL);
	any("ann+A", "ann+A", NULL);
	/* this user's route has no folders; nobody else becomes of him */
	any("boss+A@example.org", "boss+A@example.org", NULL);
	assert_int_equal(route_find(conf, CONF_ANY_LISTENER, "boss+A@example.org", &route), -1);
	assert_int_equal(route_find(conf, CONF_ANY_LISTENER, "+A@example.org", &route), -1);
	assert_int_equal(route_find(conf, CONF_ANY_LISTENER, "boss@example.org", &route), 0);
	assert_int_equal(route, 0);
	assert_int_equal(route_find(conf, CONF_ANY_LISTENER, "ann+A", &route), 0);
	assert_int_equal(route, 3);
}

static void long_names(void **state)
{
	char name[LOGIN_NAME_MAX + 2];
	struct login_name result;

	(void)state;
	read_conf(LISTENERS BACKENDS VIEWS "default_domain = \"example.org\";");
	memset(name, 'a', sizeof(name));
	name[LOGIN_NAME_MAX - 12] = '\0';
	assert_int_equal(login_name_read(conf, 0, name, &result), 0);
	assert_int_equal(strlen(result.user), LOGIN_NAME_MAX);
	name[LOGIN_NAME_MAX - 12] = 'a';
	name[LOGIN_NAME_MAX - 11] = '\0';
	assert_int_equal(login_name_read(conf, 0, name, &result), -1);
	memset(name, 'a', sizeof(name));
	name[1] = '+';
	name[LOGIN_NAME_MAX - 2] = '@';
	name[LOGIN_NAME_MAX] = '\0';
	assert_int_equal(login_name_read(conf, 0, name, &result), 0);
	assert_string_equal(result.user, "a@a");
	assert_int_equal(strlen(result.folder), LOGIN_NAME_MAX - 4);
	name[LOGIN_NAME_MAX] = 'a';
	name[LOGIN_NAME_MAX + 1] = '\0';
	assert_int_equal(login_name_read(conf, 0, name, &result), -1);
}

/* ---- lists ---- */

static void check_folder(const char *asked, const char *folder)
{
	const char *found = login_name_folder(&conf->routes[0].folders, asked);

	if (folder == NULL ? found != NULL : found == NULL || strcmp(found, folder) != 0)
		fail_msg("%s opens %s", asked, found == NULL ? "nothing" : found);
}

static void folders_are_compared_exactly(void **state)
{
	(void)state;
	read_conf(LISTENERS BACKENDS
		  "routes = ({ users = \"*\"; backend = \"main\"; folder_delimiter = \"+\";\n"
		  "folders = (\"Archive\", \"inbox\", \"Lists/popgate\", \"\xc3\x84\", \"\\\\Junk\", "
		  "\"Trash\", \"\\\\trash\"); });\n");
	check_folder("Archive", "Archive");
	check_folder("archive", NULL);
	check_folder("Archive ", NULL);
	check_folder("Archiv", NULL);
	check_folder("Archive/2026", NULL);
	check_folder("INBOX", "inbox");
	check_folder("InBox", "inbox");
	check_folder("Lists/popgate", "Lists/popgate");
	check_folder("Lists", NULL);
	check_folder("lists/popgate", NULL);
	check_folder("\xc3\x84", "\xc3\x84");
	check_folder("\xc3\xa4", NULL);
	check_folder("", NULL);
	check_folder("..", NULL);
	check_folder("*", NULL);
	/* a word for a special use; a folder of the same name comes before it */
	check_folder("junk", "\\Junk");
	check_folder("JUNK", "\\Junk");
	check_folder("\\Junk", "\\Junk");
	check_folder("Trash", "Trash");
	check_folder("trash", "\\trash");
	check_folder("sent", NULL);
	check_folder("\\", NULL);
}

static void faults_name_the_remedy(void **state)
{
	(void)state;
	support_refused(LISTENERS BACKENDS "routes = ({ users = \"*\"; backend = \"main\"; folders = (\"A\"); });\n",
			"p.conf:3: `folders` in `routes` has no use without a sign that no user's name has: add "
			"`folder_delimiter = \"+\"`\n");
	support_refused(
	    LISTENERS BACKENDS "routes = ({ users = \"*\"; backend = \"main\"; folder_delimiter = \"+\"; });\n",
	    "p.conf:3: `folder_delimiter` in `routes` has no use without folders: add folders = (\"NAME\");\n");
	support_refused(
	    LISTENERS BACKENDS "routes = ({ users = \"*\"; backend = \"main\"; folder_delimiter = \"++\"; "
			       "folders = \"A\"; });\n",
	    "p.conf:3: `folder_delimiter` in `routes` must be one ASCII punctuation mark, but not `@`, `%` or "
	    "`*`: \"+\"\n");
	support_refused(
	    LISTENERS BACKENDS "routes = ({ users = \"*\"; backend = \"main\"; folder_delimiter = \"+\"; "
			       "folders = (\"Lists/*\", \"\\\\Spam\", \"a\\nb\"); });\n",
	    "p.conf:3: `folders` in `routes`: `Lists/*` stands for no others, since names are compared "
	    "exactly: write each of them\n"
	    "p.conf:3: `folders` in `routes`: `\\Spam` is no special use: there are \\All, \\Archive, \\Drafts, "
	    "\\Flagged, \\Junk, \\Sent and \\Trash, with two backslashes in this file\n"
	    "p.conf:3: `folders` in `routes` takes names of 1 to 512 octets of UTF-8 without control "
	    "characters\n");
	support_refused(LISTENERS BACKENDS ROUTES "default_domain = \"@example.org\";",
			"p.conf:4: `default_domain` is no domain: write \"example.org\", without `@`\n");
}

/* What could be meant by nobody is told. */
static void names_that_nobody_can_give(void **state)
{
	struct login_name read;

	(void)state;
	support_refused(
	    LISTENERS BACKENDS "default_domain = \"example.org\";\n"
			       "routes = ({ users = \"ann\"; backend = \"main\"; });",
	    "p.conf:4: the route for `ann` is never reached: `default_domain` makes that `ann@example.org`\n");
	read_conf(LISTENERS BACKENDS VIEWS "default_domain = \"example.org\"; percent_domain = true;");
	assert_true(login_name_reaches(conf, "ann@example.org", &read));
	assert_true(login_name_reaches(conf, "Ann@Example.net", &read));
	assert_false(login_name_reaches(conf, "ann", &read));
	assert_string_equal(read.user, "ann@example.org");
	assert_false(login_name_reaches(conf, "ann%b", &read));
	assert_false(login_name_reaches(conf, "ann+x@b", &read));
	assert_true(read.view);
	read_conf("listeners = ({ address = \"127.0.0.1\"; port = 1; tls = \"none\"; cleartext_login = true; },\n"
		  "{ address = \"127.0.0.1\"; port = 2; tls = \"none\"; cleartext_login = true;\n"
		  "  default_domain = \"example.net\"; });\n" BACKENDS ROUTES);
	assert_true(login_name_reaches(conf, "ann", &read));
}

static int leave(void **state)
{
	conf_free(&conf);
	return support_leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_stay_as_they_are),
	    cmocka_unit_test(percent_stands_for_at),
	    cmocka_unit_test(names_without_domain_get_one),
	    cmocka_unit_test(a_listener_has_its_own),
	    cmocka_unit_test(a_folder_stands_behind_the_delimiter),
	    cmocka_unit_test(a_folder_and_a_domain_that_is_not_told),
	    cmocka_unit_test(each_route_has_its_delimiter),
	    cmocka_unit_test(long_names),
	    cmocka_unit_test(folders_are_compared_exactly),
	    cmocka_unit_test(faults_name_the_remedy),
	    cmocka_unit_test(names_that_nobody_can_give),
	};

	return cmocka_run_group_tests(tests, support_enter, leave);
}
