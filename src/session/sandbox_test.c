/* sandbox_test - see sandbox_test.h. Each try is a process of its own, because a forbidden call may end it. */
#include "session/sandbox_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "session/limits.h"
#include "session/sandbox_try.h"

#define POSSIBLE 254 /* exit codes of a try; others are errno */
#define UNTRIED	 255

static const struct {
	const char *name;
	enum sandbox_role role;
	unsigned bit;
} roles[] = {{"front", SANDBOX_FRONT, TRY_FRONT},
	     {"broker", SANDBOX_BROKER, TRY_BROKER},
	     {"fetcher", SANDBOX_FETCHER, TRY_FETCHER},
	     {"session", SANDBOX_SPAWNER, TRY_SESSION}};

struct stage {
	const struct conf *conf;
	const struct process_identity *identity;
	struct sandbox_try_place place;
};

/* As the process of the role does it. */
static int enter(const struct stage *stage, enum sandbox_role role)
{
	/* who may write in one folder must not be able to in others */
	struct sandbox_path folder = {.path = stage->conf->state_directory, .write = true};
	const struct sandbox_paths state = {.items = &folder, .count = 1};
	char nowhere[] = "/nonexistent";

	if (folder.path == NULL)
		folder.path = nowhere;
	process_ignore_signals();
	process_keep_private();
	if (role != SANDBOX_SPAWNER && role != SANDBOX_FETCHER && sandbox_leave_root(stage->conf, stage->identity) != 0)
		return -1;
	if (process_identity_assume(stage->identity) != 0)
		return -1;
	if (role == SANDBOX_SPAWNER)
		limits_inherit(&stage->conf->limits);
	return sandbox_enter(role, stage->conf, role == SANDBOX_FETCHER ? &state : NULL);
}

static void try_it(const struct stage *stage, const struct sandbox_try *try)
{
	int result;

	errno = 0;
	result = try->attempt(&stage->place);
	_exit(result == 0 ? POSSIBLE : errno > 0 && errno < POSSIBLE ? errno : UNTRIED);
}

/* Whether it was impossible. */
static bool tell(const char *role, const char *name, int status)
{
	if (WIFSIGNALED(status))
		printf("%s %s: ended (%s)\n", role, name, strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == POSSIBLE || WEXITSTATUS(status) == UNTRIED)
		printf("%s %s: %s\n", role, name, WEXITSTATUS(status) == POSSIBLE ? "POSSIBLE" : "NOT TRIED");
	else
		printf("%s %s: refused (%s)\n", role, name, strerror(WEXITSTATUS(status)));
	fflush(stdout);
	return WIFSIGNALED(status) || WEXITSTATUS(status) < POSSIBLE;
}

static int await(pid_t pid)
{
	int status = UNTRIED << 8;

	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	return status;
}

/* Sessions are forked in the sandbox; the others enter it themselves. */
static int run_role(const struct stage *stage, size_t index)
{
	const bool inherited = roles[index].role == SANDBOX_SPAWNER;
	int bad = 0;

	if (inherited && enter(stage, SANDBOX_SPAWNER) != 0)
		return 1;
	for (const struct sandbox_try *try = sandbox_tries; try->name != NULL; try++) {
		pid_t pid;

		if ((try->roles & roles[index].bit) == 0)
			continue;
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			log_set_process(roles[index].name);
			if (inherited)
				limits_start(&stage->conf->limits);
			else if (enter(stage, roles[index].role) != 0)
				_exit(UNTRIED);
			try_it(stage, try);
		}
		bad += !tell(roles[index].name, try->name, await(pid));
	}
	return bad > 0;
}

/* Waits to be attacked. */
static pid_t start_victim(const struct stage *stage)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (process_identity_assume(stage->identity) != 0)
		_exit(PROCESS_EXIT_FAILURE);
	prctl(PR_SET_DUMPABLE, 1);
	for (;;)
		pause();
}

static int end_victim(pid_t victim)
{
	int status;
	bool lives = waitpid(victim, &status, WNOHANG) == 0;

	if (lives) {
		kill(victim, SIGKILL);
		(void)await(victim);
	}
	printf("victim: %s\n", lives ? "lives" : "HAS DIED");
	return lives ? 0 : 1;
}

static int make_lock(const struct stage *stage)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/victim.lock", stage->place.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (stage->identity->change && fchown(fd, stage->identity->uid, stage->identity->gid) != 0) {
		close(fd);
		return -1;
	}
	return close(fd);
}

int sandbox_test_run(const struct conf *conf, const struct process_identity *identity)
{
	struct stage stage = {.conf = conf,
			      .identity = identity,
			      .place = {.directory = conf->runtime_directory,
					.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
					.folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)}};
	int bad = 0;

	sandbox_begin();
	stage.place.victim = start_victim(&stage);
	if (make_lock(&stage) != 0 || stage.place.socket < 0 || stage.place.folder < 0 || stage.place.victim < 0)
		return PROCESS_EXIT_FAILURE;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(run_role(&stage, i));
		bad += await(pid) != 0;
	}
	bad += end_victim(stage.place.victim);
	return bad > 0 ? PROCESS_EXIT_FAILURE : PROCESS_EXIT_OK;
}
