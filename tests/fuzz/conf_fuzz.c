/* conf: the configuration file, with another that it may include (behind a NUL in the input: part.conf). It is sound,
 * or there are faults, each one line with its place; what is sound keeps the ranges that popgate.conf(5) tells. */
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf.h"

#include "fuzz.h"

static const char *const choices[] = {"one", "two", NULL};

static const struct popgate_key keys[] = {
    {.name = "host", .type = POPGATE_KEY_STRING, .flags = POPGATE_KEY_REQUIRED},
    {.name = "port", .type = POPGATE_KEY_INT, .fallback = "0", .max = 65535},
    {.name = "choice", .type = POPGATE_KEY_CHOICE, .fallback = "two", .choices = choices},
    {.name = "file", .type = POPGATE_KEY_FILE},
    {.name = "folder", .type = POPGATE_KEY_STRING, .fallback = "INBOX"},
    {.name = "yes", .type = POPGATE_KEY_BOOL, .fallback = "true"},
    {.name = "time", .type = POPGATE_KEY_SECONDS, .fallback = "30", .min = 1, .max = 600},
    {.name = "octets", .type = POPGATE_KEY_OCTETS, .fallback = "0", .max = UINT32_MAX},
    {.name = "number", .type = POPGATE_KEY_INT, .fallback = "-1"},
    {.name = NULL},
};

/* libconfig 1.5 forgets a string when its parser stops over it: once a start or reload, no more. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}

static char folder[FUZZ_FOLDER], file[80], part[80];

static void tidy(void)
{
	(void)unlink(file);
	(void)unlink(part);
	(void)rmdir(folder);
}

static void make_folder(void)
{
	fuzz_folder(folder);
	snprintf(file, sizeof(file), "%s/p.conf", folder);
	snprintf(part, sizeof(part), "%s/part.conf", folder);
	atexit(tidy);
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *stream = fopen(path, "w");

	REQUIRE(stream != NULL && fwrite(data, 1, size, stream) == size && fclose(stream) == 0);
}

static void check_report(const struct conf_report *report)
{
	size_t count = 0;

	for (const struct conf_fault *fault = report->first; fault != NULL; fault = fault->next, count++) {
		REQUIRE(fault->text != NULL && strncmp(fault->text, folder, strlen(folder)) == 0);
		for (const char *at = fault->text; *at != '\0'; at++)
			REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
	}
	REQUIRE(count == report->count);
}

static bool is_text(const char *text)
{
	return text != NULL && *text != '\0' && strpbrk(text, "\r\n") == NULL;
}

static void check_limits(const struct conf_limits *limits)
{
	REQUIRE(limits->idle_timeout >= 600000 && limits->login_timeout > 0 && limits->login_timeout <= 60000);
	REQUIRE(limits->handshake_timeout > 0 && limits->stall_timeout > 0 && limits->upstream_timeout > 0);
	REQUIRE(limits->fetch_window > 0 && limits->commit_timeout > 0 && limits->shutdown_timeout >= 0);
	REQUIRE(limits->max_messages > 0);
}

static void check_settings(const struct conf *conf, const struct conf_backend *backend)
{
	struct conf_report report = {0};
	struct popgate_settings *settings = conf_backend_settings(conf, backend, keys, &report);

	check_report(&report);
	REQUIRE((settings == NULL) == (report.count > 0));
	conf_report_free(&report);
	if (settings == NULL)
		return;
	REQUIRE(conf_setting_string(settings, "host") != NULL && conf_setting_string(settings, "folder") != NULL);
	REQUIRE(conf_setting_int(settings, "port") >= 0 && conf_setting_int(settings, "port") <= 65535);
	REQUIRE(conf_setting_int(settings, "time") >= 1 && conf_setting_int(settings, "time") <= 600);
	REQUIRE(conf_setting_int(settings, "octets") >= 0 && conf_setting_int(settings, "octets") <= UINT32_MAX);
	REQUIRE(conf_setting_bool(settings, "yes") == 0 || conf_setting_bool(settings, "yes") == 1);
	REQUIRE(strcmp(conf_setting_string(settings, "choice"), "one") == 0 ||
		strcmp(conf_setting_string(settings, "choice"), "two") == 0);
	REQUIRE(conf_setting_string(settings, "file") == NULL || *conf_setting_string(settings, "file") == '/');
	conf_settings_free(&settings);
}

static void check_conf(const struct conf *conf)
{
	REQUIRE(conf->listener_count > 0 && conf->backend_count > 0 && conf->route_count > 0 && conf->fronts > 0);
	for (size_t i = 0; i < conf->listener_count; i++)
		REQUIRE(is_text(conf->listeners[i].address) && conf->listeners[i].port <= 65535);
	for (size_t i = 0; i < conf->backend_count; i++) {
		REQUIRE(is_text(conf->backends[i].name) && is_text(conf->backends[i].plugin));
		for (size_t j = 0; j < i; j++)
			REQUIRE(strcmp(conf->backends[i].name, conf->backends[j].name) != 0);
	}
	for (size_t i = 0; i < conf->route_count; i++)
		REQUIRE(conf->routes[i].backend < conf->backend_count && is_text(conf->routes[i].users));
	check_limits(&conf->limits);
	REQUIRE(conf->plugin_directory == NULL || *conf->plugin_directory == '/');
}

static size_t read_once(bool look)
{
	struct conf_report report = {0};
	struct conf *conf = conf_read(file, &report);
	size_t faults = report.count;

	REQUIRE((conf == NULL) == (faults > 0));
	check_report(&report);
	conf_report_free(&report);
	if (conf != NULL && look) {
		check_conf(conf);
		for (size_t i = 0; i < conf->backend_count; i++)
			check_settings(conf, &conf->backends[i]);
	}
	conf_free(&conf);
	return faults;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t first = end == NULL ? size : (size_t)(end - data), second = end == NULL ? size : first + 1;

	if (*folder == '\0')
		make_folder();
	write_file(part, data + second, size - second);
	write_file(file, data, first);
	REQUIRE(read_once(true) == read_once(false));
	return 0;
}
