/* sources - see sources.h. */
#include "agent/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/source.h"
#include "common/fault.h"

#define MOST_FAULTS 20 /* that are told: where one is missing, so are often all */

static int look_at_file(const char *path, struct popgate_error *error)
{
	struct secret secret = {0};
	int result = source_read_file(path, &secret, error);

	secret_clear(&secret);
	return result;
}

static int look_at_program(const char *path, struct popgate_error *error)
{
	struct stat status;

	if (stat(path, &status) != 0 || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
		return fault_set(error, POPGATE_PERM, "%.150s: %s", path, strerror(errno));
	return S_ISREG(status.st_mode) ? 0 : fault_set(error, POPGATE_PERM, "%.150s: is no program", path);
}

/* False once there are too many. */
static bool judge(const struct conf_source *source, const char *file, unsigned line, const char *whose,
		  struct conf_report *report)
{
	struct popgate_error error = {.status = POPGATE_PERM};
	int result = 0;

	if (source->kind == CONF_SOURCE_FILE)
		result = look_at_file(source->text, &error);
	else if (source->kind == CONF_SOURCE_COMMAND)
		result = look_at_program(source->text, &error);
	if (result == 0)
		return true;
	if (report->count >= MOST_FAULTS) {
		conf_report_add(report, file, 0, "of secrets that cannot be had there are more");
		return false;
	}
	conf_report_add(report, file, line, "the secret of `%.64s` cannot be had: %s", whose, error.text);
	return true;
}

static void judge_all(const struct conf *conf, const struct accounts *accounts, struct conf_report *report)
{
	bool goes_on = true;

	for (size_t i = 0; goes_on && i < conf->route_count; i++)
		goes_on = judge(&conf->routes[i].source, conf->routes[i].file, conf->routes[i].line,
				conf->routes[i].users, report);
	for (size_t i = 0; goes_on && accounts != NULL && i < accounts->count; i++)
		goes_on = judge(&accounts->items[i].source, conf->accounts_file, accounts->items[i].line,
				accounts->items[i].user, report);
}

void sources_judge(const struct conf *conf, const struct accounts *accounts, const struct process_identity *identity,
		   struct conf_report *report)
{
	if (identity->change && seteuid(identity->uid) != 0)
		return; /* then nothing serves, which is told elsewhere */
	judge_all(conf, accounts, report);
	if (identity->change && seteuid(0) != 0)
		conf_report_add(report, NULL, 0, "root cannot be had back");
}
