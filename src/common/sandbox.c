/* sandbox - see sandbox.h. A part that this machine lacks is left out, unless the configuration requires all. */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox_calls.h"
#include "common/sandbox_files.h"
#include "config.h"

/* The sanitizers read /proc, and trace the process when they look for leaks. */
#ifdef WITH_SANITIZERS
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* What resolving a name, the C library's modules for it, time zones and certificate authorities need. Folders, because
 * files in them are replaced by renaming. */
static const struct sandbox_rule everybody[] = {
    {"/etc", SANDBOX_READ},
    {"/lib", SANDBOX_READ},
    {"/lib64", SANDBOX_READ},
    {"/usr/lib", SANDBOX_READ},
    {"/usr/lib64", SANDBOX_READ},
    {"/usr/local/lib", SANDBOX_READ},
    {"/usr/share/zoneinfo", SANDBOX_READ},
    {"/usr/share/ca-certificates", SANDBOX_READ},
    {"/usr/local/share/ca-certificates", SANDBOX_READ},
    {"/run/systemd/resolve", SANDBOX_READ},
    {"/run/NetworkManager", SANDBOX_READ},
    {"/run/resolvconf", SANDBOX_READ},
    {"/run/connman", SANDBOX_READ},
    {"/run/netconfig", SANDBOX_READ},
    {"/run/nscd", SANDBOX_READ},
    {"/var/lib/sss", SANDBOX_READ},
    {"/dev/null", SANDBOX_WRITE},
    {"/dev/urandom", SANDBOX_READ},
};

#define EVERYBODY (sizeof(everybody) / sizeof(everybody[0]))

/* ---- paths ---- */

int sandbox_paths_add(struct sandbox_paths *paths, const char *path, bool write)
{
	struct sandbox_path *items = reallocarray(paths->items, paths->count + 1, sizeof(*items));
	char *copy = strdup(path);

	if (items != NULL)
		paths->items = items;
	if (items == NULL || copy == NULL) {
		free(copy);
		return -1;
	}
	paths->items[paths->count++] = (struct sandbox_path){.path = copy, .write = write};
	return 0;
}

void sandbox_paths_free(struct sandbox_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->items[i].path);
	free(paths->items);
	paths->items = NULL;
	paths->count = 0;
}

/* ---- what there is ---- */

static bool is_off(const struct conf *conf)
{
	return SANITIZED || conf->sandbox == CONF_SANDBOX_OFF;
}

static bool leaves_root(const struct conf *conf, const struct process_identity *identity)
{
	return !is_off(conf) && identity->change && conf->log.target != CONF_LOG_SYSLOG;
}

/* Root in a container may lack the right. */
static bool may_leave_root(void)
{
	return prctl(PR_CAPBSET_READ, CAP_SYS_CHROOT, 0, 0, 0) != 0;
}

static const char *describe_root(const struct conf *conf, const struct process_identity *identity)
{
	if (!leaves_root(conf, identity))
		return "";
	return may_leave_root() ? ", chroot (as root)" : ", no chroot";
}

void sandbox_describe(const struct conf *conf, const struct process_identity *identity, char *text, size_t size)
{
	int version = sandbox_files_version();
	char landlock[40] = "no Landlock";

	if (is_off(conf)) {
		snprintf(text, size, "off%s", SANITIZED ? " (built with sanitizers)" : "");
		return;
	}
	if (version > 0)
		snprintf(landlock, sizeof(landlock), "Landlock ABI %d", version);
	snprintf(text, size, "%s, %s%s", sandbox_calls_available() ? "seccomp" : "no seccomp", landlock,
		 describe_root(conf, identity));
}

void sandbox_judge(const struct conf *conf, const struct process_identity *identity, struct conf_report *report)
{
	if (conf->sandbox != CONF_SANDBOX_REQUIRED)
		return;
	if (SANITIZED)
		conf_report_add(report, conf->source, 0,
				"sandbox = \"required\", but this popgate was built with sanitizers, which need what a "
				"sandbox forbids");
	else if (!sandbox_calls_available())
		conf_report_add(report, conf->source, 0,
				"sandbox = \"required\", but system calls cannot be filtered: build popgate with "
				"libseccomp, on a kernel with CONFIG_SECCOMP_FILTER");
	else if (sandbox_files_version() == 0)
		conf_report_add(report, conf->source, 0,
				"sandbox = \"required\", but this kernel has no Landlock: it needs Linux 5.13, and "
				"landlock among its security modules (lsm=)");
	else if (leaves_root(conf, identity) && !may_leave_root())
		conf_report_add(report, conf->source, 0,
				"sandbox = \"required\", but root may not change its root directory here: grant "
				"CAP_SYS_CHROOT, or start popgate as another user");
}

/* ---- entering ---- */

void sandbox_begin(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* What failed is told; whether the process goes on is the configuration's word. */
static int fail(const struct conf *conf, const char *what)
{
	log_say(POPGATE_LOG_WARN, NULL, "sandbox: %s: %s", what, strerror(errno));
	return conf->sandbox == CONF_SANDBOX_REQUIRED ? -1 : 0;
}

/* The action was reset when the signal came: the second forbidden call ends the process. Nothing of what was
 * interrupted goes on, so what it may have been in the middle of does not matter. */
static void on_forbidden(int number, siginfo_t *info, void *context)
{
	struct log_line line;

	(void)number;
	(void)context;
	log_begin(&line, POPGATE_LOG_WARN, "forbidden_call", NULL);
	log_number(&line, "number", (uint64_t)info->si_syscall);
	log_end(&line);
	listen(-1, 0);
	_exit(PROCESS_EXIT_FAILURE);
}

static void tell_forbidden(void)
{
	struct sigaction action = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};

	sigaction(SIGSYS, &action, NULL);
}

/* A folder of root's, entered when it has been removed: nothing is in it, and nothing can be made there. */
static int enter_nowhere(void)
{
	char path[] = "/tmp/popgate-XXXXXX";
	struct stat status;
	int fd, result = -1;

	if (mkdtemp(path) == NULL)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rmdir(path) == 0 && fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == 0 && fchdir(fd) == 0)
		result = chroot(".");
	if (fd >= 0)
		close(fd);
	return result;
}

int sandbox_leave_root(const struct conf *conf, const struct process_identity *identity)
{
	tzset(); /* the log's times are UTC, but the C library reads the zone's file once */
	return leaves_root(conf, identity) && enter_nowhere() != 0 ? fail(conf, "empty root directory") : 0;
}

static int enter_files(enum sandbox_role role, const struct conf *conf, const struct sandbox_paths *paths)
{
	size_t count = 0, more = paths == NULL ? 0 : paths->count;
	struct sandbox_rule *rules;
	int result;

	if (role != SANDBOX_SPAWNER && role != SANDBOX_FETCHER)
		return sandbox_files_enter(NULL, 0, false);
	rules = calloc(EVERYBODY + 1 + more, sizeof(*rules));
	if (rules == NULL)
		return -1;
	memcpy(rules, everybody, sizeof(everybody));
	count = EVERYBODY;
	if (role == SANDBOX_SPAWNER)
		rules[count++] = (struct sandbox_rule){.path = conf->runtime_directory, .access = SANDBOX_LOCKS};
	for (size_t i = 0; i < more; i++)
		rules[count++] = (struct sandbox_rule){.path = paths->items[i].path,
						       .access = paths->items[i].write ? SANDBOX_WRITE : SANDBOX_READ};
	result = sandbox_files_enter(rules, count, true);
	free(rules);
	return result;
}

static int enter_calls(enum sandbox_role role, const struct conf *conf, const struct sandbox_paths *paths)
{
	struct sandbox_needs needs = {.accept = role == SANDBOX_FRONT,
				      .pages = role == SANDBOX_FRONT,
				      .fork = role == SANDBOX_SPAWNER,
				      .thread = role == SANDBOX_FETCHER,
				      .syslog = conf->log.target == CONF_LOG_SYSLOG};

	for (size_t i = 0; paths != NULL && i < paths->count; i++)
		needs.write |= paths->items[i].write;
	return sandbox_calls_enter(&needs);
}

int sandbox_enter(enum sandbox_role role, const struct conf *conf, const struct sandbox_paths *paths)
{
	sandbox_begin();
	if (is_off(conf))
		return 0;
	if (sandbox_files_version() > 0 && enter_files(role, conf, paths) != 0 && fail(conf, "Landlock") != 0)
		return -1;
	tell_forbidden();
	if (sandbox_calls_available() && enter_calls(role, conf, paths) != 0)
		return fail(conf, "seccomp");
	return 0;
}
