/* jobs - see jobs.h. */
#include "agent/jobs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/command.h"
#include "common/conf.h"
#include "common/deadline.h"
#include "common/fault.h"
#include "common/ipc.h"
#include "common/log.h"

#define CALLERS_FDS 8  /* what jobs_wait() is given at most */
#define GRACE	    50 /* milliseconds after which a process that was told of is looked for again */

struct job {
	struct job *next;
	uint64_t id, serial;
	char *user, *spec;
	int64_t deadline;
	int64_t end;			      /* of a request to a provider: it hangs */
	bool told;			      /* only its end is waited for */
	bool newer;			      /* as in FETCH */
	const struct conf_provider *provider; /* NULL: it is a command */
	pid_t pid;			      /* 0: it waits */
	int answer;			      /* of a request: where its message comes; -1 */
	struct command command;
};

struct list {
	struct job *first, **last;
	size_t count;
};

struct jobs {
	struct jobs_owner owner;
	struct list running, waiting;
	struct ipc_inbox inbox;
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
	if (job->answer >= 0)
		close(job->answer);
	free(job->user);
	free(job->spec);
	free(job);
}

/* ---- beginning and end ---- */

struct jobs *jobs_new(const struct jobs_owner *owner)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (jobs == NULL)
		return NULL;
	jobs->owner = *owner;
	jobs->running.last = &jobs->running.first;
	jobs->waiting.last = &jobs->waiting.first;
	return jobs;
}

/* A request for a token may have been answered already. */
static void end_job(struct job *job)
{
	if (job->provider == NULL)
		command_kill(&job->command);
	(void)waitpid(job->pid, NULL, 0);
	free_job(job);
}

void jobs_free(struct jobs **jobs)
{
	struct jobs *old = *jobs;

	*jobs = NULL;
	if (old == NULL)
		return;
	while (old->running.first != NULL)
		end_job(take_out(&old->running, &old->running.first));
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

static void refuse(const struct jobs *jobs, const struct job *job, const struct popgate_error *error)
{
	struct message message = {.type = MESSAGE_REFUSED};

	message.u.refused.id = job->id;
	message.u.refused.status = error->status;
	message.u.refused.text = message_text(error->text);
	jobs->owner.done(jobs->owner.context, &message);
}

/* A child has nothing of the agent's, nor of the other jobs'. */
static void close_all(void *context)
{
	const struct jobs *jobs = context;

	for (struct job *job = jobs->running.first; job != NULL; job = job->next) {
		if (job->answer >= 0)
			close(job->answer);
		if (job->command.out >= 0)
			close(job->command.out);
		if (job->command.err >= 0)
			close(job->command.err);
	}
	jobs->owner.close_all(jobs->owner.context);
}

static int start_job(struct jobs *jobs, struct job *job, struct popgate_error *error)
{
	const struct refresh refresh = {
	    .provider = job->provider, .account = job->user, .newer = job->newer, .serial = job->serial};

	if (job->provider == NULL) {
		if (command_start(&job->command, job->spec, job->user, error) != 0)
			return -1;
		job->pid = job->command.pid;
		return 0;
	}
	job->end = deadline_in(FETCHER_TIME);
	job->pid = fetcher_start(jobs->owner.oauth, job->id, &refresh, close_all, jobs, &job->answer, error);
	return job->pid > 0 ? 0 : -1;
}

/* The first whose program or provider has room. */
static struct job **find_next(struct jobs *jobs)
{
	struct job **at = &jobs->waiting.first;

	for (; *at != NULL; at = &(*at)->next) {
		size_t same = 0;

		for (const struct job *job = jobs->running.first; job != NULL; job = job->next)
			same += strcmp(job->spec, (*at)->spec) == 0;
		if (same < JOBS_OF_ONE)
			break;
	}
	return at;
}

/* As many as may run. */
static void start(struct jobs *jobs)
{
	while (jobs->running.count < JOBS_RUNNING) {
		struct job **at = find_next(jobs), *job;
		struct popgate_error error = {.status = POPGATE_TEMP};

		if (*at == NULL)
			return;
		job = take_out(&jobs->waiting, at);
		if (start_job(jobs, job, &error) == 0) {
			append(&jobs->running, job);
		} else {
			refuse(jobs, job, &error);
			free_job(job);
		}
	}
}

static const struct conf_provider *find_provider(const struct jobs *jobs, const char *name)
{
	return jobs->owner.oauth == NULL ? NULL : oauth_provider(jobs->owner.oauth, name);
}

int jobs_add(struct jobs *jobs, const struct message_fetch *fetch, struct popgate_error *error)
{
	struct job *job;

	if (jobs->waiting.count >= JOBS_WAITING)
		return fault_set(error, POPGATE_TEMP, "too many wait for a credential");
	if (has(&jobs->running, fetch->id) || has(&jobs->waiting, fetch->id))
		return fault_set(error, POPGATE_TEMP, "a credential is being fetched for this login already");
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return fault_set(error, POPGATE_TEMP, "out of memory");
	job->id = fetch->id;
	job->serial = fetch->serial;
	job->newer = (fetch->flags & FETCH_NEWER) != 0;
	job->command.out = job->command.err = job->answer = -1;
	job->user = text_of(fetch->user);
	job->spec = text_of(fetch->spec);
	job->deadline = deadline_in(JOBS_TIME);
	if (job->user == NULL || job->spec == NULL) {
		free_job(job);
		return fault_set(error, POPGATE_TEMP, "out of memory");
	}
	if (fetch->source == CONF_SOURCE_OAUTH && (job->provider = find_provider(jobs, job->spec)) == NULL) {
		free_job(job);
		return fault_set(error, POPGATE_PERM, "there is no such OAuth provider");
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

static void finish_command(const struct jobs *jobs, struct job *job, int status)
{
	struct message message = {.type = MESSAGE_FETCHED};
	struct popgate_error error = {.status = POPGATE_TEMP};
	struct secret secret = {0};
	int result = command_read(&job->command) < 0
			 ? fault_set(&error, POPGATE_PERM, "%.150s: prints without end", job->spec)
			 : command_result(&job->command, job->spec, status, &secret, &error);

	log_said(job, result != 0);
	message.u.fetched.id = job->id;
	message.u.fetched.secret_kind = POPGATE_PASSWORD;
	message.u.fetched.secret = message_octets(secret.data, secret.size);
	if (result == 0)
		jobs->owner.done(jobs->owner.context, &message);
	else
		refuse(jobs, job, &error);
	secret_clear(&secret);
}

/* Takes the message of a request, if it is there. */
static bool take_answer(struct jobs *jobs, struct job *job)
{
	const struct message *message = &jobs->inbox.message;
	bool taken = false;

	if (ipc_receive(job->answer, &jobs->inbox) != IPC_OK)
		return false;
	if ((message->type == MESSAGE_FETCHED && message->u.fetched.id == job->id) ||
	    (message->type == MESSAGE_REFUSED && message->u.refused.id == job->id)) {
		jobs->owner.done(jobs->owner.context, message);
		taken = true;
	}
	ipc_inbox_clear(&jobs->inbox);
	return taken;
}

static void finish(struct jobs *jobs, struct job *job, int status)
{
	struct popgate_error error;

	if (job->provider == NULL) {
		finish_command(jobs, job, status);
	} else if (!take_answer(jobs, job)) {
		(void)fault_set(&error, POPGATE_TEMP, "the process that asks %s for a token has died",
				job->provider->name);
		refuse(jobs, job, &error);
	}
}

/* A request goes on by itself, for what it gets must be stored. */
static void give_up(const struct jobs *jobs, struct job *job, enum popgate_status status, const char *why)
{
	struct popgate_error error;

	(void)fault_set(&error, status, "%.150s: %s", job->spec, why);
	if (job->provider == NULL) {
		command_kill(&job->command);
		log_said(job, true);
	}
	refuse(jobs, job, &error);
	job->told = true;
}

/* Whether it has ended, and been waited for. Its processes go while its number is still its own. */
static bool reap(const struct job *job, int *status_r)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
		return false;
	command_kill(&job->command);
	return waitpid(job->pid, status_r, 0) == job->pid;
}

/* Whether it is over. */
static bool see_to(struct jobs *jobs, struct job *job, int64_t now)
{
	int status = 0;

	if (reap(job, &status)) {
		if (!job->told)
			finish(jobs, job, status);
		return true;
	}
	if (job->provider != NULL && now >= job->end)
		(void)kill(job->pid, SIGKILL);
	if (job->told)
		return false;
	if (job->provider == NULL && command_read(&job->command) < 0)
		give_up(jobs, job, POPGATE_PERM, "prints without end");
	else if (job->provider != NULL && take_answer(jobs, job))
		job->told = true;
	else if (now >= job->deadline)
		give_up(jobs, job, POPGATE_TEMP,
			job->provider == NULL ? "has taken too long, and is ended" : "no token came in time");
	return false;
}

static void expire(struct jobs *jobs, int64_t now)
{
	struct popgate_error error;

	while (jobs->waiting.first != NULL && now >= jobs->waiting.first->deadline) {
		struct job *job = take_out(&jobs->waiting, &jobs->waiting.first);

		(void)fault_set(&error, POPGATE_TEMP, "%.150s: too many run before it", job->spec);
		refuse(jobs, job, &error);
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
		*count = watch(fds, *count, job->answer);
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
