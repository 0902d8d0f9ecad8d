/* plugin_test_check - see plugin_test_check.h. What every check begins with, and how it ends. */
#include "session/plugin_test_check.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session/limits.h"
#include "session/plugin.h"
#include "session/plugin_test.h"
#include "session/plugin_test_host.h"

#define LEAST_SECRET 4 /* octets of a password that are looked for in texts */

void plugin_test_fail(const struct plugin_test *test, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	plugin_child_write(test->child, format, arguments);
	va_end(arguments);
	plugin_child_end(test->child, PLUGIN_FAILED);
}

void plugin_test_skip(const struct plugin_test *test, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	plugin_child_write(test->child, format, arguments);
	va_end(arguments);
	plugin_child_end(test->child, PLUGIN_NOT_TRIED);
}

void plugin_test_note(const struct plugin_test *test, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	plugin_child_write(test->child, format, arguments);
	va_end(arguments);
	plugin_child_end(test->child, PLUGIN_OK);
}

void plugin_test_soil(struct popgate_error *error)
{
	memset(error, 0, sizeof(*error));
	memset(error->text, '#', sizeof(error->text));
}

const char *plugin_test_status(enum popgate_status status)
{
	switch (status) {
	case POPGATE_AUTH:
		return "AUTH";
	case POPGATE_TEMP:
		return "TEMP";
	case POPGATE_PERM:
		return "PERM";
	case POPGATE_IN_USE:
		return "IN_USE";
	case POPGATE_PROTOCOL:
		return "PROTOCOL";
	case POPGATE_GONE:
		return "GONE";
	case POPGATE_STOPPED:
		return "STOPPED";
	}
	return "no status";
}

/* "TEMP, PERM" of a set. */
static void list_statuses(unsigned statuses, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (unsigned status = POPGATE_AUTH; status <= POPGATE_STOPPED && used < size; status++)
		if ((statuses & 1u << status) != 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ",
						 plugin_test_status((enum popgate_status)status));
}

static void judge_status(const struct plugin_test *test, const char *call, const struct popgate_error *error,
			 unsigned statuses)
{
	char expected[96];

	if (error->status < POPGATE_AUTH || error->status > POPGATE_STOPPED)
		plugin_test_fail(test, "%s: expected a status of the header, came %d", call, (int)error->status);
	list_statuses(statuses, expected, sizeof(expected));
	if ((statuses & 1u << error->status) == 0)
		plugin_test_fail(test, "%s: expected %s%s, came %s: %s", call, strchr(expected, ',') ? "one of " : "",
				 expected, plugin_test_status(error->status), error->text);
}

void plugin_test_judge(const struct plugin_test *test, const char *call, const struct popgate_error *error,
		       unsigned statuses, const struct secret *secret)
{
	size_t size = strnlen(error->text, sizeof(error->text));

	if (size == sizeof(error->text))
		plugin_test_fail(test, "%s: expected an error text that ends, came %s", call,
				 error->text[0] == '#' ? "none" : "one without NUL");
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)error->text[i] < 0x20)
			plugin_test_fail(test, "%s: expected an error text of one line, came a control character",
					 call);
	if (size == 0)
		plugin_test_fail(test, "%s: expected an error text, came an empty one", call);
	if (secret != NULL && secret->size >= LEAST_SECRET && strstr(error->text, (const char *)secret->data) != NULL)
		plugin_test_fail(test, "%s: expected no secret in the error text, came the password", call);
	judge_status(test, call, error, statuses);
}

void *plugin_test_configure(struct plugin_test *test)
{
	struct popgate_error error;
	void *instance = NULL;
	int result;

	plugin_test_soil(&error);
	test->child->call = "configure";
	result = test->plugin->configure(&plugin_test_host, test->settings, &instance, &error);
	test->child->call = NULL;
	if (result == 0)
		return instance;
	plugin_test_judge(test, "configure", &error, 1u << POPGATE_PERM, NULL);
	plugin_test_fail(test, "expected configure to succeed, came PERM: %s", error.text);
}

/* The user's fault, not the plugin's; all of it is told. */
static void tell_unusable(struct plugin_test *test, const struct conf_report *report) __attribute__((__noreturn__));

static void tell_unusable(struct plugin_test *test, const struct conf_report *report)
{
	conf_report_print(report, stderr);
	plugin_child_tell(test->child, PLUGIN_UNUSABLE, "%s", "");
}

size_t plugin_test_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

void plugin_test_prepare(struct plugin_test *test, const struct plugin_check *check)
{
	struct conf_report report = {0};

	test->child->call = "loading";
	test->plugin = plugin_load_module(test->directory, test->name, geteuid(), &report);
	test->child->call = NULL;
	if (test->plugin == NULL)
		plugin_test_fail(test, "%s", report.first == NULL ? "out of memory" : report.first->text);
	test->conf = conf_read_section(test->options->settings, "plugin-test", test->name, &report);
	if (test->conf == NULL)
		tell_unusable(test, &report);
	limits_inherit(&test->conf->limits);
	if (strcmp(check->name, "configure") != 0 && check->needs < STAGE_CONFIGURED)
		return;
	test->settings = conf_backend_settings(test->conf, test->conf->backends, test->plugin->keys, &report);
	if (test->settings == NULL)
		tell_unusable(test, &report);
	if (check->needs >= STAGE_CONFIGURED)
		test->instance = plugin_test_configure(test);
}
