/* Tests of conf_accounts: what the accounts file may hold, and every fault with its exact text. */
#include "conf_support.h"

#include "common/account_table.h"
#include "common/scram_keys.h"

#define DEVICE_KEY "AAECAwQFBgcICQoLDA0ODw==$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SCRAM_1	   "4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
#define SCRAM_2                                                                                                        \
	"4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                                  \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define HASH "$y$j9T$abcdefghijklmnopqrstu/$GOBj9MnQX2XXRYb4Fyz9668D5epsKc/lpFQOxVhyXjA"

/* Reads the file a.conf, with backends `main` and `other`. */
static struct accounts *read_as_it_stands(struct conf_report *report)
{
	struct conf *conf = support_read("accounts = \"a.conf\";\n" LISTENERS
					 "backends = ({ name = \"main\"; plugin = \"imap\"; }, { name = \"other\"; "
					 "plugin = \"imap\"; });\n" ROUTES);
	struct accounts *accounts;
	char *path = conf->accounts_file;

	/* as somebody would name it who stands in this folder */
	conf->accounts_file = strdup("a.conf");
	accounts = accounts_read(conf, report);
	free(path);
	conf_free(&conf);
	return accounts;
}

static struct accounts *read_text(const char *text, struct conf_report *report)
{
	support_write("a.conf", text);
	assert_int_equal(chmod("a.conf", 0600), 0);
	return read_as_it_stands(report);
}

static struct accounts *sound(const char *text)
{
	struct conf_report report = {0};
	struct accounts *accounts = read_text(text, &report);
	char *faults = support_faults(&report);

	assert_string_equal(faults, "");
	free(faults);
	assert_non_null(accounts);
	return accounts;
}

static void refused(const char *text, const char *expected)
{
	struct conf_report report = {0};
	struct accounts *accounts = read_text(text, &report);
	char *faults = support_faults(&report);

	assert_null(accounts);
	assert_string_equal(faults, expected);
	free(faults);
}

/* One account `ann` with this in it. */
static void refused_account(const char *keys, const char *expected)
{
	char text[4096];

	snprintf(text, sizeof(text), "accounts = ( { user = \"ann\";\n%s } );\n", keys);
	refused(text, expected);
}

/* ---- what may stand ---- */

static void everything_is_read(void **state)
{
	struct accounts *accounts =
	    sound("# before\naccounts = (\n{ user = \"Ann@example.org\"; hash = \"" HASH "\"; scram_sha_1 = \"" SCRAM_1
		  "\"; scram_sha_256 = \"" SCRAM_2 "\"; secret = \"s\";\n"
		  "devices = ( { name = \"phone\"; key = \"" DEVICE_KEY "\"; } );\n"
		  "backend = \"other\"; upstream_user = \"a.b\"; folder = \"Sc\xc3\xa4ns\"; upstream_secret = \"up\";\n"
		  "auth_user = \"master\"; networks = ( \"192.0.2.0/24\", \"::1\" );\n"
		  "max_sessions = 3; max_octets = 9223372036854775807; login_delay = 86400; },\n"
		  "{ user = \"bob\"; disabled = true; networks = \"10.0.0.0/8\"; secret_file = \"x/y\"; } );\n");
	const struct account *ann = &accounts->items[0], *bob = &accounts->items[1];
	char path[128];

	assert_int_equal(accounts->count, 2);
	assert_ptr_equal(accounts_find(accounts, "ann@EXAMPLE.org"), ann);
	assert_string_equal(ann->user, "Ann@example.org");
	assert_string_equal(ann->hash, HASH);
	assert_string_equal(ann->scram_sha_1, SCRAM_1);
	assert_string_equal(ann->scram_sha_256, SCRAM_2);
	assert_string_equal(ann->secret, "s");
	assert_int_equal(ann->device_count, 1);
	assert_string_equal(ann->devices[0].name, "phone");
	assert_int_equal(ann->devices[0].key.digest[31], 31);
	assert_int_equal(ann->backend, 1);
	assert_string_equal(ann->upstream_user, "a.b");
	assert_string_equal(ann->folder, "Sc\xc3\xa4ns");
	assert_int_equal(ann->source.kind, CONF_SOURCE_SECRET);
	assert_string_equal(ann->source.text, "up");
	assert_string_equal(ann->source.auth_user, "master");
	assert_int_equal(ann->network_count, 2);
	assert_true(network_holds(&ann->networks[0], "192.0.2.9"));
	assert_int_equal(ann->max_sessions, 3);
	assert_true(ann->max_octets == INT64_MAX);
	assert_int_equal(ann->login_delay, 86400);
	assert_int_equal(ann->line, 3);
	assert_false(ann->disabled);
	assert_int_equal(accounts->proofs, 31);
	assert_true(bob->disabled);
	assert_int_equal(bob->backend == ACCOUNT_BY_ROUTE, true);
	snprintf(path, sizeof(path), "%s/x/y", (char *)*state);
	assert_int_equal(bob->source.kind, CONF_SOURCE_FILE);
	assert_string_equal(bob->source.text, path);
	accounts_free(&accounts);
}

static void few_keys_are_enough(void **state)
{
	struct accounts *accounts = sound("accounts = ();\n");

	(void)state;
	assert_int_equal(accounts->count, 0);
	accounts_free(&accounts);
	accounts = sound("accounts = ( { user = \"ann\" } )\n");
	assert_int_equal(accounts->items[0].source.kind, CONF_SOURCE_CLIENT);
	assert_int_equal(accounts->proofs, 0);
	accounts_free(&accounts);
	accounts =
	    sound("accounts = ( { user = \"ann\"; hash = \"!\"; secret_command = ( \"/bin/a\", \"b c\" ); } );\n");
	assert_int_equal(accounts->items[0].source.kind, CONF_SOURCE_COMMAND);
	assert_memory_equal(accounts->items[0].source.text, "/bin/a\0b c\0", 12);
	accounts_free(&accounts);
}

static void other_files_are_included(void **state)
{
	struct accounts *accounts;

	(void)state;
	support_write("more.conf", "{ user = \"bob\"; }\n");
	assert_int_equal(chmod("more.conf", 0604), 0);
	refused("accounts = ( { user = \"ann\"; },\n@include \"more.conf\"\n);\n",
		"a.conf:2: @include \"more.conf\": others than its owner may use it: chmod 600 it\n");
	assert_int_equal(chmod("more.conf", 0600), 0);
	accounts = sound("accounts = ( { user = \"ann\"; },\n@include \"more.conf\"\n);\n");
	assert_non_null(accounts_find(accounts, "bob"));
	accounts_free(&accounts);
	support_write("more.conf", "{ user = \"ann\"; bckend = \"x\"; }\n");
	refused("accounts = (\n@include \"more.conf\"\n);\n",
		"more.conf:1: unknown key `bckend` in `accounts`: did you mean `backend`?\n");
}

/* ---- faults ---- */

static void faults_of_the_file(void **state)
{
	struct conf_report report = {0};
	char *faults;

	(void)state;
	refused("", "a.conf: the file must hold a list of accounts: accounts = ( { user = \"...\"; }, ... );\n");
	refused("acounts = ();\n", "a.conf:1: unknown key `acounts`: did you mean `accounts`?\n");
	refused("accounts = ();\nlimits = {};\n", "a.conf:2: unknown key `limits`: it takes `accounts`\n");
	refused("accounts = { ann = { hash = \"x\"; }; };\n",
		"a.conf:1: the file must hold a list of accounts: accounts = ( { user = \"...\"; }, ... );\n");
	refused("accounts = ( \"ann\" );\n", "a.conf:1: `accounts` takes groups only: { ... }\n");
	refused("accounts = (\n{ user = \"ann\"; }\n",
		"a.conf:3: syntax error: look for a missing `=`, `;`, quote or bracket here or on the line before\n");
	refused("accounts = (\n{ user = \"ann\";\nuser = \"bob\"; } );\n",
		"a.conf:3: `user` stands twice: remove this one or the one at a.conf:2\n");
	refused("accounts = ();\naccounts = ();\n",
		"a.conf:2: `accounts` stands twice: remove this one or the one at a.conf:1\n");
	refused("accounts = (\n{ user = \"ann\"; },\n{ user = \"bob\"; },\n{ user = \"ANN\"; } );\n",
		"a.conf:4: the account `ANN` stands twice: remove this one or the one at line 2\n");
	assert_int_equal(unlink("a.conf"), 0);
	assert_null(read_as_it_stands(&report));
	faults = support_faults(&report);
	assert_string_equal(faults, "a.conf: the accounts file cannot be read: No such file or directory; `popgate "
				    "account add` makes it\n");
	free(faults);
}

static void a_file_that_others_may_use_is_refused(void **state)
{
	static const char fault[] = "a.conf: others than its owner may use the accounts file: chmod 600 it\n";
	static const mode_t modes[] = {0640, 0604, 0660, 0602, 0610, 0601, 0777};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct conf_report report = {0};
		struct accounts *accounts = sound("accounts = ();\n");
		char *faults;

		accounts_free(&accounts);
		assert_int_equal(chmod("a.conf", modes[i]), 0);
		assert_null(read_as_it_stands(&report));
		faults = support_faults(&report);
		assert_string_equal(faults, fault);
		free(faults);
	}
	assert_int_equal(chmod("a.conf", 0400), 0);
	{
		struct conf_report report = {0};
		struct accounts *accounts = read_as_it_stands(&report);

		assert_non_null(accounts);
		accounts_free(&accounts);
	}
	assert_int_equal(unlink("a.conf"), 0);
}

static void what_is_no_file_is_refused(void **state)
{
	struct conf_report report = {0};
	char *faults;

	(void)state;
	(void)unlink("a.conf");
	assert_int_equal(mkdir("a.conf", 0700), 0);
	assert_null(read_as_it_stands(&report));
	assert_int_equal(rmdir("a.conf"), 0);
	assert_int_equal(mkfifo("a.conf", 0600), 0);
	assert_null(read_as_it_stands(&report));
	assert_int_equal(unlink("a.conf"), 0);
	faults = support_faults(&report);
	assert_string_equal(faults, "a.conf: the accounts file is no regular file\n"
				    "a.conf: the accounts file is no regular file\n");
	free(faults);
}

static void faults_of_names(void **state)
{
	char text[2048], name[600];

	(void)state;
	refused("accounts = (\n{ hash = \"$y$x\"; } );\n", "a.conf:2: `user` in `accounts` is missing\n");
	refused("accounts = (\n{ user = 5; } );\n", "a.conf:2: `user` in `accounts` takes a string, not a number\n");
	refused("accounts = (\n{ user = \"\"; } );\n", "a.conf:2: `user` in `accounts` is empty\n");
	refused("accounts = (\n{ user = \"a\\r\\nb\"; } );\n",
		"a.conf:2: `user` in `accounts` holds a control character\n");
	refused("accounts = (\n{ user = \"a\\xff\"; } );\n", "a.conf:2: `user` in `accounts` is not UTF-8\n");
	refused("accounts = (\n{ user = \"a\\x00\"; } );\n", "a.conf:2: a string holds NUL: no value may\n");
	memset(name, 'a', 513);
	name[513] = '\0';
	snprintf(text, sizeof(text), "accounts = (\n{ user = \"%s\"; } );\n", name);
	refused(text, "a.conf:2: `user` in `accounts` must be 1 to 512 octets of UTF-8 without control characters\n");
	refused_account("upstream_user = \"\";", "a.conf:2: `upstream_user` in `accounts` is empty\n");
	refused_account("folder = \"a\\tb\";", "a.conf:2: `folder` in `accounts` holds a control character\n");
	refused_account("backend = \"othr\";",
			"a.conf:2: `backend` in `accounts`: there is no backend `othr`: did you mean `other`?\n");
	refused_account("backend = \"zzzzzz\";", "a.conf:2: `backend` in `accounts`: there is no backend `zzzzzz`\n");
	refused_account("disabled = \"no\";", "a.conf:2: `disabled` in `accounts` takes true or false, not a string\n");
}

static void faults_of_proofs(void **state)
{
	static const char no_device[] =
	    "a.conf:2: this device of `ann` has no name, or a key that is none: `popgate account "
	    "device add` makes both\n";
	char text[1024];

	(void)state;
	refused_account("hash = \"secret\";",
			"a.conf:2: `hash` in `accounts` is no hash of a password: `popgate passwd` makes one\n");
	memset(text, '$', 600);
	memcpy(text, "hash = \"", 8);
	memcpy(text + 598, "\";", 3);
	refused_account(text, "a.conf:2: `hash` in `accounts` is no hash of a password: `popgate passwd` makes one\n");
	refused_account(
	    "scram_sha_1 = \"" SCRAM_2 "\";\nscram_sha_256 = \"4096:\";",
	    "a.conf:2: `scram_sha_1` in `accounts` is no key of SCRAM: `popgate passwd --scram` makes one\n"
	    "a.conf:3: `scram_sha_256` in `accounts` is no key of SCRAM: `popgate passwd --scram` makes one\n");
	refused_account("devices = ( { name = \"phone\"; } );", "a.conf:2: `key` in `devices` is missing\n");
	refused_account("devices = ( { key = \"" DEVICE_KEY "\"; } );", "a.conf:2: `name` in `devices` is missing\n");
	refused_account("devices = ( { name = \"phone\"; key = \"abc\"; } );", no_device);
	refused_account("devices = ( { nme = \"phone\"; key = \"" DEVICE_KEY "\"; } );",
			"a.conf:2: unknown key `nme` in `devices`: did you mean `name`?\n"
			"a.conf:2: `name` in `devices` is missing\n");
	refused_account("devices = { name = \"phone\"; key = \"" DEVICE_KEY "\"; };",
			"a.conf:2: `devices` in `accounts` must be a list of up to 100 groups\n");
	refused_account("devices = ( 5 );", "a.conf:2: `devices` takes groups only: { ... }\n");
	refused_account("devices = ( { name = \"phone\"; key = \"" DEVICE_KEY
			"\"; },\n{ name = \"phone\"; key = \"" DEVICE_KEY "\"; } );",
			"a.conf:3: the device `phone` of `ann` stands twice: give one another name\n");
}

static void faults_of_places_and_sources(void **state)
{
	static const char twice[] = "there is another source of the secret already, remove one\n";
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "a.conf:2: `secret_file` in `accounts`: %s", twice);
	refused_account("hash = \"$y$x\"; secret_file = \"f\"; secret_command = \"/c\";", text);
	snprintf(text, sizeof(text), "a.conf:2: `oauth` in `accounts`: %s", twice);
	refused_account("hash = \"$y$x\"; upstream_secret = \"s\"; oauth = \"p\";", text);
	refused_account("hash = \"$y$x\"; secret_credential = \"a/b\";",
			"a.conf:2: `secret_credential` in `accounts` is a name, not a path\n");
	refused_account(
	    "hash = \"$y$x\"; secret_command = \"pass\";",
	    "a.conf:2: `secret_command` in `accounts` must begin with the program's absolute path, each word a "
	    "string of its own: no shell takes it apart; 4000 octets at most\n");
	refused_account(
	    "hash = \"$y$x\"; secret_command = 5;",
	    "a.conf:2: `secret_command` in `accounts` takes strings that are not empty: \"...\", or (\"...\", "
	    "\"...\")\n");
	refused_account(
	    "upstream_secret = \"s\";",
	    "a.conf:1: the account `ann` opens its mailbox by itself, so it needs a password here: `popgate "
	    "passwd`, or `popgate account device add`\n");
	refused_account("networks = \"192.0.2.1/24\";",
			"a.conf:2: `networks` in `accounts`: `192.0.2.1/24` is no network: write 192.0.2.0/24 or "
			"2001:db8::/32, with no bit set behind the prefix\n");
	refused_account("networks = \"fe80::1%eth0\";",
			"a.conf:2: `networks` in `accounts`: `fe80::1%eth0` names a link: write the address without "
			"%eth0, it is meant on every link\n");
	refused_account("networks = ( \"::1\", 5 );",
			"a.conf:2: `networks` in `accounts` takes strings that are not empty: "
			"\"...\", or (\"...\", \"...\")\n");
	refused_account("networks = {};",
			"a.conf:2: `networks` in `accounts` takes up to 1000 strings: (\"...\", \"...\")\n");
	refused_account(
	    "networks = ();",
	    "a.conf:2: `networks` in `accounts` is an empty list: nobody could log in; remove it, or name some\n");
	refused_account("max_sessions = -1;",
			"a.conf:2: `max_sessions` in `accounts` is -1: it must be from 0 to 100000\n");
	refused_account("max_octets = 9223372036854775808;",
			"a.conf:2: the number 9223372036854775808 is too large for any key\n");
	refused_account("login_delay = 86401;",
			"a.conf:2: `login_delay` in `accounts` is 86401: it must be from 0 to 86400 seconds\n");
}

/* Nobody reads 50,000 lines; and each is bounded whatever a name brings along. */
static void only_so_many_faults_are_told(void **state)
{
	struct conf_report report = {0};
	struct accounts *accounts;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	fputs("accounts = (\n", stream);
	for (int i = 0; i < 5000; i++)
		fprintf(stream, "{ user = \"u%d\"; hash = \"x\"; }%s\n", i, i < 4999 ? "," : "");
	fputs(");\n", stream);
	fclose(stream);
	accounts = read_text(text, &report);
	assert_null(accounts);
	assert_int_equal(report.count, 101);
	conf_report_free(&report);
	free(text);
}

/* ---- the manual ---- */

static char *manual;

static int load_manual(void **state)
{
	const char *source = getenv("srcdir");
	char path[4096];
	FILE *stream;
	size_t size;

	snprintf(path, sizeof(path), "%s/doc/popgate-accounts.5", source == NULL ? "." : source);
	stream = fopen(path, "r");
	if (stream == NULL || (manual = calloc(1, 1 << 20)) == NULL)
		return -1;
	size = fread(manual, 1, (1 << 20) - 1, stream);
	fclose(stream);
	return size == 0 ? -1 : support_enter(state);
}

static int drop_manual(void **state)
{
	free(manual);
	return support_leave(state);
}

static void has_key(const char *key)
{
	char item[80];

	snprintf(item, sizeof(item), "Ic %s", key);
	for (const char *at = manual; (at = strstr(at, item)) != NULL; at++)
		if (strchr(" ,\n", at[strlen(item)]) != NULL)
			return;
	fail_msg("doc/popgate-accounts.5 lacks %s", key);
}

static void manual_has_every_key(void **state)
{
	(void)state;
	for (const struct popgate_key *key = account_table_keys; key->name != NULL; key++)
		has_key(key->name);
	for (const char *const *other = account_table_others; *other != NULL; other++)
		has_key(*other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything_is_read),
	    cmocka_unit_test(few_keys_are_enough),
	    cmocka_unit_test(other_files_are_included),
	    cmocka_unit_test(faults_of_the_file),
	    cmocka_unit_test(a_file_that_others_may_use_is_refused),
	    cmocka_unit_test(what_is_no_file_is_refused),
	    cmocka_unit_test(faults_of_names),
	    cmocka_unit_test(faults_of_proofs),
	    cmocka_unit_test(faults_of_places_and_sources),
	    cmocka_unit_test(only_so_many_faults_are_told),
	    cmocka_unit_test(manual_has_every_key),
	};

	return cmocka_run_group_tests(tests, load_manual, drop_manual);
}
