/* plugin_test - see plugin_test.h. The verb, and its report: runs each check in a process of its own, so that nothing
 * of the plugin ever runs in this one. Without --destructive nothing calls commit(). */
#include "session/plugin_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/process.h"
#include "session/plugin_test_check.h"

static const struct plugin_check *const tables[] = {
    plugin_checks_data,	 plugin_checks_open,	 plugin_checks_takes,	 plugin_checks_list,
    plugin_checks_fetch, plugin_checks_stop,	 plugin_checks_prefetch, plugin_checks_refresh,
    plugin_checks_close, plugin_checks_sessions, plugin_checks_commit,	 plugin_checks_refresh_commit,
};

struct report {
	struct plugin_test test; /* what each check's process begins with */
	char *directory, *name;	 /* the module's, for it */
	enum plugin_stage reached;
	const char *broken; /* the check that got no further; NULL: none */
	bool broken_failed;
	unsigned ok, failed, untried;
};

struct run {
	struct plugin_test test;
	const struct plugin_check *check;
	int password; /* a pipe with it, since a secret does not survive a fork; -1: it opens nothing */
};

static int refuse(const char *what, const char *why)
{
	fprintf(stderr, "popgate plugin-test: %s: %s\n", what, why);
	return -1;
}

/* ---- what it is about ---- */

static int exists(const char *directory, const char *name)
{
	char *path;
	int result;

	if (asprintf(&path, "%s/%s.so", directory, name) < 0)
		return refuse(name, "out of memory");
	result = access(path, F_OK) == 0 ? 0 : refuse(path, strerror(errno));
	free(path);
	return result;
}

static char *folder_of(const struct plugin_test_options *options, bool is_path, const char *slash)
{
	if (!is_path)
		return strdup(options->directory == NULL ? PLUGIN_DIRECTORY : options->directory);
	if (slash == NULL)
		return strdup(".");
	return strndup(options->module, slash == options->module ? 1 : (size_t)(slash - options->module));
}

/* "DIR/NAME.so", "NAME.so" or a name in the directory. */
static int find_module(struct report *report)
{
	const struct plugin_test_options *options = report->test.options;
	const char *slash = strrchr(options->module, '/'), *base = slash == NULL ? options->module : slash + 1;
	size_t size = strlen(base);
	bool is_path = size > 3 && strcmp(base + size - 3, ".so") == 0;

	if (slash != NULL && !is_path)
		return refuse(options->module, "a path to a module ends with .so");
	report->test.name = report->name = strndup(base, is_path ? size - 3 : size);
	report->test.directory = report->directory = folder_of(options, is_path, slash);
	if (report->name == NULL || report->directory == NULL)
		return refuse(options->module, "out of memory");
	return exists(report->directory, report->name);
}

/* What can be read there: all of it, or its first line without the end. */
static int read_secret(int fd, bool line, struct secret *secret)
{
	char text[SECRET_MAX + 2] = "";
	size_t used = 0;
	ssize_t got = 1;
	int result;

	while (used < sizeof(text) && got > 0 && (!line || memchr(text, '\n', used) == NULL)) {
		got = read(fd, text + used, sizeof(text) - used);
		used += got > 0 ? (size_t)got : 0;
	}
	if (line && memchr(text, '\n', used) != NULL)
		used = (size_t)((char *)memchr(text, '\n', used) - text);
	used -= line && used > 0 && text[used - 1] == '\r';
	result = used == 0 ? 0 : secret_set(secret, text, used);
	secret_wipe(text, sizeof(text));
	return got < 0 || result != 0 ? -1 : 0;
}

static int read_password(const struct plugin_test_options *options, struct secret *secret)
{
	int fd, result;

	if (options->password_file == NULL) {
		if (options->user == NULL || isatty(STDIN_FILENO))
			return 0;
		return read_secret(STDIN_FILENO, true, secret) == 0
			   ? 0
			   : refuse("standard input", "no password can be read");
	}
	fd = open(options->password_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse(options->password_file, strerror(errno));
	result = read_secret(fd, true, secret) == 0 ? 0 : refuse(options->password_file, "no password can be read");
	close(fd);
	return result;
}

/* ---- the report ---- */

static void print(const char *text)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void tell(struct report *report, const struct plugin_check *check, enum plugin_verdict verdict, const char *text)
{
	static const char *const words[] = {
	    [PLUGIN_OK] = "ok", [PLUGIN_FAILED] = "FAILED", [PLUGIN_NOT_TRIED] = "not tried", [PLUGIN_UNUSABLE] = "?"};

	printf("%s: %s", check->name, words[verdict]);
	if (*text != '\0') {
		fputs(verdict == PLUGIN_OK ? " (" : ": ", stdout);
		print(text);
		fputs(verdict == PLUGIN_OK ? ")" : "", stdout);
	}
	putchar('\n');
	fflush(stdout);
	report->ok += verdict == PLUGIN_OK;
	report->failed += verdict == PLUGIN_FAILED;
	report->untried += verdict == PLUGIN_NOT_TRIED;
	if (check->gives == STAGE_NOTHING)
		return;
	if (verdict == PLUGIN_OK) {
		report->reached = check->gives;
	} else if (report->broken == NULL) {
		report->broken = check->name;
		report->broken_failed = verdict == PLUGIN_FAILED;
	}
}

static bool opens(const struct plugin_check *check)
{
	return check->needs >= STAGE_OPEN || check->gives == STAGE_OPEN;
}

/* Why a check is not tried, or false. */
static bool excused(const struct report *report, const struct plugin_check *check, char *why, size_t size)
{
	const struct plugin_test_options *options = report->test.options;

	if (check->needs > report->reached && report->broken != NULL && report->broken_failed)
		snprintf(why, size, "`%s` failed", report->broken);
	else if (opens(check) && (options->user == NULL || report->test.password->size == 0))
		snprintf(why, size, "needs --user and a password");
	else if (check->destroys && !options->destructive)
		snprintf(why, size, "it removes messages; --destructive allows that");
	else if (check->needs > report->reached)
		snprintf(why, size, "`%s` was not tried", report->broken);
	else
		return false;
	return true;
}

/* The read end of a pipe that holds the secret and has no other end, or -1. */
static int hand_over(const struct secret *secret)
{
	int ends[2];
	ssize_t written;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) /* nobody reads while it is filled */
		return -1;
	written = write(ends[1], secret->data, secret->size);
	close(ends[1]);
	if (written == (ssize_t)secret->size)
		return ends[0];
	close(ends[0]);
	return -1;
}

static void run_check(struct plugin_child *child, void *context)
{
	static struct secret password;
	struct run *run = context;

	process_ignore_signals(); /* as a session */
	run->test.child = child;
	run->test.password = &password;
	if (run->password >= 0) {
		if (read_secret(run->password, false, &password) != 0)
			plugin_child_tell(child, PLUGIN_NOT_TRIED, "the password cannot be read");
		close(run->password);
	}
	plugin_test_prepare(&run->test, run->check);
	run->check->run(&run->test);
}

/* Returns -1 where what was given cannot be used. */
static int try_check(struct report *report, const struct plugin_check *check)
{
	struct run run = {report->test, check, -1};
	struct plugin_child *child;
	char why[128];
	int result = 0;

	if (excused(report, check, why, sizeof(why))) {
		tell(report, check, PLUGIN_NOT_TRIED, why);
		return 0;
	}
	if (opens(check) && (run.password = hand_over(report->test.password)) < 0)
		return refuse(check->name, "the password cannot be handed over");
	child = plugin_child_run(run_check, &run, report->test.options->patience);
	if (run.password >= 0)
		close(run.password);
	if (child == NULL)
		return refuse(check->name, "no process can be made");
	if (child->verdict == PLUGIN_UNUSABLE)
		result = -1; /* the check has said why */
	else
		tell(report, check, child->verdict, child->text);
	plugin_child_free(&child);
	return result;
}

static int try_all(struct report *report)
{
	for (size_t table = 0; table < sizeof(tables) / sizeof(tables[0]); table++)
		for (const struct plugin_check *check = tables[table]; check->name != NULL; check++)
			if (try_check(report, check) != 0)
				return PROCESS_EXIT_CONF;
	printf("\n%u ok, %u failed, %u not tried\n", report->ok, report->failed, report->untried);
	return report->failed > 0 ? PROCESS_EXIT_FAILURE : PROCESS_EXIT_OK;
}

int plugin_test_run(const struct plugin_test_options *options)
{
	struct secret password = {0};
	struct report report = {.test = {.options = options, .password = &password}};
	int result = PROCESS_EXIT_CONF;

	process_keep_private();
	log_set_process("plugin-test");
	if (find_module(&report) == 0 && read_password(options, &password) == 0) {
		process_forget_stdin();
		result = try_all(&report);
	}
	secret_clear(&password);
	free(report.directory);
	free(report.name);
	return result;
}
