/* plugin_child - see plugin_child.h. Never runs a plugin's code in the process that waits. */
#include "session/plugin_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/deadline.h"

void plugin_child_write(struct plugin_child *child, const char *format, va_list arguments)
{
	vsnprintf(child->text, sizeof(child->text), format, arguments);
}

void plugin_child_end(struct plugin_child *child, enum plugin_verdict verdict)
{
	child->verdict = verdict;
	child->told = true;
	fflush(stdout);
	_exit(0); /* handlers that a module has left behind are not run */
}

void plugin_child_tell(struct plugin_child *child, enum plugin_verdict verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	plugin_child_write(child, format, arguments);
	va_end(arguments);
	plugin_child_end(child, verdict);
}

static void explain_end(struct plugin_child *child, int status)
{
	char in[48] = "";

	if (child->told)
		return;
	if (child->call != NULL)
		snprintf(in, sizeof(in), " in %s", child->call);
	child->verdict = PLUGIN_FAILED;
	if (WIFSIGNALED(status))
		snprintf(child->text, sizeof(child->text), "the process ended%s by signal %d (%s)", in,
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(child->text, sizeof(child->text), "the process ended%s with exit code %d", in,
			 WEXITSTATUS(status));
}

/* The child leads a process group: what it has forked ends with it. */
static void end(struct plugin_child *child, pid_t pid, int64_t milliseconds)
{
	int status;

	child->told = false; /* what it may have told in this moment came too late */
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	child->verdict = PLUGIN_FAILED;
	snprintf(child->text, sizeof(child->text), "no end%s%s within %lld s", child->call == NULL ? "" : " of ",
		 child->call == NULL ? "" : child->call, (long long)(milliseconds + 999) / 1000);
}

/* Somebody else has taken its end, and with it what there was to know. */
static void lose(struct plugin_child *child)
{
	child->verdict = PLUGIN_FAILED;
	snprintf(child->text, sizeof(child->text), "the process cannot be waited for: %s", strerror(errno));
}

/* SIGCHLD is blocked: it waits to be taken. */
static void await(struct plugin_child *child, pid_t pid, int64_t milliseconds)
{
	int64_t deadline = deadline_in(milliseconds);
	sigset_t died;
	int status;
	pid_t ended;

	sigemptyset(&died);
	sigaddset(&died, SIGCHLD);
	while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
		int left = deadline_left(deadline);
		struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};

		if (left == 0) {
			end(child, pid, milliseconds);
			return;
		}
		(void)sigtimedwait(&died, NULL, &timeout);
	}
	if (ended == pid)
		explain_end(child, status);
	else
		lose(child);
	(void)kill(-pid, SIGKILL);
}

/* Before any of the module's code runs. */
static void begin(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has ended before that */
		_exit(1);
	(void)signal(SIGTTOU, SIG_IGN); /* no terminal's foreground: it writes nevertheless */
	(void)setpgid(0, 0);
}

struct plugin_child *plugin_child_run(plugin_child_fn *run, void *context, int64_t milliseconds)
{
	struct plugin_child *child =
	    mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	struct sigaction inherited;
	sigset_t blocked, before;
	pid_t parent = getpid(), pid;

	if (child == MAP_FAILED)
		return NULL;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGCHLD, &usual, &inherited); /* one that is ignored neither comes nor leaves a status */
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		begin(parent);
		sigprocmask(SIG_SETMASK, &before, NULL);
		run(child, context);
		plugin_child_tell(child, PLUGIN_OK, "%s", "");
	}
	if (pid > 0) {
		(void)setpgid(pid, pid); /* whoever comes first */
		await(child, pid, milliseconds);
	} else {
		plugin_child_free(&child);
	}
	sigaction(SIGCHLD, &inherited, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return child;
}

void plugin_child_free(struct plugin_child **child)
{
	if (*child != NULL)
		(void)munmap(*child, sizeof(**child));
	*child = NULL;
}
