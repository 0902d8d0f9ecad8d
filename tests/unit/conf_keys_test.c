/* Tests of conf_backend_settings: what a plugin's table makes of its section;
 * and of the nearest key. */
#include "conf_support.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/conf_near.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct popgate_key keys[] = {
    {"host", POPGATE_KEY_STRING, POPGATE_KEY_REQUIRED, NULL, 0, 0, NULL, "a name"},
    {"folder", POPGATE_KEY_STRING, 0, "INBOX", 0, 0, NULL, "a folder"},
    {"note", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "a note"},
    {"flag", POPGATE_KEY_BOOL, 0, "true", 0, 0, NULL, "a flag"},
    {"port", POPGATE_KEY_INT, 0, "143", 1, 65535, NULL, "a port"},
    {"shift", POPGATE_KEY_INT, 0, "-5", 0, 0, NULL, "any number"},
    {"wait", POPGATE_KEY_SECONDS, 0, NULL, 1, 60, NULL, "a time"},
    {"room", POPGATE_KEY_OCTETS, 0, "1024", 1, INT64_MAX, NULL, "a size"},
    {"colour", POPGATE_KEY_CHOICE, 0, "green", 0, 0, colours, "a colour"},
    {"file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "a file"},
    {"store", POPGATE_KEY_FILE, 0, "store", 0, 0, NULL, "another"},
    {0},
};

#define SECTION(text) LISTENERS "backends = ({ name = \"main\"; plugin = \"imap\";\n" text " });\n" ROUTES

static struct popgate_settings *sound(const char *text, const struct popgate_key *table)
{
	struct conf_report report = {0};
	struct conf *conf = support_read(text);
	struct popgate_settings *settings = conf_backend_settings(conf, &conf->backends[0], table, &report);
	char *faults = support_faults(&report);

	assert_string_equal(faults, "");
	free(faults);
	assert_non_null(settings);
	conf_free(&conf);
	return settings;
}

static void refused(const char *text, const struct popgate_key *table, const char *expected)
{
	struct conf_report report = {0};
	struct conf *conf = support_read(text);
	char *faults;

	assert_null(conf_backend_settings(conf, &conf->backends[0], table, &report));
	faults = support_faults(&report);
	assert_string_equal(faults, expected);
	free(faults);
	conf_free(&conf);
}

static void defaults_come_from_the_table(void **state)
{
	struct popgate_settings *settings = sound(SECTION("host = \"h\";"), keys);
	char store[64];

	snprintf(store, sizeof(store), "%s/store", (char *)*state);
	assert_string_equal(conf_setting_string(settings, "host"), "h");
	assert_string_equal(conf_setting_string(settings, "folder"), "INBOX");
	assert_null(conf_setting_string(settings, "note"));
	assert_int_equal(conf_setting_bool(settings, "flag"), 1);
	assert_int_equal(conf_setting_int(settings, "port"), 143);
	assert_int_equal(conf_setting_int(settings, "shift"), -5);
	assert_int_equal(conf_setting_int(settings, "wait"), 0);
	assert_int_equal(conf_setting_int(settings, "room"), 1024);
	assert_string_equal(conf_setting_string(settings, "colour"), "green");
	assert_null(conf_setting_string(settings, "file"));
	assert_string_equal(conf_setting_string(settings, "store"), store);
	conf_settings_free(&settings);
	assert_null(settings);
	conf_settings_free(&settings);
}

/* The configuration is freed before they are read: see sound(). */
static void given_values_outlive_the_configuration(void **state)
{
	struct popgate_settings *settings;
	char file[64];

	settings = sound(
	    SECTION("host = \"\xc3\xa4\"; folder = \"a\" \"b\"; note = \"n\"; flag = false; port = 65535; shift = "
		    "-9000000000;\n wait = 60; room = 9223372036854775807; colour = \"blue\"; file = \"sub/f\"; "
		    "store = \"/abs\";"),
	    keys);
	snprintf(file, sizeof(file), "%s/sub/f", (char *)*state);
	assert_string_equal(conf_setting_string(settings, "host"), "\xc3\xa4");
	assert_string_equal(conf_setting_string(settings, "folder"), "ab");
	assert_string_equal(conf_setting_string(settings, "note"), "n");
	assert_int_equal(conf_setting_bool(settings, "flag"), 0);
	assert_int_equal(conf_setting_int(settings, "port"), 65535);
	assert_true(conf_setting_int(settings, "shift") == -9000000000);
	assert_int_equal(conf_setting_int(settings, "wait"), 60);
	assert_true(conf_setting_int(settings, "room") == INT64_MAX);
	assert_string_equal(conf_setting_string(settings, "colour"), "blue");
	assert_string_equal(conf_setting_string(settings, "file"), file);
	assert_string_equal(conf_setting_string(settings, "store"), "/abs");
	conf_settings_free(&settings);
}

static void faults_name_the_backend(void **state)
{
	(void)state;
	refused(SECTION(""), keys, "p.conf:2: `host` in backend `main` is missing\n");
	refused(SECTION("hots = \"h\";"), keys,
		"p.conf:3: unknown key `hots` in backend `main`: did you mean `host`?\n"
		"p.conf:2: `host` in backend `main` is missing\n");
	refused(SECTION("host = \"h\"; users = \"*\";"), keys,
		"p.conf:3: unknown key `users` in backend `main`: it takes `name`, `plugin`, `host`, `folder`, `note`, "
		"`flag`, "
		"`port`, `shift`, `wait`, `room`, `colour`, `file`, `store`\n");
	refused(SECTION("host = \"h\"; plugn = \"x\";"), keys,
		"p.conf:3: unknown key `plugn` in backend `main`: did you mean `plugin`?\n");
	refused(
	    SECTION("host = \"h\"; port = 0;\nwait = 61; room = 0; flag = 1; colour = \"bleu\";"), keys,
	    "p.conf:4: `flag` in backend `main` takes true or false, not a number\n"
	    "p.conf:3: `port` in backend `main` is 0: it must be from 1 to 65535\n"
	    "p.conf:4: `wait` in backend `main` is 61: it must be from 1 to 60 seconds\n"
	    "p.conf:4: `room` in backend `main` is 0: it must be from 1 to 9223372036854775807 octets\n"
	    "p.conf:4: `colour` in backend `main` is \"bleu\": it must be \"red\", \"green\" or \"blue\"; did you mean "
	    "\"blue\"?\n");
	refused(SECTION("host = \"a\\r\\nb\"; file = \"\"; folder = \"\\xc0\";"), keys,
		"p.conf:3: `host` in backend `main` holds a control character\n"
		"p.conf:3: `folder` in backend `main` is not UTF-8\n"
		"p.conf:3: `file` in backend `main` is empty\n");
}

static void faulty_defaults_are_the_plugins(void **state)
{
	static const struct popgate_key number[] = {{"n", POPGATE_KEY_INT, 0, "x", 0, 0, NULL, ""}, {0}};
	static const struct popgate_key range[] = {{"n", POPGATE_KEY_INT, 0, "9", 1, 2, NULL, ""}, {0}};
	static const struct popgate_key truth[] = {{"n", POPGATE_KEY_BOOL, 0, "yes", 0, 0, NULL, ""}, {0}};
	static const struct popgate_key choice[] = {{"n", POPGATE_KEY_CHOICE, 0, "pink", 0, 0, colours, ""}, {0}};

	(void)state;
	refused(SECTION(""), number, "p.conf:2: `n` in backend `main` has a default that is no number\n");
	refused(SECTION(""), range, "p.conf:2: `n` in backend `main` is 9: it must be from 1 to 2\n");
	refused(SECTION(""), truth, "p.conf:2: `n` in backend `main` has a default that is neither true nor false\n");
	refused(SECTION(""), choice,
		"p.conf:2: `n` in backend `main` is \"pink\": it must be \"red\", \"green\" or \"blue\"\n");
}

/* Whether a child that asks ends by SIGABRT. */
static bool aborts(void (*ask)(const struct popgate_settings *), const struct popgate_settings *settings)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		ask(settings);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void ask_missing(const struct popgate_settings *settings)
{
	conf_setting_string(settings, "hosts");
}

static void ask_number_as_string(const struct popgate_settings *settings)
{
	conf_setting_string(settings, "port");
}

static void ask_string_as_number(const struct popgate_settings *settings)
{
	conf_setting_int(settings, "host");
}

static void ask_number_as_bool(const struct popgate_settings *settings)
{
	conf_setting_bool(settings, "port");
}

static void ask_rightly(const struct popgate_settings *settings)
{
	conf_setting_string(settings, "host");
}

static void wrong_questions_end_the_process(void **state)
{
	struct popgate_settings *settings = sound(SECTION("host = \"h\";"), keys);

	(void)state;
	assert_true(aborts(ask_missing, settings));
	assert_true(aborts(ask_number_as_string, settings));
	assert_true(aborts(ask_string_as_number, settings));
	assert_true(aborts(ask_number_as_bool, settings));
	assert_false(aborts(ask_rightly, settings));
	conf_settings_free(&settings);
}

static void distances(void **state)
{
	char longer[200];

	(void)state;
	assert_int_equal(conf_near_distance("port", "port"), 0);
	assert_int_equal(conf_near_distance("prot", "port"), 1);
	assert_int_equal(conf_near_distance("por", "port"), 1);
	assert_int_equal(conf_near_distance("porrt", "port"), 1);
	assert_int_equal(conf_near_distance("part", "port"), 1);
	assert_int_equal(conf_near_distance("", "port"), 4);
	assert_int_equal(conf_near_distance("kitten", "sitting"), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(conf_near_distance(longer, longer), 0);
}

static void only_the_near_is_offered(void **state)
{
	struct conf_near near = {.word = "prot"}, far = {.word = "x"};

	(void)state;
	conf_near_offer(&near, "address");
	assert_null(near.best);
	conf_near_offer(&near, "part");
	conf_near_offer(&near, "port");
	conf_near_offer(&near, "pro");
	assert_string_equal(near.best, "port");
	conf_near_offer(&far, "y");
	assert_null(far.best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_come_from_the_table),    cmocka_unit_test(given_values_outlive_the_configuration),
	    cmocka_unit_test(faults_name_the_backend),	       cmocka_unit_test(faulty_defaults_are_the_plugins),
	    cmocka_unit_test(wrong_questions_end_the_process), cmocka_unit_test(distances),
	    cmocka_unit_test(only_the_near_is_offered),
	};

	return cmocka_run_group_tests(tests, support_enter, support_leave);
}
