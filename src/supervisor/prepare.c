/* prepare - see prepare.h. Faults are collected, so that one try shows them all. */
#include "supervisor/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"

#define CONNECTIONS_DEFAULT 10000 /* where the limit of open files allows it */
#define FDS_EACH	    2	  /* descriptors a connection may need in one process */
#define SPARE_FDS	    128	  /* those a process needs beside, with the messages that wait */

int prepare_log(const struct conf_log *log, struct conf_report *report)
{
	int fd;

	switch (log->target) {
	case CONF_LOG_STDERR:
		return STDERR_FILENO;
	case CONF_LOG_SYSLOG:
		return -1;
	case CONF_LOG_FILE:
		/* it may be a pipe */
		fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
		if (fd < 0)
			conf_report_add(report, NULL, 0, "log.file %s: %s", log->path, strerror(errno));
		return fd;
	}
	return STDERR_FILENO;
}

void prepare_new_log(struct generation *generation)
{
	struct conf_report report = {0};
	int fd;

	if (generation->conf->log.target != CONF_LOG_FILE)
		return;
	fd = prepare_log(&generation->conf->log, &report);
	if (fd < 0) {
		log_say(POPGATE_LOG_WARN, NULL, "%s; the old log stays open",
			report.first == NULL ? "out of memory" : report.first->text);
	} else {
		generation_log(generation, fd);
		close(fd);
	}
	conf_report_free(&report);
}

/* Raises the limit to `needed` open files. Returns what it is then. */
static rlim_t raise_limit(rlim_t needed)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return needed;
	limit.rlim_cur = needed;
	if (limit.rlim_max < needed)
		limit.rlim_max = needed;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return needed;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

/* A connection needs one in a front before its login and one in the broker after it; two where it has a session (in its
 * front: the client's socket, the stream) and while its login waits (in the broker: what the session will get); a drop
 * that is kept open one in the broker. The limit must allow what the file promises. */
static int settle_connections(struct conf *conf, struct conf_report *report)
{
	unsigned *most = &conf->limits.max_connections;
	rlim_t spare = SPARE_FDS + (conf->limits.keep_open > 0 ? conf->limits.max_kept_open : 0);
	bool chosen = *most != 0;
	rlim_t needed, limit;

	if (!chosen)
		*most = CONNECTIONS_DEFAULT;
	needed = FDS_EACH * (rlim_t)*most + spare;
	limit = raise_limit(needed);
	if (limit >= needed)
		return 0;
	if (!chosen && limit > FDS_EACH + spare) {
		*most = (unsigned)((limit - spare) / FDS_EACH);
		return 0;
	}
	conf_report_add(
	    report, conf->source, 0,
	    "limits.max_connections = %u needs %llu open files a process, but the limit is %llu: lower it, or "
	    "raise the limit (ulimit -n, LimitNOFILE=)",
	    *most, (unsigned long long)needed, (unsigned long long)limit);
	return -1;
}

/* Tokens need the folder; the last use of devices can go unnoted. */
static int settle_state(struct conf *conf, const struct process_identity *identity, struct conf_report *report)
{
	struct conf_report own = {0};

	if (conf->provider_count > 0)
		return process_state_directory(conf, identity, report);
	if (conf->accounts_file == NULL || process_state_directory(conf, identity, &own) == 0)
		return 0;
	log_say(POPGATE_LOG_WARN, NULL, "the last use of devices is not noted: %s",
		own.first == NULL ? "out of memory" : own.first->text);
	conf_report_free(&own);
	free(conf->state_directory);
	conf->state_directory = NULL;
	return 0;
}

struct generation *prepare_generation(const struct supervisor_plan *plan, const struct generation *previous,
				      struct conf_report *report)
{
	struct conf *conf = plan->read(plan->context, report);
	struct process_identity identity;
	struct generation *generation;

	if (conf == NULL)
		return NULL;
	if (process_identity_find(conf, &identity, report) != 0 ||
	    process_runtime_directory(conf, &identity, report) != 0 || settle_state(conf, &identity, report) != 0 ||
	    settle_connections(conf, report) != 0) {
		conf_free(&conf);
		return NULL;
	}
	sandbox_judge(conf, &identity, report);
	generation = generation_new(plan, conf, &identity);
	if (generation == NULL) {
		conf_report_add(report, NULL, 0, "out of memory");
		return NULL;
	}
	generation->log = prepare_log(&conf->log, report);
	if (generation_bind(generation, previous, report) == 0 && report->count == 0)
		return generation;
	generation_free(&generation);
	return NULL;
}
