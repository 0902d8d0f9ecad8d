/* supervisor - see supervisor.h. A loop over signals, deaths and READYs. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "supervisor/control.h"
#include "supervisor/deaths.h"
#include "supervisor/generation.h"
#include "supervisor/listen.h"
#include "supervisor/notify.h"
#include "supervisor/passed.h"
#include "supervisor/prepare.h"

#define START_TIME 60000 /* milliseconds until all must be READY */
#define STOP_SLACK 5000	 /* milliseconds beyond shutdown_timeout until what is left is killed */
#define FETCH_TIME 40000 /* milliseconds that an agent has to store a token that is under way */

struct supervisor {
	const struct supervisor_plan *plan;
	struct generation *current; /* NULL until the first runs */
	struct generation *all;	    /* newest first */
	int64_t start_deadline;	    /* of the generation that is STARTING */
	bool stopping, brokers_told;
	int64_t stop_deadline, fetch_deadline;
	int exit_code;
	struct ipc_inbox inbox;
	struct ticket_ring tickets; /* the same for all generations, so that a reload ends no TLS session */
	struct throttle *throttle;  /* likewise, so that it forgets no refused login */
	struct usage *usage;	    /* and what users have had */
	struct control control;
};

/* Flags that the signal handlers set. */
static volatile sig_atomic_t got_stop, got_reload, got_reopen, got_child;

static void on_signal(int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		got_stop++;
	else if (signal == SIGHUP)
		got_reload = 1;
	else if (signal == SIGUSR1)
		got_reopen = 1;
	else if (signal == SIGCHLD)
		got_child = 1;
}

/* ---- the log ---- */

static void reopen_logs(struct supervisor *supervisor)
{
	for (struct generation *g = supervisor->all; g != NULL; g = g->next)
		prepare_new_log(g);
	generation_use_log(supervisor->current);
}

static int fork_all(struct supervisor *supervisor, struct generation *generation)
{
	generation->next = supervisor->all;
	generation->tickets = &supervisor->tickets;
	generation->throttle = supervisor->throttle;
	generation->usage = supervisor->usage;
	generation->control = &supervisor->control;
	supervisor->all = generation;
	supervisor->start_deadline = deadline_in(START_TIME);
	for (size_t i = 0; i < generation->count; i++)
		if (generation_fork(generation, i, supervisor->all) != 0)
			return -1;
	return 0;
}

/* ---- events ---- */

static void log_listeners(const struct generation *generation)
{
	for (size_t i = 0; i < generation->conf->listener_count; i++)
		listen_log(&generation->conf->listeners[i], generation->listeners[i]);
}

/* A generation has become RUNNING: it takes over. */
static void take_over(struct supervisor *supervisor, struct generation *generation)
{
	struct generation *old = supervisor->current;

	supervisor->current = generation;
	generation_use_log(generation);
	log_listeners(generation);
	notify_say(NOTIFY_READY);
	control_take(&supervisor->control, generation->conf);
	if (old == NULL) {
		if (supervisor->plan->announce)
			listen_announce(&generation->conf->listeners[0], generation->listeners[0]);
		return;
	}
	old->state = GENERATION_DRAINING;
	generation_close_listeners(old);
	generation_drain(old, PROCESS_FRONT);
	log_say(POPGATE_LOG_INFO, NULL, "configuration reloaded");
	control_note(&supervisor->control, CONTROL_RELOADED);
}

static void take_message(struct supervisor *supervisor, struct generation *generation, size_t index)
{
	struct generation_process *process = &generation->processes[index];
	bool starting = generation->state == GENERATION_STARTING;
	enum ipc_result result = ipc_receive(process->control, &supervisor->inbox);

	if (result == IPC_OK && supervisor->inbox.message.type == MESSAGE_READY && !process->ready) {
		generation_ready(generation, index);
		if (starting && generation->state == GENERATION_RUNNING)
			take_over(supervisor, generation);
	} else if (result == IPC_OK && supervisor->inbox.message.type == MESSAGE_LOST) {
		generation_rewire(generation, index);
	}
	if (result == IPC_OK) {
		ipc_inbox_clear(&supervisor->inbox);
	} else if (result != IPC_AGAIN) {
		close(process->control); /* always readable, it would keep ppoll from letting SIGCHLD in */
		process->control = -1;
	}
}

/* A generation that does not come up is given up; the one before it stays. */
static void give_up(struct supervisor *supervisor, struct generation *generation)
{
	generation->state = GENERATION_DRAINING;
	generation_kill(generation, PROCESS_ROLES);
	if (supervisor->current == NULL) {
		supervisor->stopping = true;
		return;
	}
	log_say(POPGATE_LOG_WARN, NULL, "the new configuration does not start; the old one stays in force");
	notify_say(NOTIFY_READY);
	control_note(&supervisor->control, CONTROL_REFUSED);
}

static void take_death(struct supervisor *supervisor, struct generation *generation, size_t index, int status)
{
	struct generation_process *process = &generation->processes[index];

	if (generation->state == GENERATION_DRAINING)
		return;
	deaths_take(process, status);
	if (generation->state == GENERATION_STARTING) {
		if (supervisor->current == NULL)
			supervisor->exit_code = WIFEXITED(status) && WEXITSTATUS(status) == PROCESS_EXIT_CONF
						    ? PROCESS_EXIT_CONF
						    : PROCESS_EXIT_FAILURE;
		give_up(supervisor, generation);
	}
}

/* While popgate stops. One that ended by itself has given its sessions their time; those of one that was ended may be
 * in UPDATE, and get the time that is left. */
static void take_last_spawner(struct generation *generation, pid_t pid, int status)
{
	if (WIFEXITED(status))
		generation_end_sessions(pid);
	else
		generation->orphans = pid;
}

static void reap(struct supervisor *supervisor)
{
	int status;
	pid_t pid;

	got_child = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (struct generation *g = supervisor->all; g != NULL; g = g->next) {
			int index = generation_died(g, pid);

			if (index >= 0) {
				if (supervisor->stopping && g->processes[index].role == PROCESS_SPAWNER)
					take_last_spawner(g, pid, status);
				take_death(supervisor, g, (size_t)index, status);
				break;
			}
		}
	}
}

static void restart_due(struct supervisor *supervisor)
{
	struct generation *current = supervisor->current;

	if (current == NULL || supervisor->stopping)
		return;
	for (size_t i = 0; i < current->count; i++)
		if (current->processes[i].pid == 0 && deadline_left(current->processes[i].restart) == 0 &&
		    generation_fork(current, i, supervisor->all) != 0)
			deaths_no_fork(&current->processes[i]);
}

/* Old generations: without fronts their broker and spawner have nothing to do; without processes they go. */
static void retire(struct supervisor *supervisor)
{
	struct generation **at = &supervisor->all;

	while (*at != NULL) {
		struct generation *generation = *at;

		if (generation->state != GENERATION_DRAINING) {
			at = &generation->next;
			continue;
		}
		if (generation_alive(generation, PROCESS_FRONT) == 0 && !supervisor->stopping &&
		    !generation->retiring) {
			generation->retiring = true;
			generation_drain(generation, PROCESS_BROKER);
			generation_drain(generation, PROCESS_SPAWNER);
			generation_drain(generation, PROCESS_HELPER);
			generation_drain(generation, PROCESS_AGENT);
		}
		if (generation_alive(generation, PROCESS_ROLES) > 0 || generation_has_orphans(generation)) {
			at = &generation->next;
			continue;
		}
		*at = generation->next;
		if (supervisor->current == generation)
			supervisor->current = NULL;
		generation_free(&generation);
	}
}

static void reload(struct supervisor *supervisor)
{
	struct conf_report report = {0};
	struct generation *generation;

	if (supervisor->all != supervisor->current) {
		for (const struct generation *g = supervisor->all; g != NULL; g = g->next)
			if (g->state == GENERATION_STARTING) {
				got_reload = 1; /* once that one is through */
				return;
			}
	}
	notify_say(NOTIFY_RELOADING);
	control_note(&supervisor->control, CONTROL_RELOADING);
	generation = prepare_generation(supervisor->plan, supervisor->current, &report);
	if (generation == NULL) {
		log_say(POPGATE_LOG_WARN, NULL, "reload refused; the old configuration stays in force");
		notify_say(NOTIFY_READY);
		control_note(&supervisor->control, CONTROL_REFUSED);
	} else if (fork_all(supervisor, generation) != 0) {
		give_up(supervisor, generation);
	}
	(void)process_tell_faults(&report);
}

/* ---- stopping ---- */

static int64_t shutdown_time(const struct supervisor *supervisor)
{
	return supervisor->current == NULL ? 0 : supervisor->current->conf->limits.shutdown_timeout;
}

static void begin_stop(struct supervisor *supervisor)
{
	int64_t time = shutdown_time(supervisor);

	log_say(POPGATE_LOG_INFO, NULL, "stopping");
	notify_say(NOTIFY_STOPPING);
	passed_close(supervisor->plan->passed);
	supervisor->stopping = true;
	supervisor->stop_deadline = deadline_in(time + STOP_SLACK);
	supervisor->fetch_deadline = deadline_in(FETCH_TIME);
	for (struct generation *g = supervisor->all; g != NULL; g = g->next) {
		g->state = GENERATION_DRAINING;
		generation_close_listeners(g);
		generation_stop(g, PROCESS_FRONT, time);
	}
}

/* Once the fronts have gone nobody can log in; sessions in UPDATE get the time that is left. */
static void go_on_stopping(struct supervisor *supervisor)
{
	size_t fronts = 0;

	for (const struct generation *g = supervisor->all; g != NULL; g = g->next)
		fronts += generation_alive(g, PROCESS_FRONT);
	if (fronts == 0 && !supervisor->brokers_told) {
		int left = deadline_left(supervisor->stop_deadline - STOP_SLACK / 2);

		supervisor->brokers_told = true;
		for (const struct generation *g = supervisor->all; g != NULL; g = g->next) {
			generation_stop(g, PROCESS_BROKER, 0);
			generation_stop(g, PROCESS_HELPER, 0);
			generation_stop(g, PROCESS_AGENT, 0);
			generation_stop(g, PROCESS_SPAWNER, left < STOP_SLACK / 2 ? STOP_SLACK / 2 : left);
		}
	}
	if (deadline_left(supervisor->stop_deadline) == 0)
		for (const struct generation *g = supervisor->all; g != NULL; g = g->next)
			generation_kill(g,
					deadline_left(supervisor->fetch_deadline) == 0 ? PROCESS_ROLES : PROCESS_AGENT);
}

/* ---- the loop ---- */

static size_t fill_poll(struct supervisor *supervisor, struct pollfd *fds, size_t room)
{
	size_t count = 0;

	for (struct generation *g = supervisor->all; g != NULL; g = g->next)
		for (size_t i = 0; i < g->count && count < room; i++)
			if (g->processes[i].control >= 0)
				fds[count++] = (struct pollfd){.fd = g->processes[i].control, .events = POLLIN};
	return count;
}

static void take_polled(struct supervisor *supervisor, const struct pollfd *fds, size_t count)
{
	for (size_t n = 0; n < count; n++) {
		if ((fds[n].revents & POLLIN) == 0)
			continue;
		for (struct generation *g = supervisor->all; g != NULL; g = g->next)
			for (size_t i = 0; i < g->count; i++)
				if (g->processes[i].control == fds[n].fd)
					take_message(supervisor, g, i);
	}
}

static int64_t next_deadline(const struct supervisor *supervisor)
{
	int64_t next = DEADLINE_NEVER;

	if (supervisor->stopping)
		return deadline_left(supervisor->stop_deadline) == 0 ? deadline_in(100) : supervisor->stop_deadline;
	for (const struct generation *g = supervisor->all; g != NULL; g = g->next) {
		if (g->state == GENERATION_STARTING && supervisor->start_deadline < next)
			next = supervisor->start_deadline;
		for (size_t i = 0; i < g->count; i++)
			if (g == supervisor->current && g->processes[i].pid == 0 && g->processes[i].restart < next)
				next = g->processes[i].restart;
	}
	return next;
}

static void give_up_late_starters(struct supervisor *supervisor)
{
	for (struct generation *g = supervisor->all; g != NULL; g = g->next) {
		if (g->state != GENERATION_STARTING || deadline_left(supervisor->start_deadline) > 0)
			continue;
		log_say(POPGATE_LOG_WARN, NULL, "not all processes came up within %d s", START_TIME / 1000);
		if (supervisor->current == NULL)
			supervisor->exit_code = PROCESS_EXIT_FAILURE;
		give_up(supervisor, g);
	}
}

static void take_signals(struct supervisor *supervisor)
{
	if (got_child)
		reap(supervisor);
	if (got_stop > 0 && !supervisor->stopping)
		begin_stop(supervisor);
	if (got_stop > 1)
		supervisor->stop_deadline = supervisor->fetch_deadline = 0; /* asked twice: now */
	if (got_reopen && supervisor->current != NULL) {
		got_reopen = 0;
		reopen_logs(supervisor);
	}
	if (got_reload && supervisor->current != NULL && !supervisor->stopping) {
		got_reload = 0;
		reload(supervisor);
	}
}

#define POLLED_MAX 256

static void loop(struct supervisor *supervisor, const sigset_t *unblocked)
{
	struct pollfd fds[POLLED_MAX];

	while (supervisor->all != NULL) {
		size_t count = fill_poll(supervisor, fds, POLLED_MAX);
		int left = deadline_left(next_deadline(supervisor));
		struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};

		int ready = ppoll(fds, count, left < 0 ? NULL : &timeout, unblocked);

		take_signals(supervisor);
		if (ready > 0)
			take_polled(supervisor, fds, count);
		take_signals(supervisor); /* what had to wait for a READY that was among them */
		give_up_late_starters(supervisor);
		restart_due(supervisor);
		if (supervisor->stopping)
			go_on_stopping(supervisor);
		retire(supervisor);
	}
}

static void catch_signals(sigset_t *unblocked_r)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log as large as it may be */
	sigprocmask(SIG_BLOCK, &blocked, unblocked_r);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigdelset(unblocked_r, signals[i]);
}

int supervisor_run(const struct supervisor_plan *plan)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	struct conf_report report = {0};
	struct generation *generation;
	sigset_t unblocked;
	int result = PROCESS_EXIT_CONF;

	if (supervisor == NULL)
		return PROCESS_EXIT_FAILURE;
	log_set_process("supervisor");
	supervisor->plan = plan;
	control_init(&supervisor->control);
	notify_begin();
	supervisor->throttle = throttle_new(); /* NULL: no broker starts */
	supervisor->usage = usage_new();       /* likewise */
	catch_signals(&unblocked);
	process_keep_private();
	sandbox_begin();
	if (ticket_begin(&supervisor->tickets, deadline_now()) != 0)
		log_say(POPGATE_LOG_WARN, NULL, "no random octets: TLS sessions will not be resumed");
	generation = prepare_generation(supervisor->plan, supervisor->current, &report);
	if (generation == NULL)
		goto out;
	log_share();
	generation_use_log(generation);
	process_forget_stdin();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (fork_all(supervisor, generation) != 0) {
		supervisor->exit_code = PROCESS_EXIT_FAILURE;
		give_up(supervisor, generation);
	}
	loop(supervisor, &unblocked);
	deaths_await_orphans(STOP_SLACK, supervisor->fetch_deadline, &unblocked, &got_stop);
	result = supervisor->exit_code;
	log_say(POPGATE_LOG_INFO, NULL, "stopped");
out:
	(void)process_tell_faults(&report);
	control_release(&supervisor->control);
	ticket_wipe(&supervisor->tickets);
	throttle_free(&supervisor->throttle);
	usage_free(&supervisor->usage);
	free(supervisor);
	return result;
}
