/* conf_support - what the tests of the configuration share: a folder of their
 * own, files in it, and faults as one string. */
#ifndef POPGATE_TESTS_CONF_SUPPORT_H
#define POPGATE_TESTS_CONF_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/conf.h"

#define LISTENERS "listeners = ({ address = \"127.0.0.1\"; port = 1110; tls = \"none\"; cleartext_login = true; });\n"
#define BACKENDS  "backends = ({ name = \"main\"; plugin = \"imap\"; });\n"
#define ROUTES	  "routes = ({ users = \"*\"; backend = \"main\"; });\n"

/* Makes an empty folder and goes there; group setup. */
static inline int support_enter(void **state)
{
	char folder[] = "/tmp/popgate-conf-XXXXXX";

	if (mkdtemp(folder) == NULL || chdir(folder) != 0)
		return -1;
	*state = strdup(folder);
	return 0;
}

static inline int support_leave(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
	free(*state);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static inline void support_write_octets(const char *path, const char *text, size_t size)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(text, 1, size, stream), size);
	assert_int_equal(fclose(stream), 0);
}

static inline void support_write(const char *path, const char *text)
{
	support_write_octets(path, text, strlen(text));
}

/* All faults, one a line, for the caller to free; ends the report. */
static inline char *support_faults(struct conf_report *report)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	conf_report_print(report, stream);
	fclose(stream);
	conf_report_free(report);
	return text;
}

/* Reads p.conf, which must be sound. */
static inline struct conf *support_read(const char *text)
{
	struct conf_report report = {0};
	struct conf *conf;
	char *faults;

	support_write("p.conf", text);
	conf = conf_read("p.conf", &report);
	faults = support_faults(&report);
	assert_string_equal(faults, "");
	free(faults);
	assert_non_null(conf);
	return conf;
}

/* p.conf, as it stands, must be refused with exactly these faults. */
static inline void support_refused_file(const char *expected)
{
	struct conf_report report = {0};
	struct conf *conf = conf_read("p.conf", &report);
	char *faults = support_faults(&report);

	assert_null(conf);
	assert_string_equal(faults, expected);
	free(faults);
}

static inline void support_refused(const char *text, const char *expected)
{
	support_write("p.conf", text);
	support_refused_file(expected);
}

#endif
