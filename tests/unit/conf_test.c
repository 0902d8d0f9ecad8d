/* Tests of conf: what a sound file yields, defaults, includes, numbers, paths,
 * and what happens to a file that libconfig itself refuses. */
#include "conf_support.h"

#include "common/conf_tables.h"

#define ALL LISTENERS BACKENDS ROUTES

static void defaults_are_the_documented_ones(void **state)
{
	struct conf *conf = support_read(ALL);

	assert_int_equal(conf->limits.max_connections, 0);
	assert_int_equal(conf->limits.max_connections_per_address, 100);
	assert_int_equal(conf->limits.handshake_timeout, 30000);
	assert_int_equal(conf->limits.login_timeout, 60000);
	assert_int_equal(conf->limits.idle_timeout, 600000);
	assert_int_equal(conf->limits.stall_timeout, 120000);
	assert_int_equal(conf->limits.upstream_timeout, 45000);
	assert_int_equal(conf->limits.fetch_window, 60000);
	assert_int_equal(conf->limits.fetch_minimum, 1024);
	assert_int_equal(conf->limits.commit_timeout, 120000);
	assert_int_equal(conf->limits.shutdown_timeout, 30000);
	assert_int_equal(conf->limits.read_ahead, 4 << 20);
	assert_int_equal(conf->limits.max_messages, 1000000);
	assert_int_equal(conf->limits.keep_open, 0);
	assert_int_equal(conf->limits.max_kept_open, 1000);
	assert_int_equal(conf->limits.session_memory, 256 << 20);
	assert_int_equal(conf->limits.session_cpu, 600);
	assert_int_equal(conf->log.target, CONF_LOG_STDERR);
	assert_int_equal(conf->log.level, POPGATE_LOG_INFO);
	assert_null(conf->log.path);
	assert_int_equal(conf->tls_count, 0);
	assert_null(conf->user);
	assert_null(conf->runtime_directory);
	assert_null(conf->plugin_directory);
	assert_true(conf->fronts >= 1);
	assert_string_equal(conf->source, "p.conf");
	assert_string_equal(conf->folder, *state);
	assert_string_equal(conf->routes[0].upstream_user, "%u");
	conf_free(&conf);
	assert_null(conf);
	conf_free(&conf);
}

static void every_key_reaches_its_field(void **state)
{
	struct conf *conf;

	(void)state;
	conf = support_read(
	    ALL "fronts = 3; user = \"nobody\"; runtime_directory = \"/run/p\"; plugin_directory = \"/lib/p\";\n"
		"log = { to = \"file\"; file = \"/var/log/p\"; level = \"debug\"; };\n"
		"limits = { max_connections = 1; max_connections_per_address = 2; handshake_timeout = 3;\n"
		" login_timeout = 4; idle_timeout = 601; stall_timeout = 6; upstream_timeout = 7;\n"
		" fetch_window = 8; fetch_minimum = 9; commit_timeout = 10; shutdown_timeout = 11;\n"
		" read_ahead = 15; keep_open = 19; max_kept_open = 20; max_messages = 12; session_memory = 20000000; session_cpu = 14; };");
	assert_int_equal(conf->fronts, 3);
	assert_string_equal(conf->user, "nobody");
	assert_string_equal(conf->runtime_directory, "/run/p");
	assert_string_equal(conf->plugin_directory, "/lib/p");
	assert_int_equal(conf->log.target, CONF_LOG_FILE);
	assert_string_equal(conf->log.path, "/var/log/p");
	assert_int_equal(conf->log.level, POPGATE_LOG_DEBUG);
	assert_int_equal(conf->limits.max_connections, 1);
	assert_int_equal(conf->limits.max_connections_per_address, 2);
	assert_int_equal(conf->limits.handshake_timeout, 3000);
	assert_int_equal(conf->limits.login_timeout, 4000);
	assert_int_equal(conf->limits.idle_timeout, 601000);
	assert_int_equal(conf->limits.stall_timeout, 6000);
	assert_int_equal(conf->limits.upstream_timeout, 7000);
	assert_int_equal(conf->limits.fetch_window, 8000);
	assert_int_equal(conf->limits.fetch_minimum, 9);
	assert_int_equal(conf->limits.commit_timeout, 10000);
	assert_int_equal(conf->limits.shutdown_timeout, 11000);
	assert_int_equal(conf->limits.read_ahead, 15);
	assert_int_equal(conf->limits.max_messages, 12);
	assert_int_equal(conf->limits.keep_open, 19000);
	assert_int_equal(conf->limits.max_kept_open, 20);
	assert_int_equal(conf->limits.session_memory, 20000000);
	assert_int_equal(conf->limits.session_cpu, 14);
	conf_free(&conf);
}

static void lists_keep_their_order(void **state)
{
	struct conf *conf;

	support_write("cert.pem", "");
	support_write("key.pem", "");
	chmod("key.pem", 0600);
	conf = support_read(
	    "tls = ({ certificate = \"cert.pem\"; key = \"key.pem\"; }, { certificate = \"key.pem\"; "
	    "key = \"key.pem\"; });\n"
	    "listeners = ({ address = \"0:0::1\"; port = 995; tls = \"implicit\"; },\n"
	    " { address = \"::1\"; port = 110; tls = \"starttls\"; cleartext_login = true; profile = \"legacy\"; },\n"
	    " { address = \"127.0.0.1\"; port = 0; tls = \"starttls\"; });\n"
	    "backends = ({ name = \"a\"; plugin = \"imap\"; }, { name = \"b\"; plugin = \"x-1\"; });\n"
	    "routes = ({ users = \"*@b\"; backend = \"b\"; upstream_user = \"%n\"; },\n"
	    " { users = \"*\"; backend = \"a\"; });\n");
	assert_int_equal(conf->listener_count, 3);
	assert_string_equal(conf->listeners[0].address, "::1");
	assert_int_equal(conf->listeners[0].port, 995);
	assert_int_equal(conf->listeners[0].tls, CONF_TLS_IMPLICIT);
	assert_int_equal(conf->listeners[0].profile, CONF_PROFILE_INTERMEDIATE);
	assert_int_equal(conf->listeners[1].profile, CONF_PROFILE_LEGACY);
	assert_false(conf->listeners[0].cleartext_login);
	assert_int_equal(conf->listeners[1].tls, CONF_TLS_STARTTLS);
	assert_true(conf->listeners[1].cleartext_login);
	assert_int_equal(conf->listeners[1].line, 3);
	assert_string_equal(conf->listeners[2].file, "p.conf");
	assert_int_equal(conf->backend_count, 2);
	assert_string_equal(conf->backends[1].name, "b");
	assert_string_equal(conf->backends[1].plugin, "x-1");
	assert_int_equal(conf->backends[1].line, 5);
	assert_int_equal(conf->route_count, 2);
	assert_int_equal(conf->routes[0].backend, 1);
	assert_string_equal(conf->routes[0].upstream_user, "%n");
	assert_string_equal(conf->routes[1].users, "*");
	assert_int_equal(conf->routes[1].backend, 0);
	assert_int_equal(conf->routes[1].line, 7);
	assert_int_equal(conf->tls_count, 2);
	assert_string_equal(conf->tls[1].certificate, conf->tls[0].key);
	assert_memory_equal(conf->tls[0].certificate, *state, strlen(*state));
	assert_string_equal(conf->tls[0].certificate + strlen(*state), "/cert.pem");
	assert_int_equal(conf->tls[0].line, 1);
	conf_free(&conf);
}

static void paths_start_at_the_files_folder(void **state)
{
	struct conf_report report = {0};
	struct conf *conf;
	char expected[128];

	mkdir("sub", 0700);
	mkdir("sub/part", 0700);
	support_write("sub/p.conf", ALL "@include \"part/more.conf\"\n");
	support_write("sub/part/more.conf", "runtime_directory = \"run\";\n@include \"part/last.conf\"\n");
	support_write("sub/part/last.conf", "fronts = 2;");
	conf = conf_read("sub/p.conf", &report);
	assert_non_null(conf);
	snprintf(expected, sizeof(expected), "%s/sub/run", (char *)*state);
	assert_string_equal(conf->runtime_directory, expected);
	assert_int_equal(conf->fronts, 2);
	conf_free(&conf);
}

static void faults_name_the_included_file(void **state)
{
	struct conf_report report = {0};
	char *faults;

	(void)state;
	mkdir("inc", 0700);
	support_write("inc/p.conf", ALL "@include \"more.conf\"\nfrnts = 1;\n");
	support_write("inc/more.conf", "\nuser = 5;\nlimits = {\n idle_timeout = 5000000000; };\n");
	assert_null(conf_read("inc/p.conf", &report));
	faults = support_faults(&report);
	assert_string_equal(
	    faults,
	    "inc/p.conf:5: unknown key `frnts`: did you mean `fronts`?\n"
	    "inc/more.conf:2: `user` takes a string, not a number\n"
	    "inc/more.conf:4: `idle_timeout` in `limits` is 5000000000: it must be from 600 to 86400 seconds\n");
	free(faults);
}

static void numbers_have_their_true_value(void **state)
{
	struct conf *conf;

	(void)state;
	conf = support_read(ALL "limits = { max_connections = 7; session_memory = 5000000000; };\n");
	assert_true(conf->limits.session_memory == 5000000000);
	assert_int_equal(conf->limits.max_connections, 7);
	conf_free(&conf);
	conf = support_read(ALL "limits = { session_memory = 0x1FFFFFFFF; max_connections = +8; };\n");
	assert_true(conf->limits.session_memory == 0x1FFFFFFFF);
	assert_int_equal(conf->limits.max_connections, 8);
	conf_free(&conf);
	conf = support_read(ALL "limits = { session_memory = 5000000000L; max_connections = 0x10LL; };\n");
	assert_true(conf->limits.session_memory == 5000000000);
	assert_int_equal(conf->limits.max_connections, 16);
	conf_free(&conf);
}

static void numbers_beyond_their_key_are_refused(void **state)
{
	(void)state;
	/* 4294968296 is 1000 modulo 2^32, which the key would take. */
	support_refused(ALL "limits = { max_connections = 4294968296; };",
			"p.conf:4: `max_connections` in `limits` is 4294968296: it must be from 0 to 1000000\n");
	support_refused(ALL "limits = { max_connections = -4294966296; };",
			"p.conf:4: `max_connections` in `limits` is -4294966296: it must be from 0 to 1000000\n");
	support_refused(ALL "limits = {\n max_connections = 18446744073709551716; };",
			"p.conf:5: the number 18446744073709551716 is too large for any key\n");
	support_refused(ALL "limits = { max_connections = 0x10000000000000001; };",
			"p.conf:4: the number 0x10000000000000001 is too large for any key\n");
	support_refused(ALL "limits = { max_connections = 0xFFFFFFFFFFFFFFFF; };",
			"p.conf:4: the number 0xFFFFFFFFFFFFFFFF is too large for any key\n");
	support_refused(ALL "limits = { max_connections = 9223372036854775808; };",
			"p.conf:4: the number 9223372036854775808 is too large for any key\n");
	support_refused(ALL "limits = { max_connections = 1.5; };",
			"p.conf:4: `max_connections` in `limits` takes a number, not a fraction\n");
}

/* Everything that could put the literals and libconfig's tree out of step. */
static void literals_stay_in_step(void **state)
{
	struct conf *conf;

	(void)state;
	support_write("one.conf", "/* 1 */ // 2\n# 3 \"\nfronts = 2 /* 4\n5 */;\n");
	conf = support_read("# 1 \" /* 2\n// 3 \" 4\n" LISTENERS
			    "backends = ({ name = \"main\"; plugin = \"imap\"; a = \"5 \\\" 6 \\\\\" \"7\"; b = [8, "
			    "9]; c1 = (1.5, .5, 2e3,\n"
			    " 0x1F, -4, +3, 1., 2.5e-3, true, FALSE, (1, { x-1 = 0; })); d = \"\n10\"; });\n"
			    "  @include \"one.conf\"\n" ROUTES
			    "limits = { max_connections = 11 session_cpu = 4, login_timeout : 5 };\n");
	assert_int_equal(conf->fronts, 2);
	assert_int_equal(conf->limits.max_connections, 11);
	assert_int_equal(conf->limits.session_cpu, 4);
	assert_int_equal(conf->limits.login_timeout, 5000);
	assert_int_equal(conf->routes[0].line, 8);
	conf_free(&conf);
}

static void parse_faults_name_place_and_remedy(void **state)
{
	(void)state;
	support_refused(
	    "fronts = 1;\nuser = ;\n",
	    "p.conf:2: syntax error: look for a missing `=`, `;`, quote or bracket here or on the line before\n");
	support_refused("fronts = 1;\nlimits = { idle_timeout = 600; };\n\nfronts = 2;\n",
			"p.conf:4: `fronts` stands twice: remove this one or the one at p.conf:1\n");
	support_refused("limits = {\nsession_cpu = 1;\nsession_cpu = 2; };",
			"p.conf:3: `session_cpu` stands twice: remove this one or the one at p.conf:2\n");
	support_refused("a = { user = 1; };\nb = ({ user = 2; }, { user = 3; });\n/* \n\n */ user = 4;\nuser = 5;\n",
			"p.conf:6: `user` stands twice: remove this one or the one at p.conf:5\n");
	support_refused("a = [ 1, \"x\" ];", "p.conf:1: mismatched element type in array\n");
	support_refused("a = 1;\n/* b = 2;\n", "p.conf:2: the comment that begins here is never closed: add `*/`\n");
	support_refused("a = 1;\nb = \"x;\n\n", "p.conf:2: the string that begins here is never closed: add `\"`\n");
	support_refused("a = 1;\n# end", "p.conf:2: the last line is a comment without a line end: add one\n");
	support_refused("a = \"\n\\x00b\";", "p.conf:2: a string holds NUL: no value may\n");
	support_write_octets("p.conf", "a = \"x\0y\";", 10);
	support_refused_file("p.conf:1: a string holds NUL: no value may\n");
}

static void faulty_includes_are_told(void **state)
{
	char expected[160];

	support_refused("\n@include \"nope.conf\"\n", "p.conf:2: @include \"nope.conf\": No such file or directory\n");
	support_refused("@include \".\"\n", "p.conf:1: @include \".\": not a regular file\n");
	support_refused("@include \"/etc/passwd", "p.conf:1: @include lacks its closing `\"`\n");
	snprintf(expected, sizeof(expected),
		 "p.conf:1: @include \"/etc/passwd\": an included file is named relative to %s\n", (char *)*state);
	support_refused("@include \"/etc/passwd\"\n", expected);
	support_refused("@include \"p.conf\"\n",
			"p.conf:1: @include \"p.conf\": files include each other more than 10 deep\n");
	support_write("two.conf", "\nfronts = 2;\n");
	support_refused("fronts = 1;\n@include \"two.conf\"\n",
			"two.conf:2: `fronts` stands twice: remove this one or the one at p.conf:1\n");
	support_write("two.conf", "\n\nfronts = ;\n");
	support_refused("@include \"two.conf\"\n",
			"two.conf:3: syntax error: look for a missing `=`, `;`, quote or bracket "
			"here or on the line before\n");
}

static void ten_files_may_include_each_other(void **state)
{
	char name[16], text[64];
	struct conf *conf;

	(void)state;
	support_write("deep10.conf", "fronts = 5;\n");
	for (int i = 9; i >= 0; i--) {
		snprintf(name, sizeof(name), "deep%d.conf", i);
		snprintf(text, sizeof(text), "@include \"deep%d.conf\"\n", i + 1);
		support_write(name, text);
	}
	conf = support_read(ALL "@include \"deep1.conf\"\n");
	assert_int_equal(conf->fronts, 5);
	conf_free(&conf);
	support_refused(ALL "@include \"deep0.conf\"\n",
			"deep9.conf:1: @include \"deep10.conf\": files include each other more than 10 deep\n");
}

static void files_that_are_none_are_refused(void **state)
{
	(void)state;
	unlink("p.conf");
	support_refused_file("p.conf: cannot be read: No such file or directory\n");
	mkdir("p.conf", 0700);
	support_refused_file("p.conf: cannot be read: Is a directory\n");
	rmdir("p.conf");
	assert_int_equal(mkfifo("p.conf", 0600), 0);
	support_refused_file("p.conf: cannot be read: not a regular file\n");
	unlink("p.conf");
}

static void five_thousand_routes_are_read(void **state)
{
	struct conf *conf;
	FILE *stream = fopen("many.conf", "w");
	struct conf_report report = {0};

	(void)state;
	fputs(LISTENERS BACKENDS "routes = (", stream);
	for (int i = 0; i < 5000; i++)
		fprintf(stream, "{ users = \"%s%04d@example.org\"; backend = \"main\"; upstream_user = \"u%d\"; },\n",
			i % 2 ? "*" : "user", i, i);
	fputs("{ users = \"*\"; backend = \"main\"; });\n", stream);
	fclose(stream);
	conf = conf_read("many.conf", &report);
	assert_non_null(conf);
	assert_int_equal(conf->route_count, 5001);
	assert_string_equal(conf->routes[4999].upstream_user, "u4999");
	conf_free(&conf);
}

/* ---- the installed example and the manual --------------------------- */

static char *example, *manual;

/* A file of the source tree, whole; NULL when it can't be read. */
static char *load(const char *name)
{
	const char *source = getenv("srcdir");
	char path[4096], *text = NULL;
	size_t size;
	FILE *from, *to;
	int c;

	snprintf(path, sizeof(path), "%s/%s", source == NULL ? "." : source, name);
	if ((from = fopen(path, "r")) == NULL || (to = open_memstream(&text, &size)) == NULL)
		return NULL;
	while ((c = getc(from)) != EOF)
		putc(c, to);
	fclose(from);
	fclose(to);
	return text;
}

static int setup(void **state)
{
	example = load("etc/popgate.conf");
	manual = load("doc/popgate.conf.5");
	return example == NULL || manual == NULL ? -1 : support_enter(state);
}

static int teardown(void **state)
{
	free(example);
	free(manual);
	return support_leave(state);
}

/* Whether `key` stands in the text as a word of its own, followed by `after`. */
static bool has_word(const char *text, const char *key, const char *after)
{
	for (const char *at = text; (at = strstr(at, key)) != NULL; at++)
		if (at > text && strchr(" \t\n#", at[-1]) != NULL &&
		    strncmp(at + strlen(key), after, strlen(after)) == 0)
			return true;
	return false;
}

static void example_and_manual_have_every_key(void **state)
{
	const struct popgate_key *const tables[] = {conf_top_keys,     conf_listener_keys, conf_tls_keys,
						    conf_backend_keys, conf_route_keys,	   conf_limits_keys,
						    conf_log_keys};
	char item[80];

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct popgate_key *key = tables[i]; key->name != NULL; key++) {
			snprintf(item, sizeof(item), "Ic %s", key->name);
			if (!has_word(example, key->name, " = "))
				fail_msg("etc/popgate.conf lacks %s", key->name);
			if (!has_word(manual, item, ""))
				fail_msg("doc/popgate.conf.5 lacks %s", key->name);
		}
}

/* The ranges and defaults of the manual's table are those of the code. */
static void manual_has_the_limits(void **state)
{
	char row[160];

	(void)state;
	for (const struct popgate_key *key = conf_limits_keys; key->name != NULL; key++) {
		const char *unit = key->type == POPGATE_KEY_SECONDS  ? " seconds"
				   : key->type == POPGATE_KEY_OCTETS ? " octets"
								     : "";

		snprintf(row, sizeof(row), ".It Ic %s Ta%s Ta %lld to %lld Ta %s\n", key->name, unit,
			 (long long)key->min, (long long)key->max, key->fallback);
		if (strstr(manual, row) == NULL)
			fail_msg("doc/popgate.conf.5 lacks %s", row);
	}
}

/* With its certificate in place, it is sound, and lets nobody in in the clear. */
static void example_is_sound_and_safe(void **state)
{
	char *text = strdup(example), *at;
	struct conf *conf;

	(void)state;
	while ((at = strstr(text, "/etc/ssl/")) != NULL)
		memcpy(at, "ssl//////", 9);
	mkdir("ssl", 0700);
	mkdir("ssl/popgate", 0700);
	support_write("ssl/popgate/cert.pem", "");
	support_write("ssl/popgate/key.pem", "");
	chmod("ssl/popgate/key.pem", 0600);
	conf = support_read(text);
	for (size_t i = 0; i < conf->listener_count; i++) {
		assert_false(conf->listeners[i].cleartext_login);
		assert_int_not_equal(conf->listeners[i].tls, CONF_TLS_NONE);
	}
	conf_free(&conf);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_are_the_documented_ones),
	    cmocka_unit_test(every_key_reaches_its_field),
	    cmocka_unit_test(lists_keep_their_order),
	    cmocka_unit_test(paths_start_at_the_files_folder),
	    cmocka_unit_test(faults_name_the_included_file),
	    cmocka_unit_test(numbers_have_their_true_value),
	    cmocka_unit_test(numbers_beyond_their_key_are_refused),
	    cmocka_unit_test(literals_stay_in_step),
	    cmocka_unit_test(parse_faults_name_place_and_remedy),
	    cmocka_unit_test(faulty_includes_are_told),
	    cmocka_unit_test(ten_files_may_include_each_other),
	    cmocka_unit_test(files_that_are_none_are_refused),
	    cmocka_unit_test(five_thousand_routes_are_read),
	    cmocka_unit_test(example_and_manual_have_every_key),
	    cmocka_unit_test(manual_has_the_limits),
	    cmocka_unit_test(example_is_sound_and_safe),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
