/* Tests of the plugin loader: every module with something wrong is refused,
 * with the words that the administrator reads. Modules are compiled here, from wrong_plugin.c. */
#include "conf_support.h"

#include <stdbool.h>

#include "session/host.h"
#include "session/plugin.h"

static const char *compiler, *source;

/* Compiles NAME.so in the current folder. */
static void build(const char *name, const char *options)
{
	char command[4096];
	int size = snprintf(command, sizeof(command),
			    "umask 022 && %s -shared -fPIC -I'%s/include' %s -o %s.so '%s/tests/unit/wrong_plugin.c'",
			    compiler, source, options, name, source);

	assert_true(size > 0 && (size_t)size < sizeof(command));
	assert_int_equal(system(command), 0);
}

static int load_as(const char *plugin, const char *setting, uid_t owner, struct conf_report *report)
{
	char text[1024], folder[256];
	struct plugin_set set = {0};
	struct conf *conf;
	int result;

	assert_non_null(getcwd(folder, sizeof(folder)));
	snprintf(text, sizeof(text),
		 LISTENERS ROUTES
		 "plugin_directory = \"%s\";\nbackends = (\n{ name = \"main\"; plugin = \"%s\"; %s });\n",
		 folder, plugin, setting);
	conf = support_read(text);
	result = plugin_load(&set, conf, &host_functions, owner, report);
	if (result == 0) {
		assert_int_equal(set.count, 1);
		assert_non_null(set.items[0].plugin);
		assert_non_null(set.items[0].settings);
		assert_non_null(set.items[0].instance);
		plugin_unload(&set);
	}
	assert_int_equal(set.count, 0);
	assert_null(set.items);
	conf_free(&conf);
	return result;
}

/* Loading must fail with that one fault; in it @ stands for the folder. */
static void assert_refused_for(const char *plugin, const char *setting, uid_t owner, const char *expected)
{
	struct conf_report report = {0};
	char folder[256], wanted[1024] = "p.conf:5: ", *faults;
	size_t used = strlen(wanted);

	assert_non_null(getcwd(folder, sizeof(folder)));
	assert_int_equal(load_as(plugin, setting, owner, &report), -1);
	for (; *expected != '\0'; expected++)
		used += (size_t)(*expected == '@' ? snprintf(wanted + used, sizeof(wanted) - used, "%s", folder)
						  : snprintf(wanted + used, sizeof(wanted) - used, "%c", *expected));
	snprintf(wanted + used, sizeof(wanted) - used, "\n");
	faults = support_faults(&report);
	assert_string_equal(faults, wanted);
	free(faults);
}

static void assert_refused(const char *plugin, const char *expected)
{
	assert_refused_for(plugin, "", geteuid(), expected);
}

static void a_sound_module_is_loaded(void **state)
{
	struct conf_report report = {0};

	(void)state;
	build("sound", "-DNAME='\"sound\"'");
	assert_int_equal(load_as("sound", "greeting = \"hello\";", geteuid(), &report), 0);
	conf_report_free(&report);
}

/* What came with a later version is absent, and what it says there does not count. */
static void a_module_of_an_earlier_version(void **state)
{
	static const char *const earlier[] = {"0", "1"};
	char options[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct conf_report report = {0};
		const struct popgate_plugin *plugin;
		char folder[256], name[16];

		snprintf(name, sizeof(name), "earlier%s", earlier[i]);
		snprintf(options, sizeof(options),
			 "-DNAME='\"%s\"' -DMINOR=%s -DCAPABILITIES=12 -DOFFERS=never_offers "
			 "-D'SIZE=offsetof(struct popgate_plugin,offers)'",
			 name, earlier[i]);
		build(name, options);
		assert_int_equal(load_as(name, "greeting = \"hello\";", geteuid(), &report), 0);
		assert_non_null(getcwd(folder, sizeof(folder)));
		plugin = plugin_load_module(folder, name, geteuid(), &report);
		assert_non_null(plugin);
		assert_int_equal(plugin_capabilities(plugin), 0);
		assert_int_equal(plugin_offers(plugin, NULL), 0);
	}
}

static void what_a_drop_offers(void **state)
{
	struct conf_report report = {0};
	const struct popgate_plugin *plugin;
	char folder[256];

	(void)state;
	assert_non_null(getcwd(folder, sizeof(folder)));
	build("all", "-DNAME='\"all\"' -DCAPABILITIES=12");
	plugin = plugin_load_module(folder, "all", geteuid(), &report);
	assert_non_null(plugin);
	assert_int_equal(plugin_offers(plugin, NULL), POPGATE_EXACT_SIZE | POPGATE_STABLE_ID);
	build("some", "-DNAME='\"some\"' -DCAPABILITIES=12 -DOFFERS=some_offers");
	plugin = plugin_load_module(folder, "some", geteuid(), &report);
	assert_non_null(plugin);
	assert_int_equal(plugin_offers(plugin, NULL), POPGATE_STABLE_ID); /* never more than the module is able to */
}

static void a_configure_that_fails(void **state)
{
	(void)state;
	build("silent", "-DNAME='\"silent\"'");
	assert_refused("silent", "backend main: no greeting");
}

static void input_69_magic(void **state)
{
	(void)state;
	build("magic", "-DNEVER -DNAME='\"magic\"' -DMAGIC=0x12345678");
	assert_refused("magic", "plugin magic: @/magic.so exports something else as `popgate_plugin`: rebuild it with "
				"popgate's header");
}

/* The messages hold this popgate's own version, which is told once. */
_Static_assert(POPGATE_ABI_MAJOR == 1 && POPGATE_ABI_MINOR == 3, "the expected texts say ABI 1.3");

static void input_69_abi_versions(void **state)
{
	(void)state;
	build("major", "-DNEVER -DNAME='\"major\"' -DMAJOR=POPGATE_ABI_MAJOR+1");
	assert_refused("major", "plugin major: @/major.so was built for plugin ABI 2.3, this popgate has 1.3: upgrade "
				"popgate, or rebuild the plugin with its header");
	build("minor", "-DNEVER -DNAME='\"minor\"' -DMINOR=POPGATE_ABI_MINOR+1");
	assert_refused("minor", "plugin minor: @/minor.so was built for plugin ABI 1.4, this popgate has 1.3: upgrade "
				"popgate, or rebuild the plugin with its header");
	build("old", "-DNEVER -DNAME='\"old\"' -DMAJOR=POPGATE_ABI_MAJOR-1");
	assert_refused("old", "plugin old: @/old.so was built for plugin ABI 0.3, this popgate has 1.3: rebuild the "
			      "plugin");
}

static void input_69_sizes(void **state)
{
	char expected[256];

	(void)state;
	build("short", "-DNEVER -DNAME='\"short\"' -D'SIZE=sizeof(struct popgate_plugin)-8'");
	snprintf(
	    expected, sizeof(expected),
	    "plugin short: @/short.so has structures of other sizes (%zu and %zu octets, not %zu and %zu): rebuild "
	    "it",
	    sizeof(struct popgate_plugin) - 8, sizeof(struct popgate_key), sizeof(struct popgate_plugin),
	    sizeof(struct popgate_key));
	assert_refused("short", expected);
	/* one octet less than that version had */
	build("cut", "-DNEVER -DNAME='\"cut\"' -DMINOR=1 -D'SIZE=offsetof(struct popgate_plugin,offers)-1'");
	snprintf(expected, sizeof(expected),
		 "plugin cut: @/cut.so has structures of other sizes (%zu and %zu octets, not %zu and %zu): rebuild it",
		 offsetof(struct popgate_plugin, offers) - 1, sizeof(struct popgate_key),
		 offsetof(struct popgate_plugin, offers), sizeof(struct popgate_key));
	assert_refused("cut", expected);
	build("keysize", "-DNEVER -DNAME='\"keysize\"' -D'KEY_SIZE=sizeof(struct popgate_key)+8'");
	snprintf(expected, sizeof(expected),
		 "plugin keysize: @/keysize.so has structures of other sizes (%zu and %zu octets, not %zu and %zu): "
		 "rebuild it",
		 sizeof(struct popgate_plugin), sizeof(struct popgate_key) + 8, sizeof(struct popgate_plugin),
		 sizeof(struct popgate_key));
	assert_refused("keysize", expected);
}

static void input_69_names_and_tables(void **state)
{
	(void)state;
	build("misnamed", "-DNEVER -DNAME='\"other\"'");
	assert_refused("misnamed", "plugin misnamed: @/misnamed.so calls itself other or has no key table");
	build("nameless", "-DNEVER -DNAME=NULL");
	assert_refused("nameless", "plugin nameless: @/nameless.so calls itself nothing or has no key table");
	build("keyless", "-DNEVER -DNAME='\"keyless\"' -DKEYS=NULL");
	assert_refused("keyless", "plugin keyless: @/keyless.so calls itself keyless or has no key table");
}

static void input_69_missing_functions(void **state)
{
	(void)state;
	build("noconfigure", "-DNAME='\"noconfigure\"' -DCONFIGURE=NULL");
	assert_refused("noconfigure", "plugin noconfigure: @/noconfigure.so lacks the function configure");
	build("noopen", "-DNEVER -DNAME='\"noopen\"' -DOPEN=NULL");
	assert_refused("noopen", "plugin noopen: @/noopen.so lacks the function open");
	build("nocommit", "-DNEVER -DNAME='\"nocommit\"' -DCOMMIT=NULL");
	assert_refused("nocommit", "plugin nocommit: @/nocommit.so lacks the function commit");
	/* Announced, not there. */
	build("noprefetch", "-DNEVER -DNAME='\"noprefetch\"' -DCAPABILITIES=POPGATE_CAN_PREFETCH");
	assert_refused("noprefetch", "plugin noprefetch: @/noprefetch.so lacks the function prefetch");
	build("norefresh", "-DNEVER -DNAME='\"norefresh\"' -DCAPABILITIES=POPGATE_CAN_REFRESH");
	assert_refused("norefresh", "plugin norefresh: @/norefresh.so lacks the function refresh");
}

static void input_69_a_missing_symbol(void **state)
{
	(void)state;
	build("symbol", "-DNEVER -DNAME='\"symbol\"' -DSYMBOL=popgate_other");
	assert_refused("symbol", "plugin symbol: @/symbol.so exports no `popgate_plugin`: it is not a popgate plugin");
}

static void input_69_what_is_no_module(void **state)
{
	(void)state;
	assert_refused("absent", "plugin absent: no module @/absent.so (No such file or directory); the folder is "
				 "plugin_directory or --plugin-dir");
	support_write("text.so", "this is no module\n");
	assert_int_equal(chmod("text.so", 0644), 0);
	assert_refused("text", "plugin text: cannot be loaded: @/text.so: file too short");
	assert_int_equal(mkdir("folder.so", 0755), 0);
	assert_refused("folder", "plugin folder: @/folder.so is not a regular file");
}

static void input_68_module_what_others_can_write(void **state)
{
	static const struct {
		mode_t mode;
		const char *shown;
	} cases[] = {{0664, "0664"}, {0646, "0646"}, {0777, "0777"}, {04622, "4622"}};

	(void)state;
	build("open", "-DNEVER -DNAME='\"open\"'");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[256];

		assert_int_equal(chmod("open.so", cases[i].mode), 0);
		snprintf(expected, sizeof(expected),
			 "plugin open: @/open.so can be written by its group or by others (mode %s): chmod go-w it",
			 cases[i].shown);
		assert_refused("open", expected);
	}
	assert_int_equal(chmod("open.so", 0644), 0);
	assert_int_equal(chmod(".", 0770), 0);
	assert_refused("open", "plugin open: @ can be written by its group or by others (mode 0770): chmod go-w it");
	assert_int_equal(chmod(".", 0755), 0);
}

/* Modules belong to root or to the service user. */
static void input_68_module_what_somebody_else_owns(void **state)
{
	struct stat status;
	char expected[256];
	uid_t stranger = 54321;

	(void)state;
	build("owned", "-DNEVER -DNAME='\"owned\"'");
	if (geteuid() == 0) {
		assert_int_equal(chown("owned.so", stranger, (gid_t)-1), 0);
	}
	assert_int_equal(stat("owned.so", &status), 0);
	snprintf(expected, sizeof(expected),
		 "plugin owned: @/owned.so belongs to user %lu, who is neither root nor the service user: chown it",
		 (unsigned long)status.st_uid);
	assert_refused_for("owned", "", status.st_uid + 1, expected);
	/* As the service user's own it passes; the folder's owner is looked at, too. */
	if (geteuid() == 0) {
		struct conf_report report = {0};

		build("served", "-DNAME='\"served\"'");
		assert_int_equal(chown("served.so", stranger, (gid_t)-1), 0);
		assert_int_equal(load_as("served", "greeting = \"hello\";", stranger, &report), 0);
		assert_int_equal(chown("served.so", 0, (gid_t)-1), 0);
		assert_int_equal(chown(".", stranger, (gid_t)-1), 0);
		assert_refused_for("served", "", stranger + 1,
				   "plugin served: @ belongs to user 54321, who is neither root nor the service user: "
				   "chown it");
		assert_int_equal(chown(".", 0, (gid_t)-1), 0);
	}
}

/* Each backend's fault is told, and the sound ones are taken down again. */
static void every_fault_is_told(void **state)
{
	struct conf_report report = {0};
	struct plugin_set set = {0};
	struct conf *conf;
	char folder[256], text[1024], wanted[1024], *faults;

	(void)state;
	build("fine", "-DNAME='\"fine\"'");
	assert_non_null(getcwd(folder, sizeof(folder)));
	snprintf(text, sizeof(text),
		 LISTENERS "routes = ({ users = \"*\"; backend = \"a\"; });\nplugin_directory = \"%s\";\nbackends = (\n"
			   "{ name = \"a\"; plugin = \"fine\"; greeting = \"x\"; },\n"
			   "{ name = \"b\"; plugin = \"gone\"; },\n"
			   "{ name = \"c\"; plugin = \"fine\"; });\n",
		 folder);
	conf = support_read(text);
	assert_int_equal(plugin_load(&set, conf, &host_functions, geteuid(), &report), -1);
	assert_null(set.items);
	snprintf(wanted, sizeof(wanted),
		 "p.conf:6: plugin gone: no module %s/gone.so (No such file or directory); the folder is "
		 "plugin_directory or --plugin-dir\np.conf:7: backend c: no greeting\n",
		 folder);
	faults = support_faults(&report);
	assert_string_equal(faults, wanted);
	free(faults);
	conf_free(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sound_module_is_loaded),
	    cmocka_unit_test(a_module_of_an_earlier_version),
	    cmocka_unit_test(what_a_drop_offers),
	    cmocka_unit_test(a_configure_that_fails),
	    cmocka_unit_test(input_69_magic),
	    cmocka_unit_test(input_69_abi_versions),
	    cmocka_unit_test(input_69_sizes),
	    cmocka_unit_test(input_69_names_and_tables),
	    cmocka_unit_test(input_69_missing_functions),
	    cmocka_unit_test(input_69_a_missing_symbol),
	    cmocka_unit_test(input_69_what_is_no_module),
	    cmocka_unit_test(input_68_module_what_others_can_write),
	    cmocka_unit_test(input_68_module_what_somebody_else_owns),
	    cmocka_unit_test(every_fault_is_told),
	};

	compiler = getenv("CC");
	source = getenv("srcdir");
	if (compiler == NULL || source == NULL) {
		puts("1..0 # SKIP CC and srcdir are not in the environment");
		return 0;
	}
	return cmocka_run_group_tests(tests, support_enter, support_leave);
}
