/* Tests of conf: every fault that a well-formed file can have, with its exact text. */
#include "common/mechanism.h"

#include "conf_support.h"

struct refusal {
	const char *text, *faults;
};

static void check(const struct refusal *refusals, size_t count)
{
	for (size_t i = 0; i < count; i++)
		support_refused(refusals[i].text, refusals[i].faults);
}

#define CHECK(refusals) check(refusals, sizeof(refusals) / sizeof(*(refusals)))

static void input_67_input_74_top_level(void **state)
{
	static const struct refusal refusals[] = {
	    {LISTENERS BACKENDS ROUTES "lmits = {};", "p.conf:4: unknown key `lmits`: did you mean `limits`?\n"},
	    {LISTENERS BACKENDS ROUTES "Fronts = 1;", "p.conf:4: unknown key `Fronts`: did you mean `fronts`?\n"},
	    {LISTENERS BACKENDS ROUTES "zebra = 1;", "p.conf:4: unknown key `zebra`: it takes `listeners`, `tls`, "
						     "`backends`, `routes`, `oauth`, `limits`, `log`, `fronts`, "
						     "`user`, `runtime_directory`, `plugin_directory`, "
						     "`state_directory`, `token_key_file`, `token_key_credential`, "
						     "`accounts`, `helpers`, `default_domain`, "
						     "`percent_domain`, `sandbox`\n"},
	    {LISTENERS BACKENDS ROUTES "fronts = 257;", "p.conf:4: `fronts` is 257: it must be from 0 to 256\n"},
	    {LISTENERS BACKENDS ROUTES "fronts = \"2\";", "p.conf:4: `fronts` takes a number, not a string\n"},
	    {LISTENERS BACKENDS ROUTES "user = true;", "p.conf:4: `user` takes a string, not true or false\n"},
	    {LISTENERS BACKENDS ROUTES "user = {};", "p.conf:4: `user` takes a string, not a group\n"},
	    {LISTENERS BACKENDS ROUTES "user = ();", "p.conf:4: `user` takes a string, not a list\n"},
	    {LISTENERS BACKENDS ROUTES "user = [];", "p.conf:4: `user` takes a string, not an array\n"},
	    {LISTENERS BACKENDS ROUTES "user = \"\";", "p.conf:4: `user` is empty\n"},
	    {LISTENERS BACKENDS ROUTES "user = \"a\\rb\";", "p.conf:4: `user` holds a control character\n"},
	    {LISTENERS BACKENDS ROUTES "user = \"a\nb\";", "p.conf:4: `user` holds a control character\n"},
	    {LISTENERS BACKENDS ROUTES "user = \"a\\x7f\";", "p.conf:4: `user` holds a control character\n"},
	    {LISTENERS BACKENDS ROUTES "user = \"a\\xff\";", "p.conf:4: `user` is not UTF-8\n"},
	    {LISTENERS BACKENDS ROUTES "limits = ();", "p.conf:4: `limits` must be a group: limits = { ... };\n"},
	    {LISTENERS BACKENDS ROUTES "tls = 5;", "p.conf:4: `tls` must be a group, or a list of groups: tls = { "
						   "certificate = \"PATH\"; key = \"PATH\"; };\n"},
	    {LISTENERS BACKENDS ROUTES "log = \"x\";", "p.conf:4: `log` must be a group: log = { ... };\n"},
	    {"", "p.conf: no listeners: add listeners = ( { address = \"127.0.0.1\"; port = 110; tls = \"none\"; "
		 "cleartext_login = true; } );\n"
		 "p.conf: no backends: add backends = ( { name = \"main\"; plugin = \"imap\"; ... } );\n"
		 "p.conf: no routes: add routes = ( { users = \"*\"; backend = \"NAME\"; } );\n"},
	    {"listeners = ();" BACKENDS ROUTES, "p.conf:1: no listeners: add listeners = ( { address = \"127.0.0.1\"; "
						"port = 110; tls = \"none\"; cleartext_login = true; } );\n"},
	    {LISTENERS "backends = { name = \"main\"; };\n" ROUTES,
	     "p.conf:2: `backends` must be a list of groups: backends = ( { ... }, { ... } );\n"},
	    {LISTENERS BACKENDS "routes = ( \"*\" );\n", "p.conf:3: `routes` takes groups only: { ... }\n"},
	};

	(void)state;
	CHECK(refusals);
}

#define LISTENER(text) "listeners = ({ " text " });\n" BACKENDS ROUTES

static void listeners(void **state)
{
	static const struct refusal refusals[] = {
	    {LISTENER("adress = \"::1\"; port = 1; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: unknown key `adress` in `listeners`: did you mean `address`?\n"
	     "p.conf:1: `address` in `listeners` is missing\n"},
	    {LISTENER("address = \"::1\"; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `port` in `listeners` is missing\n"},
	    {LISTENER("address = \"::1\"; port = 1; cleartext_login = true;"),
	     "p.conf:1: `tls` in `listeners` is missing\n"},
	    {LISTENER("address = \"::1\"; port = 65536; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `port` in `listeners` is 65536: it must be from 0 to 65535\n"},
	    {LISTENER("address = \"::1\"; port = -1; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `port` in `listeners` is -1: it must be from 0 to 65535\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"startls\"; cleartext_login = true;"),
	     "p.conf:1: `tls` in `listeners` is \"startls\": it must be \"none\", \"starttls\" or \"implicit\"; did "
	     "you mean "
	     "\"starttls\"?\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"maybe\"; cleartext_login = true;"),
	     "p.conf:1: `tls` in `listeners` is \"maybe\": it must be \"none\", \"starttls\" or \"implicit\"\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"none\"; cleartext_login = \"yes\";"),
	     "p.conf:1: `cleartext_login` in `listeners` takes true or false, not a string\n"},
	    {LISTENER("address = \"::1\"; port = 1;\ntls = \"none\";"),
	     "p.conf:2: `tls = \"none\"` without `cleartext_login = true`: nobody could log in here: give this "
	     "listener TLS "
	     "or, in a network you trust, allow clear-text logins\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"starttls\";"),
	     "p.conf:1: `tls = \"starttls\"` needs a certificate: add tls = { certificate = \"PATH\"; key = \"PATH\"; "
	     "};\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"implicit\";"),
	     "p.conf:1: `tls = \"implicit\"` needs a certificate: add tls = { certificate = \"PATH\"; key = \"PATH\"; "
	     "};\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"implicit\"; cleartext_login = true;"),
	     "p.conf:1: `cleartext_login = true` has no use with `tls = \"implicit\"`: remove it\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"none\"; cleartext_login = true; profile = \"modern\";"),
	     "p.conf:1: `profile` has no use with `tls = \"none\"`: remove it\n"},
	    {LISTENER("address = \"::1\"; port = 1; tls = \"implicit\"; profile = \"old\";"),
	     "p.conf:1: `profile` in `listeners` is \"old\": it must be \"modern\", \"intermediate\" or \"legacy\"\n"},
	    {LISTENER("address = \"1.2.3\"; port = 1; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `address` in `listeners`: \"1.2.3\" is no IP address: write a numeric one, such as "
	     "\"192.0.2.1\" or "
	     "\"2001:db8::1\"\n"},
	    {LISTENER("address = \"*\"; port = 1; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `address` in `listeners`: \"*\" is no IP address: write \"0.0.0.0\" or \"::\" for all "
	     "addresses\n"},
	    {LISTENER("address = \"localhost\"; port = 1; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `address` in `listeners`: \"localhost\" is no IP address: write \"127.0.0.1\" or \"::1\"\n"},
	    {LISTENER("address = \"[::1]\"; port = 1; tls = \"none\"; cleartext_login = true;"),
	     "p.conf:1: `address` in `listeners`: \"[::1]\" is no IP address: write it without brackets\n"},
	};

	(void)state;
	CHECK(refusals);
}

#define LISTED(text)                                                                                                   \
	LISTENER("address = \"::1\"; port = 1; tls = \"none\"; cleartext_login = true;\nmechanisms = " text ";")
#define ALL_LISTED                                                                                                     \
	"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 APOP USER PLAIN LOGIN OAUTHBEARER "    \
	"XOAUTH2\n"

static void mechanisms(void **state)
{
	static const struct refusal refusals[] = {
	    {LISTED("( \"CRAM-MD4\", \"PLAIN\" )"), "p.conf:2: `mechanisms` in `listeners`: there is no mechanism "
						    "\"CRAM-MD4\": did you mean \"CRAM-MD5\"?; there "
						    "are " ALL_LISTED},
	    {LISTED("( \"zebra\" )"),
	     "p.conf:2: `mechanisms` in `listeners`: there is no mechanism \"zebra\"; there are " ALL_LISTED},
	    {LISTED("( )"), "p.conf:2: `mechanisms` in `listeners` is empty: nobody could log in here: list what is "
			    "offered, or leave it "
			    "out\n"},
	    {LISTED("3"),
	     "p.conf:2: `mechanisms` in `listeners` takes strings that are not empty: \"...\", or (\"...\", "
	     "\"...\")\n"},
	    {LISTED("( \"APOP\", \"CRAM-MD5\" )"), "p.conf:2: `mechanisms` in `listeners`: all of these are for local "
						   "accounts, and there are none: name their "
						   "file with `accounts`, or add a mechanism\n"},
	};
	struct conf *conf;

	(void)state;
	CHECK(refusals);
	conf = support_read(LISTED("( \"plain\", \"APOP\" )"));
	assert_int_equal(conf->listeners[0].mechanisms, MECHANISM_BIT(MECHANISM_PLAIN) | MECHANISM_BIT(MECHANISM_APOP));
	conf_free(&conf);
	conf = support_read(LISTED("\"USER\""));
	assert_int_equal(conf->listeners[0].mechanisms, MECHANISM_BIT(MECHANISM_USER));
	conf_free(&conf);
	conf = support_read(LISTENERS BACKENDS ROUTES);
	assert_int_equal(conf->listeners[0].mechanisms, mechanism_default());
	conf_free(&conf);
	/* without TLS and without passwords in clear, where none is sent */
	conf = support_read("accounts = \"a\";" LISTENER(
	    "address = \"::1\"; port = 1; tls = \"none\"; mechanisms = ( \"APOP\", \"PLAIN\" );"));
	assert_int_equal(conf->listener_count, 1);
	conf_free(&conf);
}

#define CLEAR(address, port) "{ address = \"" address "\"; port = " port "; tls = \"none\"; cleartext_login = true; }"

static void two_listeners_of_one_name(void **state)
{
	(void)state;
	support_refused(
	    "listeners = ({ name = \"lan\"; address = \"::1\"; port = 1; tls = \"none\"; cleartext_login = "
	    "true; },\n{ name = \"lan\"; address = \"::1\"; port = 2; tls = \"none\"; cleartext_login = true; "
	    "});" BACKENDS ROUTES,
	    "p.conf:2: `name` in `listeners`: the listener at p.conf:1 is called `lan` too\n");
}

static void two_listeners_on_one_port(void **state)
{
	struct conf *conf;

	(void)state;
	support_refused("listeners = (" CLEAR("::1", "110") ",\n" CLEAR("0:0::1", "110") ");" BACKENDS ROUTES,
			"p.conf:2: port 110 of ::1 is taken by the listener at p.conf:1\n");
	support_refused("listeners = (" CLEAR("0.0.0.0", "110") ",\n" CLEAR("127.0.0.1", "110") ");" BACKENDS ROUTES,
			"p.conf:2: port 110 of 127.0.0.1 is taken by the listener at p.conf:1\n");
	conf = support_read("listeners = (" CLEAR("0.0.0.0", "110") "," CLEAR("::", "110") "," CLEAR(
	    "::1", "0") "," CLEAR("::1", "0") ");" BACKENDS ROUTES);
	assert_int_equal(conf->listener_count, 4);
	conf_free(&conf);
}

#define TLS(text) LISTENERS BACKENDS ROUTES "tls = { " text " };"

static void input_68_certificates_and_keys(void **state)
{
	char expected[512];
	const char *folder = *state;

	support_refused(TLS("certificate = \"c.pem\";"), "p.conf:4: `key` in `tls` is missing\n");
	support_refused(TLS("key = \"k.pem\";"), "p.conf:4: `certificate` in `tls` is missing\n");
	support_write("k.pem", "");
	chmod("k.pem", 0644);
	snprintf(expected, sizeof(expected),
		 "p.conf:4: `certificate` in `tls`: %s/c.pem: No such file or directory\n"
		 "p.conf:5: `key` in `tls`: %s/k.pem: others may use it (mode 0644): chmod 600 it\n",
		 folder, folder);
	support_refused(TLS("certificate = \"c.pem\";\nkey = \"k.pem\";"), expected);
	mkdir("c.pem", 0700);
	chmod("k.pem", 0600);
	snprintf(expected, sizeof(expected), "p.conf:4: `certificate` in `tls`: %s/c.pem: not a regular file\n",
		 folder);
	support_refused(TLS("certificate = \"c.pem\"; key = \"k.pem\";"), expected);
	rmdir("c.pem");
	support_refused(LISTENERS BACKENDS ROUTES "tls = ();",
			"p.conf:4: `tls` must be a group, or a list of groups: tls = { "
			"certificate = \"PATH\"; key = \"PATH\"; };\n");
	support_write("c.pem", "");
	support_refused(LISTENERS BACKENDS ROUTES "tls = ({ certificate = \"c.pem\"; key = \"k.pem\"; },\n"
						  " 5, { key = \"k.pem\"; });",
			"p.conf:5: `tls` takes groups only: { ... }\n"
			"p.conf:5: `certificate` in `tls` is missing\n");
}

/* Mode and owner of a key, and whether it is taken. */
static void keys_of_others(void **state)
{
	static const struct {
		mode_t mode;
		uid_t owner;
		bool taken;
	} cases[] = {
	    {0600, 0, true},  {0400, 0, true},	{0640, 0, true},  {0440, 0, true},  {0660, 0, false},
	    {0604, 0, false}, {0644, 0, false}, {0601, 0, false}, {0602, 0, false}, {0620, 0, false},
	    {0650, 0, false}, {0600, 7, true},	{0640, 7, false}, {0644, 7, false},
	};

	(void)state;
	support_write("c.pem", "");
	support_write("k.pem", "");
	support_write("p.conf", TLS("certificate = \"c.pem\"; key = \"k.pem\";"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf_report report = {0};
		struct conf *conf;

		if (chown("k.pem", cases[i].owner, (gid_t)-1) != 0)
			continue;
		chmod("k.pem", cases[i].mode);
		conf = conf_read("p.conf", &report);
		if ((conf != NULL) != cases[i].taken)
			fail_msg("mode %o of user %d", (unsigned)cases[i].mode, (int)cases[i].owner);
		conf_free(&conf);
		conf_report_free(&report);
	}
}

#define BACKEND(text) LISTENERS "backends = (" text ");\n" ROUTES

static void backends(void **state)
{
	static const struct refusal refusals[] = {
	    {BACKEND("{ plugin = \"imap\"; }"), "p.conf:2: `name` in `backends` is missing\n"},
	    {BACKEND("{ name = \"main\"; }"), "p.conf:2: `plugin` in `backends` is missing\n"},
	    {BACKEND("{ name = \"ma in\"; plugin = \"imap\"; }"),
	     "p.conf:2: `name` in `backends` takes letters, digits and `.-_:[]`, 260 at most\n"},
	    {BACKEND("{ name = \"main\"; plugin = \"../imap\"; }"),
	     "p.conf:2: `plugin` in `backends` takes small letters, digits and `-`, 32 at most\n"},
	    {BACKEND("{ name = \"main\"; plugin = \"IMAP\"; }"),
	     "p.conf:2: `plugin` in `backends` takes small letters, digits and `-`, 32 at most\n"},
	    {BACKEND("{ name = \"main\"; plugin = \"imap\"; },\n{ name = \"main\"; plugin = \"imap\"; }"),
	     "p.conf:3: `name` in `backends`: there is a backend `main` already, at p.conf:2\n"},
	    {BACKEND("{ name = \"main\"; plugin = \"imap\"; },\n{ name = \"Main\"; plugin = \"imap\"; }"),
	     "p.conf:3: `name` in `backends`: there is a backend `main` already, at p.conf:2\n"},
	    {BACKEND("{ name = 5; plugin = \"imap\"; }"),
	     "p.conf:2: `name` in `backends` takes a string, not a number\n"},
	};

	(void)state;
	CHECK(refusals);
}

/* Two listeners with names. */
#define NAMED(one, other)                                                                                              \
	"listeners = ({ name = \"" one "\"; address = \"::1\"; port = 1; tls = \"none\"; cleartext_login = true; },"   \
	"{ name = \"" other "\"; address = \"::1\"; port = 2; tls = \"none\"; cleartext_login = true; });\n"
#define ROUTE(text) LISTENERS BACKENDS "routes = (" text ");\n"

static void routes(void **state)
{
	static const struct refusal refusals[] = {
	    {ROUTE("{ backend = \"main\"; }"), "p.conf:3: `users` in `routes` is missing\n"},
	    {ROUTE("{ users = \"*\"; }"), "p.conf:3: `backend` in `routes` is missing\n"},
	    {ROUTE("{ users = \"*\"; backend = \"mian\"; }"),
	     "p.conf:3: `backend` in `routes`: there is no backend `mian`: did you mean `main`?\n"},
	    {ROUTE("{ users = \"*\"; backend = \"other\"; }"),
	     "p.conf:3: `backend` in `routes`: there is no backend `other`\n"},
	    {ROUTE("{ users = \"*\"; backend = \"main\"; upstream_user = \"%x\"; }"),
	     "p.conf:3: `upstream_user` in `routes`: `%x` stands for nothing: there are %u, %n, %d and %%\n"},
	    {ROUTE("{ users = \"*\"; backend = \"main\"; upstream_user = \"%n%%%\"; }"),
	     "p.conf:3: `upstream_user` in `routes`: `%` stands for nothing: there are %u, %n, %d and %%\n"},
	    {ROUTE("{ users = \"*\"; backend = \"main\"; },\n{ users = \"a@b\"; backend = \"main\"; }"),
	     "p.conf:4: the route for `a@b` is never reached: the one for `*` at p.conf:3 comes first\n"},
	    {ROUTE("{ users = \"a@b\"; backend = \"main\"; },\n{ users = \"a@b\"; backend = \"main\"; }"),
	     "p.conf:4: the route for `a@b` is never reached: the one for `a@b` at p.conf:3 comes first\n"},
	    {ROUTE("{ users = \"*@b\"; backend = \"main\"; },\n{ users = \"a*@B\"; backend = \"main\"; }"),
	     "p.conf:4: the route for `a*@B` is never reached: the one for `*@b` at p.conf:3 comes first\n"},
	    {ROUTE("{ users = \"*\"; listener = \"lan\"; backend = \"main\"; }"),
	     "p.conf:3: `listener` in `routes`: there is no listener `lan`\n"},
	    {NAMED("lab", "lan") BACKENDS "routes = ({ users = \"*\"; listener = \"lam\"; backend = \"main\"; });\n",
	     "p.conf:3: `listener` in `routes`: there is no listener `lam`: did you mean `lab`?\n"},
	    {NAMED("lab", "lan") BACKENDS "routes = ({ users = \"*\"; listener = \"lan\"; backend = \"main\"; },\n"
					  "{ users = \"a@b\"; listener = \"lan\"; backend = \"main\"; });\n",
	     "p.conf:4: the route for `a@b` is never reached: the one for `*` at p.conf:3 comes first\n"},
	    {NAMED("lab", "lan") BACKENDS "routes = ({ users = \"a@b\"; backend = \"main\"; },\n"
					  "{ users = \"a@b\"; listener = \"lan\"; backend = \"main\"; });\n",
	     "p.conf:4: the route for `a@b` is never reached: the one for `a@b` at p.conf:3 comes first\n"},
	    /* A backend's own fault isn't told a second time by the routes to it. */
	    {LISTENERS "backends = ({ name = \"main\"; plugin = \"\"; });\n" ROUTES,
	     "p.conf:2: `plugin` in `backends` is empty\n"},
	};
	struct conf *conf;

	(void)state;
	CHECK(refusals);
	conf = support_read(ROUTE("{ users = \"a@b\"; backend = \"main\"; }, { users = \"A@b\"; backend = \"main\"; },"
				  "{ users = \"*@b\"; backend = \"main\"; }, { users = \"*@*\"; backend = \"main\"; },"
				  "{ users = \"*\"; backend = \"main\"; }"));
	assert_int_equal(conf->route_count, 5);
	conf_free(&conf);
}

static void patterns_that_are_too_long(void **state)
{
	char *text = NULL;

	(void)state;
	assert_true(asprintf(&text, ROUTE("{ users = \"%0513d\"; backend = \"main\"; }"), 0) > 0);
	support_refused(text, "p.conf:3: `users` in `routes` is too long: 512 octets at most\n");
	free(text);
	assert_true(asprintf(&text, ROUTE("{ users = \"*\"; backend = \"main\"; upstream_user = \"%0513d\"; }"), 0) >
		    0);
	support_refused(text, "p.conf:3: `upstream_user` in `routes` is too long: 512 octets at most\n");
	free(text);
}

#define REST LISTENERS BACKENDS ROUTES

static void limits_and_log(void **state)
{
	static const struct refusal refusals[] = {
	    {REST "limits = { idle_timeout = 599; };",
	     "p.conf:4: `idle_timeout` in `limits` is 599: it must be from 600 to 86400 seconds\n"},
	    {REST "limits = { login_timeout = 61; };",
	     "p.conf:4: `login_timeout` in `limits` is 61: it must be from 1 to 60 seconds\n"},
	    {REST "limits = { fetch_minimum = 0; };",
	     "p.conf:4: `fetch_minimum` in `limits` is 0: it must be from 1 to 1073741824 octets\n"},
	    {REST "limits = { session_memory = 1000; };",
	     "p.conf:4: `session_memory` in `limits` is 1000: it must be 0 or 16777216 octets at least\n"},
	    {REST "limits = { idle_timout = 600; };",
	     "p.conf:4: unknown key `idle_timout` in `limits`: did you mean `idle_timeout`?\n"},
	    {REST "log = { to = \"file\"; };", "p.conf:4: `to` in `log` is \"file\": add `file = \"PATH\"`\n"},
	    {REST "log = { file = \"/x\"; };",
	     "p.conf:4: `file` in `log` has no use unless `to = \"file\"`: set that, or remove `file`\n"},
	    {REST "log = { level = \"verbose\"; };",
	     "p.conf:4: `level` in `log` is \"verbose\": it must be \"warn\", \"info\" or \"debug\"\n"},
	    {REST "log = { level = \"a\\xc3\\xa4\"; };",
	     "p.conf:4: `level` in `log` is \"a\\xc3\\xa4\": it must be \"warn\", \"info\" or \"debug\"\n"},
	};

	(void)state;
	CHECK(refusals);
}

static void all_faults_in_one_run(void **state)
{
	(void)state;
	support_refused("fronts = -1;\n"
			"listeners = ({ address = \"x\"; port = 1; tls = \"none\"; cleartext_login = true; },\n"
			" { address = \"::1\"; port = 70000; tls = \"none\"; cleartext_login = true; });\n" BACKENDS
			"routes = ({ users = \"*\"; backend = \"nain\"; });\nlimits = { session_cpu = true; };\n",
			"p.conf:1: `fronts` is -1: it must be from 0 to 256\n"
			"p.conf:2: `address` in `listeners`: \"x\" is no IP address: write a numeric one, such as "
			"\"192.0.2.1\" or \"2001:db8::1\"\n"
			"p.conf:3: `port` in `listeners` is 70000: it must be from 0 to 65535\n"
			"p.conf:5: `backend` in `routes`: there is no backend `nain`: did you mean `main`?\n"
			"p.conf:6: `session_cpu` in `limits` takes a number, not true or false\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(input_67_input_74_top_level),
	    cmocka_unit_test(listeners),
	    cmocka_unit_test(mechanisms),
	    cmocka_unit_test(two_listeners_of_one_name),
	    cmocka_unit_test(two_listeners_on_one_port),
	    cmocka_unit_test(input_68_certificates_and_keys),
	    cmocka_unit_test(keys_of_others),
	    cmocka_unit_test(backends),
	    cmocka_unit_test(routes),
	    cmocka_unit_test(patterns_that_are_too_long),
	    cmocka_unit_test(limits_and_log),
	    cmocka_unit_test(all_faults_in_one_run),
	};

	return cmocka_run_group_tests(tests, support_enter, support_leave);
}
