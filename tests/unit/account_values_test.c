/* Tests of values: an account made of keys and values, as a command line has them, is what the file would say, and
 * refused in the file's words. */
#include "conf_support.h"

#include "accounts/same.h"
#include "common/account_table.h"

#define SCRAM_1 "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
#define SCRAM_2                                                                                                        \
	"4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                                  \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

#define VALUES_MAX 3

/* What the command line says, and what stands in the file. */
struct example {
	const char *key, *texts[VALUES_MAX], *written;
};

/* One at least for each key. */
static const struct example good[] = {
    {"disabled", {"true"}, "true"},
    {"disabled", {"false"}, "false"},
    {"hash", {"$y$x"}, "\"$y$x\""},
    {"scram_sha_1", {SCRAM_1}, "\"" SCRAM_1 "\""},
    {"scram_sha_256", {SCRAM_2}, "\"" SCRAM_2 "\""},
    {"secret", {"it \"is\\"}, "\"it \\\"is\\\\\""},
    {"backend", {"main"}, "\"main\""},
    {"upstream_user", {"a.b"}, "\"a.b\""},
    {"folder", {"Sc\xc3\xa4ns"}, "\"Sc\xc3\xa4ns\""},
    {"upstream_secret", {"12"}, "\"12\""},
    {"oauth", {"provider"}, "\"provider\""},
    {"max_sessions", {"3"}, "3"},
    {"max_octets", {"9223372036854775807"}, "9223372036854775807"},
    {"max_octets", {"0x7fffffffff"}, "0x7fffffffff"},
    {"login_delay", {"60"}, "60"},
    {"auth_user", {"master"}, "\"master\""},
    {"secret_file", {"/x/y"}, "\"/x/y\""},
    {"secret_credential", {"mail"}, "\"mail\""},
    {"folders", {"Archive", "\\Junk"}, "( \"Archive\", \"\\\\Junk\" )"},
    {"networks", {"192.0.2.0/24"}, "\"192.0.2.0/24\""},
    {"networks", {"192.0.2.0/24", "::1"}, "( \"192.0.2.0/24\", \"::1\" )"},
    {"secret_command", {"/bin/a", "b c", "d"}, "( \"/bin/a\", \"b c\", \"d\" )"},
};

static const struct example bad[] = {
    {"disabled", {"yes"}, "\"yes\""},
    {"hash", {"password"}, "\"password\""},
    {"hash", {""}, "\"\""},
    {"scram_sha_256", {"x"}, "\"x\""},
    {"secret", {"a\nb"}, "\"a\\nb\""},
    {"secret", {"a\xff"}, "\"a\xff\""},
    {"backend", {"mian"}, "\"mian\""},
    {"folder", {""}, "\"\""},
    {"oauth", {"other"}, "\"other\""},
    {"max_sessions", {"100001"}, "100001"},
    {"max_sessions", {"many"}, "\"many\""},
    {"max_sessions", {"1.5x"}, "\"1.5x\""},
    {"max_sessions", {""}, "\"\""},
    {"login_delay", {"-1"}, "-1"},
    {"secret_credential", {"a/b"}, "\"a/b\""},
    {"folders", {"A*"}, "\"A*\""},
    {"networks", {"10.0.0.1/8"}, "\"10.0.0.1/8\""},
    {"networks", {"10.0.0.0/8", ""}, "( \"10.0.0.0/8\", \"\" )"},
    {"secret_command", {"relative"}, "\"relative\""},
    {"usr", {"x"}, "\"x\""},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct conf *conf;

static int enter(void **state)
{
	if (support_enter(state) != 0)
		return -1;
	support_write("key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
	if (chmod("key", 0600) != 0)
		return -1;
	conf = support_read("accounts = \"a.conf\"; token_key_file = \"key\";\n" LISTENERS BACKENDS
			    "routes = ({ users = \"*\"; backend = \"main\"; folder_delimiter = \"+\"; });\n"
			    "oauth = ({ name = \"provider\"; preset = \"microsoft\"; client_id = \"x\"; });\n");
	return 0;
}

static int leave(void **state)
{
	conf_free(&conf);
	return support_leave(state);
}

/* The file with one account `ann`, which is disabled unless that is the key, so that nothing need prove it. */
static struct accounts *read_file(const struct example *example, struct conf_report *report)
{
	bool is_disabled = strcmp(example->key, "disabled") == 0;
	char text[1024];

	snprintf(text, sizeof(text), "accounts = ( { user = \"ann\"; %s\n%s = %s; } );\n",
		 is_disabled ? "" : "disabled = true;", example->key, example->written);
	support_write("a.conf", text);
	assert_int_equal(chmod("a.conf", 0600), 0);
	return accounts_read(conf, report);
}

static int read_values(const struct example *example, struct account *account_r, struct conf_report *report)
{
	struct account_value values[VALUES_MAX];
	size_t count = 0;

	for (; count < VALUES_MAX && example->texts[count] != NULL; count++)
		values[count] = (struct account_value){example->key, example->texts[count]};
	return account_table_read(conf, "words", "ann", values, count, account_r, report);
}

/* Each key is moved alone into an account that says nothing, as a verb does that sets it, and back out. */
static void values_say_what_the_file_would(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct account meant = {0}, none = {.backend = ACCOUNT_BY_ROUTE}, account = {0};
		struct conf_report report = {0};
		struct accounts *accounts = read_file(&good[i], &report);

		if (accounts == NULL || read_values(&good[i], &meant, &report) != 0)
			fail_msg("%s: %s", good[i].key, support_faults(&report));
		assert_int_equal(account_table_read(conf, "words", "ann", NULL, 0, &account, &report), 0);
		if (strcmp(good[i].key, "disabled") != 0)
			account.disabled = true;
		account_swap(&account, &meant, good[i].key);
		if (!account_same(&account, &accounts->items[0]))
			fail_msg("%s = %s differs", good[i].key, good[i].written);
		account_swap(&account, &none, good[i].key);
		account.disabled = false;
		account_swap(&none, &meant, "user");
		assert_true(
		    account_same(&account, &(struct account){.user = account.user, .backend = ACCOUNT_BY_ROUTE}));
		account_clear(&meant);
		account_clear(&none);
		account_clear(&account);
		accounts_free(&accounts);
	}
}

static char *faults_of_file(const struct example *example)
{
	struct conf_report report = {0};

	assert_null(read_file(example, &report));
	return support_faults(&report);
}

static char *faults_of_values(const struct example *example)
{
	struct conf_report report = {0};
	struct account account = {0};

	if (read_values(example, &account, &report) == 0)
		fail_msg("%s = %s is taken", example->key, example->written);
	return support_faults(&report);
}

static void bad_values_are_refused_in_the_words_of_the_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char *file = faults_of_file(&bad[i]), *words = faults_of_values(&bad[i]);
		const char *text = strchr(file, ' ');

		assert_memory_equal(words, "words:", 6);
		assert_non_null(text);
		assert_string_equal(words + 6, text);
		free(file);
		free(words);
	}
}

static bool has_example(const char *key)
{
	for (size_t i = 0; i < COUNT(good); i++)
		if (strcmp(good[i].key, key) == 0)
			return true;
	return false;
}

static void every_key_has_an_example(void **state)
{
	(void)state;
	for (const struct popgate_key *key = account_table_keys; key->name != NULL; key++)
		if (strcmp(key->name, "user") != 0 && !has_example(key->name))
			fail_msg("no example of %s", key->name);
	for (const char *const *other = account_table_others; *other != NULL; other++)
		if (strcmp(*other, "devices") != 0 && !has_example(*other))
			fail_msg("no example of %s", *other);
}

static void devices_are_moved_as_one(void **state)
{
	struct account a = {0}, b = {0};

	(void)state;
	a.devices = calloc(1, sizeof(*a.devices));
	a.devices[0].name = strdup("phone");
	a.device_count = 1;
	account_swap(&a, &b, "devices");
	assert_null(a.devices);
	assert_int_equal(a.device_count, 0);
	assert_int_equal(b.device_count, 1);
	account_clear(&b);
}

/* Of the keys that say what opens the mailbox one is there: another's name moves nothing. */
static void a_source_goes_by_its_own_key(void **state)
{
	struct account a = {.source = {.kind = CONF_SOURCE_FILE, .text = strdup("/x")}}, none = {0};

	(void)state;
	account_swap(&a, &none, "oauth");
	account_swap(&a, &none, "auth_user");
	assert_int_equal(a.source.kind, CONF_SOURCE_FILE);
	account_swap(&a, &none, "secret_file");
	assert_int_equal(a.source.kind, CONF_SOURCE_CLIENT);
	assert_string_equal(none.source.text, "/x");
	account_clear(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_say_what_the_file_would),
	    cmocka_unit_test(bad_values_are_refused_in_the_words_of_the_file),
	    cmocka_unit_test(every_key_has_an_example),
	    cmocka_unit_test(devices_are_moved_as_one),
	    cmocka_unit_test(a_source_goes_by_its_own_key),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
