/* command - see command.h. What the program says on standard error is kept for the log, a beginning of it; what it
 * prints behind the first line is thrown away. */
#include "agent/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fault.h"

#define WORDS_MAX	 512
#define FDS_MAX		 1024 /* what a program may open */
#define CANNOT_RUN	 126
#define USER_ENTRY_MAX	 (MESSAGE_NAME_MAX + 16)
#define CHUNK		 4096
#define ENVIRONMENT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- the child ---- */

static void reset_signals(void)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
		return;
#endif
	for (long fd = first, most = sysconf(_SC_OPEN_MAX); fd < most; fd++)
		close((int)fd);
}

/* What was open at 0 to 2 is replaced, all else closed. */
static int arrange_files(int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		return -1;
	close_from(STDERR_FILENO + 1);
	return 0;
}

static void limit_files(void)
{
	struct rlimit limits;

	if (getrlimit(RLIMIT_NOFILE, &limits) != 0 || limits.rlim_cur <= FDS_MAX)
		return;
	limits.rlim_cur = limits.rlim_max = FDS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limits);
}

static void split(const char *words, char **arguments)
{
	size_t count = 0;

	/* execve() leaves them alone */
	for (; *words != '\0' && count < WORDS_MAX; words += strlen(words) + 1)
		arguments[count++] = (char *)(uintptr_t)words;
	arguments[count] = NULL;
}

static _Noreturn void run(const char *words, const char *user, int out, int err, pid_t parent)
{
	char path[] = ENVIRONMENT_PATH, entry[USER_ENTRY_MAX];
	char *arguments[WORDS_MAX + 1], *environment[] = {path, entry, NULL};

	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it had died already */
		_exit(CANNOT_RUN);
	(void)snprintf(entry, sizeof(entry), "POPGATE_USER=%s", user);
	split(words, arguments);
	umask(077);
	reset_signals();
	limit_files();
	if (chdir("/") == 0 && arrange_files(out, err) == 0)
		(void)execve(words, arguments, environment);
	dprintf(STDERR_FILENO, "cannot be run: %s\n", strerror(errno));
	_exit(CANNOT_RUN);
}

/* ---- the agent's side ---- */

int command_start(struct command *command, const char *words, const char *user, struct popgate_error *error)
{
	int out[2], err[2];
	const pid_t self = getpid();

	*command = (struct command){.out = -1, .err = -1};
	if (pipe2(out, O_CLOEXEC) != 0)
		return fault_set(error, POPGATE_TEMP, "no secret command can be started: %s", strerror(errno));
	if (pipe2(err, O_CLOEXEC) != 0) {
		close(out[0]);
		close(out[1]);
		return fault_set(error, POPGATE_TEMP, "no secret command can be started: %s", strerror(errno));
	}
	command->pid = fork();
	if (command->pid == 0)
		run(words, user, out[1], err[1], self);
	close(out[1]);
	close(err[1]);
	command->out = out[0];
	command->err = err[0];
	(void)fcntl(out[0], F_SETFL, O_NONBLOCK);
	(void)fcntl(err[0], F_SETFL, O_NONBLOCK);
	if (command->pid > 0)
		return 0;
	command->pid = 0;
	command_clear(command);
	return fault_set(error, POPGATE_TEMP, "no secret command can be started: %s", strerror(errno));
}

/* Keeps the beginning of what comes, and counts all. Returns -1 above the bound. */
static int take(int *fd, char *kept, size_t room, size_t *kept_size, size_t *total)
{
	char chunk[CHUNK];
	ssize_t got = 0;

	while (*fd >= 0 && *total <= COMMAND_PRINTED_MAX) {
		size_t left = room - *kept_size;

		got = read(*fd, chunk, sizeof(chunk));
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (got <= 0) {
			close(*fd);
			*fd = -1;
			break;
		}
		if (left > (size_t)got)
			left = (size_t)got;
		memcpy(kept + *kept_size, chunk, left);
		*kept_size += left;
		*total += (size_t)got;
	}
	secret_wipe(chunk, sizeof(chunk));
	return *total > COMMAND_PRINTED_MAX ? -1 : 0;
}

int command_read(struct command *command)
{
	int result = take(&command->out, command->line, sizeof(command->line), &command->line_size, &command->printed);

	return result |
	       take(&command->err, command->said, sizeof(command->said), &command->said_size, &command->complained);
}

void command_kill(const struct command *command)
{
	if (command->pid > 0) {
		(void)kill(-command->pid, SIGKILL);
		(void)kill(command->pid, SIGKILL); /* it may not have its session yet */
	}
}

int command_result(const struct command *command, const char *words, int status, struct secret *secret_r,
		   struct popgate_error *error)
{
	if (WIFSIGNALED(status))
		return fault_set(error, POPGATE_TEMP, "%.150s: ended by signal %d", words, WTERMSIG(status));
	if (WEXITSTATUS(status) == CANNOT_RUN)
		return fault_set(error, POPGATE_PERM,
				 "%.150s: cannot be run: it must be there, executable by the service's user, and no "
				 "script without #!",
				 words);
	if (WEXITSTATUS(status) != 0)
		return fault_set(error, POPGATE_TEMP, "%.150s: exit status %d", words, WEXITSTATUS(status));
	return source_take_line(words, command->line, command->line_size, secret_r, error);
}

void command_clear(struct command *command)
{
	if (command->out >= 0)
		close(command->out);
	if (command->err >= 0)
		close(command->err);
	secret_wipe(command->line, sizeof(command->line));
	secret_wipe(command->said, sizeof(command->said));
	*command = (struct command){.out = -1, .err = -1};
}
