/* deaths - see deaths.h. */
#include "supervisor/deaths.h"

#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "common/deadline.h"
#include "common/log.h"

#define LOOK_AGAIN 10 /* milliseconds */

/* Those that others knock at: a peer who has found what ends one must not keep it away for long. What an agent or a
 * helper lacks is lacking for longer, and so is what keeps a process from its READY. */
static int64_t longest_pause(const struct generation_process *process)
{
	bool at_work =
	    process->role == PROCESS_FRONT || process->role == PROCESS_BROKER || process->role == PROCESS_SPAWNER;

	return process->came_up && at_work ? RESTART_SOON : RESTART_MOST;
}

static void log_death(const struct generation_process *process, int status, int64_t pause)
{
	struct log_line line;

	log_begin(&line, POPGATE_LOG_WARN, "process_died", NULL);
	log_text(&line, "role", process_role_name(process->role));
	if (WIFSIGNALED(status))
		log_text(&line, "signal", strsignal(WTERMSIG(status)));
	else
		log_number(&line, "exit", (uint64_t)WEXITSTATUS(status));
	if (restart_is_failing(&process->restarts)) {
		log_number(&line, "times", process->restarts.failures);
		log_number(&line, "again_in", (uint64_t)pause / 1000);
		log_text(
		    &line, "msg",
		    "it dies as soon as it is started, and fewer lines tell of it from now on: why stands in what it "
		    "said itself; once that is mended, popgate reload starts it at once");
	}
	log_end(&line);
}

void deaths_take(struct generation_process *process, int status)
{
	int64_t now = deadline_now();
	int64_t pause =
	    restart_pause(&process->restarts, now - process->started, process->came_up, longest_pause(process));

	if (restart_is_told(&process->restarts))
		log_death(process, status, pause);
	process->restart = now + pause;
}

void deaths_no_fork(struct generation_process *process)
{
	process->restart = deadline_in(RESTART_SOON);
}

/* Whether there are children left; 0: in our own process group, -1: anywhere. */
static bool any_left(pid_t which)
{
	pid_t pid;

	do
		pid = waitpid(which, NULL, WNOHANG);
	while (pid > 0);
	return pid == 0;
}

/* Sessions are in their spawner's process group, and commands in one of their own. */
void deaths_await_orphans(int64_t patience, int64_t fetch_deadline, const sigset_t *unblocked,
			  const volatile sig_atomic_t *stops)
{
	const struct timespec pause = {.tv_nsec = LOOK_AGAIN * 1000000L};
	int64_t deadline = deadline_in(patience);

	while (*stops <= 1 &&
	       ((any_left(0) && deadline_left(fetch_deadline) > 0) || (any_left(-1) && deadline_left(deadline) > 0)))
		(void)ppoll(NULL, 0, &pause, unblocked);
}
