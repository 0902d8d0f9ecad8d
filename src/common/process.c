/* process - see process.h. */
#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_sink.h"
#include "config.h"

const char *process_role_name(enum process_role role)
{
	switch (role) {
	case PROCESS_FRONT:
		return "front";
	case PROCESS_BROKER:
		return "broker";
	case PROCESS_SPAWNER:
		return "spawner";
	case PROCESS_HELPER:
		return "helper";
	case PROCESS_AGENT:
		return "agent";
	case PROCESS_ROLES:
		break;
	}
	return "none";
}

static const struct passwd *find_user(const struct conf *conf, struct conf_report *report)
{
	const struct passwd *entry;

	if (conf->user != NULL) {
		entry = getpwnam(conf->user);
		if (entry == NULL)
			conf_report_add(report, conf->source, 0, "user: there is no user `%s` on this system",
					conf->user);
		return entry;
	}
	entry = getpwnam("popgate");
	if (entry == NULL)
		entry = getpwnam("nobody");
	if (entry == NULL)
		conf_report_add(report, conf->source, 0,
				"started as root, but there is neither a user popgate nor nobody: set `user`");
	return entry;
}

int process_identity_find(const struct conf *conf, struct process_identity *identity_r, struct conf_report *report)
{
	const struct passwd *entry;

	memset(identity_r, 0, sizeof(*identity_r));
	if (geteuid() != 0) {
		identity_r->uid = geteuid();
		identity_r->gid = getegid();
		return 0;
	}
	entry = find_user(conf, report);
	if (entry == NULL)
		return -1;
	if (entry->pw_uid == 0) {
		conf_report_add(report, conf->source, 0, "user: children may not run as root");
		return -1;
	}
	identity_r->change = true;
	identity_r->uid = entry->pw_uid;
	identity_r->gid = entry->pw_gid;
	snprintf(identity_r->name, sizeof(identity_r->name), "%s", entry->pw_name);
	return 0;
}

uid_t process_module_owner(const struct process_identity *identity)
{
	return identity->change ? 0 : identity->uid;
}

int process_identity_assume(const struct process_identity *identity)
{
	if (!identity->change)
		return 0;
	if (setgroups(1, &identity->gid) != 0 || setresgid(identity->gid, identity->gid, identity->gid) != 0 ||
	    setresuid(identity->uid, identity->uid, identity->uid) != 0) {
		log_say(POPGATE_LOG_WARN, NULL, "cannot become user %s: %s", identity->name, strerror(errno));
		return -1;
	}
	if (setuid(0) == 0 || geteuid() != identity->uid || getegid() != identity->gid) {
		log_say(POPGATE_LOG_WARN, NULL, "root could be had back after becoming %s", identity->name);
		return -1;
	}
	process_keep_private(); /* the change of user undid it, or not: proc(5) */
	return 0;
}

static char *choose_directory(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR"), *own = getenv("RUNTIME_DIRECTORY"); /* systemd's; may be a list */
	char *path = NULL;
	int size;

	if (geteuid() == 0)
		return strdup(RUNTIME_DIRECTORY);
	if (own != NULL && own[0] == '/' && strchr(own, ':') == NULL)
		return strdup(own);
	if (base != NULL && base[0] == '/' && access(base, W_OK) == 0)
		size = asprintf(&path, "%s/popgate", base);
	else
		size = asprintf(&path, "/tmp/popgate-%lu", (unsigned long)geteuid());
	return size < 0 ? NULL : path;
}

/* Of a folder that was there already only owner and mode are judged: never a link followed into somebody else's. */
static int adopt_directory(const char *path, const struct process_identity *identity)
{
	struct stat status;

	if (mkdir(path, 0700) == 0)
		return identity->change ? chown(path, identity->uid, identity->gid) : 0;
	if (errno != EEXIST || lstat(path, &status) != 0)
		return -1;
	if (!S_ISDIR(status.st_mode) || (status.st_uid != identity->uid && status.st_uid != geteuid()) ||
	    (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		return -1;
	}
	return identity->change ? chown(path, identity->uid, identity->gid) : 0;
}

int process_choose_runtime_directory(struct conf *conf)
{
	if (conf->runtime_directory == NULL)
		conf->runtime_directory = choose_directory();
	return conf->runtime_directory == NULL ? -1 : 0;
}

int process_runtime_directory(struct conf *conf, const struct process_identity *identity, struct conf_report *report)
{
	if (process_choose_runtime_directory(conf) != 0) {
		conf_report_add(report, NULL, 0, "out of memory");
		return -1;
	}
	if (adopt_directory(conf->runtime_directory, identity) == 0)
		return 0;
	conf_report_add(report, conf->source, 0,
			"runtime_directory %s: %s; it must be a folder of the service user that nobody else can write",
			conf->runtime_directory, strerror(errno));
	return -1;
}

/* $STATE_DIRECTORY is systemd's, and may be a list. */
static char *choose_state_directory(void)
{
	const char *own = getenv("STATE_DIRECTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int size = -1;

	if (geteuid() == 0)
		return strdup(STATE_DIRECTORY);
	if (own != NULL && own[0] == '/' && strchr(own, ':') == NULL)
		return strdup(own);
	if (state != NULL && state[0] == '/')
		size = asprintf(&path, "%s/popgate", state);
	else if (home != NULL && home[0] == '/')
		size = asprintf(&path, "%s/.local/state/popgate", home);
	return size < 0 ? NULL : path;
}

/* The folders above a folder, as far as they are missing. */
static void make_parents(const char *path)
{
	char *part = strdup(path);

	for (char *slash = part == NULL ? NULL : strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(part, 0700);
		*slash = '/';
	}
	free(part);
}

int process_choose_state_directory(struct conf *conf, struct conf_report *report)
{
	if (conf->state_directory == NULL)
		conf->state_directory = choose_state_directory();
	if (conf->state_directory != NULL)
		return 0;
	conf_report_add(report, conf->source, 0, "state_directory is missing, and there is no $HOME: set it");
	return -1;
}

int process_state_directory(struct conf *conf, const struct process_identity *identity, struct conf_report *report)
{
	bool chosen = conf->state_directory == NULL;

	if (process_choose_state_directory(conf, report) != 0)
		return -1;
	if (chosen && geteuid() != 0)
		make_parents(conf->state_directory);
	if (adopt_directory(conf->state_directory, identity) == 0)
		return 0;
	conf_report_add(report, conf->source, 0,
			"state_directory %s: %s; it must be a folder of the service user that nobody else can write",
			conf->state_directory, strerror(errno));
	return -1;
}

bool process_tell_faults(struct conf_report *report)
{
	bool any = report->count > 0;
	size_t told = 0;

	for (const struct conf_fault *fault = report->first; fault != NULL; fault = fault->next, told++) {
		log_sink_tell(fault->text);
		if (log_descriptor() != STDERR_FILENO)
			log_say(POPGATE_LOG_WARN, NULL, "%s", fault->text);
	}
	if (told < report->count)
		log_sink_tell("out of memory");
	conf_report_free(report);
	return any;
}

void process_ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT, SIGXFSZ};
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t none;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	action.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void process_keep_private(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#ifndef WITH_SANITIZERS /* the leak checker looks into its process */
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

void process_forget_stdin(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		close(null);
	}
}
