/* jobs - see jobs.h. */
#include "agent/jobs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/command.h"
#include "agent/fault.h"
#include "common/conf.h"
#include "common/deadline.h"
#include "common/log.h"

#define CALLERS_FDS 8  /* what jobs_wait() is given at most */
#define GRACE	    10 /* milliseconds after which a process that was killed is looked for again */

struct job {
	struct job *next;
	uint64_t id;
	char *user, *spec;
	int64_t deadline;
	bool told; /* and killed: only its end is waited for */
	struct command command;
};

struct list {
	struct job *first, **last;
	size_t count;
};

struct jobs {
	jobs_done_fn *done;
	void *context;
	struct list running, waiting;
};

/* ---- lists ---- */

static void append(struct list *list, struct job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
	list->count++;
}

/* Takes *at out. */
static struct job *take_out(struct list *list, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	if (list->last == &job->next)
		list->last = at;
	list->count--;
	return job;
}

static bool has(const struct list *list, uint64_t id)
{
	for (const struct job *job = list->first; job != NULL; job = job->next)
		if (job->id == id && !job->told)
			return true;
	return false;
}

static void free_job(struct job *job)
{
	command_clear(&job->command);
	free(job->user);
	free(job->spec);
	free(job);
}

/* ---- beginning and end ---- */

struct jobs *jobs_new(jobs_done_fn *done, void *context)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (jobs == NULL)
		return NULL;
	jobs->done = done;
	jobs->context = context;
	jobs->running.last = &jobs->running.first;
	jobs->waiting.last = &jobs->waiting.first;
	return jobs;
}

void jobs_free(struct jobs **jobs)
{
	struct jobs *old = *jobs;

	*jobs = NULL;
	if (old == NULL)
		return;
	while (old->running.first != NULL) {
		struct job *job = take_out(&old->running, &old->running.first);

		command_kill(&job->command);
		(void)waitpid(job->command.pid, NULL, 0);
		free_job(job);
	}
	while (old->waiting.first != NULL)
		free_job(take_out(&old->waiting, &old->waiting.first));
	free(old);
}

static char *text_of(struct message_bytes bytes)
{
	char *text = calloc(bytes.size + 2, 1); /* the words of a command end with two NULs */

	if (text != NULL && bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	return text;
}

static void tell(const struct jobs *jobs, const struct job *job, const struct source_credential *credential,
		 const struct popgate_error *error)
{
	jobs->done(jobs->context, job->id, credential, error);
}

/* As many as may run. */
static void start(struct jobs *jobs)
{
	while (jobs->waiting.first != NULL && jobs->running.count < JOBS_RUNNING) {
		struct job *job = take_out(&jobs->waiting, &jobs->waiting.first);
		struct popgate_error error = {.status = POPGATE_TEMP};

		if (command_start(&job->command, job->spec, job->user, &error) == 0) {
			append(&jobs->running, job);
		} else {
			tell(jobs, job, NULL, &error);
			free_job(job);
		}
	}
}

int jobs_add(struct jobs *jobs, const struct message_fetch *fetch, struct popgate_error *error)
{
	struct job *job;

	if (jobs->waiting.count >= JOBS_WAITING)
		return fault_set(error, POPGATE_TEMP, "too many wait for a secret command");
	if (has(&jobs->running, fetch->id) || has(&jobs->waiting, fetch->id))
		return fault_set(error, POPGATE_TEMP, "a credential is being fetched for this login already");
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return fault_set(error, POPGATE_TEMP, "out of memory");
	job->id = fetch->id;
	job->command.out = job->command.err = -1;
	job->user = text_of(fetch->user);
	job->spec = text_of(fetch->spec);
	job->deadline = deadline_in(JOBS_TIME);
	if (job->user == NULL || job->spec == NULL) {
		free_job(job);
		return fault_set(error, POPGATE_TEMP, "out of memory");
	}
	append(&jobs->waiting, job);
	return 0;
}

/* ---- seeing to them ---- */

/* What a command says is for the operator: why it failed, or what it warns of. */
static void log_said(const struct job *job, bool failed)
{
	const struct command *command = &job->command;
	struct log_line line;

	if (command->said_size == 0)
		return;
	log_begin(&line, failed ? POPGATE_LOG_WARN : POPGATE_LOG_INFO, "secret_command", NULL);
	log_text(&line, "program", job->spec);
	log_text(&line, "user", job->user);
	log_octets(&line, "stderr", command->said, command->said_size);
	log_end(&line);
}

static void finish(const struct jobs *jobs, struct job *job, int status)
{
	struct source_credential credential = {.kind = POPGATE_PASSWORD};
	struct popgate_error error = {.status = POPGATE_TEMP};
	int result = command_read(&job->command) < 0
			 ? fault_set(&error, POPGATE_PERM, "%.150s: prints without end", job->spec)
			 : command_result(&job->command, job->spec, status, &credential.secret, &error);

	log_said(job, result != 0);
	tell(jobs, job, result == 0 ? &credential : NULL, &error);
	secret_clear(&credential.secret);
}

static void give_up(const struct jobs *jobs, struct job *job, enum popgate_status status, const char *why)
{
	struct popgate_error error;

	(void)fault_set(&error, status, "%.150s: %s", job->spec, why);
	command_kill(&job->command);
	log_said(job, true);
	tell(jobs, job, NULL, &error);
	job->told = true;
}

/* Whether it has ended, and been waited for. Its processes go while its number is still its own. */
static bool reap(const struct job *job, int *status_r)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)job->command.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
		return false;
	command_kill(&job->command);
	return waitpid(job->command.pid, status_r, 0) == job->command.pid;
}

/* Whether it is over. */
static bool see_to(const struct jobs *jobs, struct job *job, int64_t now)
{
	int status = 0;

	if (reap(job, &status)) {
		if (!job->told)
			finish(jobs, job, status);
		return true;
	}
	if (job->told)
		return false;
	if (command_read(&job->command) < 0)
		give_up(jobs, job, POPGATE_PERM, "prints without end");
	else if (now >= job->deadline)
		give_up(jobs, job, POPGATE_TEMP, "has taken too long, and is ended");
	return false;
}

static void expire(struct jobs *jobs, int64_t now)
{
	struct popgate_error error;

	while (jobs->waiting.first != NULL && now >= jobs->waiting.first->deadline) {
		struct job *job = take_out(&jobs->waiting, &jobs->waiting.first);

		(void)fault_set(&error, POPGATE_TEMP, "%.150s: too many commands run before it", job->spec);
		tell(jobs, job, NULL, &error);
		free_job(job);
	}
}

static void look(struct jobs *jobs)
{
	const int64_t now = deadline_now();

	for (struct job **at = &jobs->running.first; *at != NULL;) {
		if (see_to(jobs, *at, now))
			free_job(take_out(&jobs->running, at));
		else
			at = &(*at)->next;
	}
	expire(jobs, now);
	start(jobs);
}

/* ---- waiting ---- */

static size_t watch(struct pollfd *fds, size_t count, int fd)
{
	if (fd >= 0)
		fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return count;
}

static int64_t collect(const struct jobs *jobs, struct pollfd *fds, size_t *count)
{
	int64_t deadline = jobs->waiting.first == NULL ? DEADLINE_NEVER : jobs->waiting.first->deadline;

	for (const struct job *job = jobs->running.first; job != NULL; job = job->next) {
		const int64_t mine = job->told ? deadline_in(GRACE) : job->deadline;

		if (mine < deadline)
			deadline = mine;
		if (job->told)
			continue;
		*count = watch(fds, *count, job->command.out);
		*count = watch(fds, *count, job->command.err);
	}
	return deadline;
}

int jobs_wait(struct jobs *jobs, struct pollfd *fds, size_t count)
{
	struct pollfd all[CALLERS_FDS + 2 * JOBS_RUNNING];
	struct timespec left;
	size_t total = count;
	sigset_t none;
	int64_t deadline;
	int result, milliseconds;

	look(jobs);
	memcpy(all, fds, count * sizeof(*fds));
	deadline = collect(jobs, all, &total);
	milliseconds = deadline_left(deadline);
	left = (struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
	sigemptyset(&none);
	result = ppoll(all, (nfds_t)total, milliseconds < 0 ? NULL : &left, &none);
	if (result < 0 && errno != EINTR)
		return -1;
	for (size_t i = 0; i < count; i++)
		fds[i].revents = result < 0 ? (short)0 : all[i].revents;
	look(jobs);
	return 0;
}
