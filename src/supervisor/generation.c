/* generation - see generation.h. */
#include "supervisor/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/ipc.h"
#include "common/log.h"
#include "supervisor/listen.h"
#include "supervisor/passed.h"

#define SPAWNER	    0
#define BROKER	    1
#define FIRST_OTHER 2

static enum process_role role_of(const struct generation *generation, size_t index)
{
	if (index == SPAWNER)
		return PROCESS_SPAWNER;
	if (index == BROKER)
		return PROCESS_BROKER;
	if (index >= generation->first_front)
		return PROCESS_FRONT;
	return index == FIRST_OTHER && generation->conf->needs_agent ? PROCESS_AGENT : PROCESS_HELPER;
}

struct generation *generation_new(const struct supervisor_plan *plan, struct conf *conf,
				  const struct process_identity *identity)
{
	struct generation *generation = calloc(1, sizeof(*generation));

	if (generation == NULL) {
		conf_free(&conf);
		return NULL;
	}
	generation->plan = plan;
	generation->conf = conf;
	generation->identity = *identity;
	generation->log = STDERR_FILENO;
	generation->first_front = FIRST_OTHER + (conf->needs_agent ? 1 : 0) + conf->helpers;
	generation->count = generation->first_front + conf->fronts;
	generation->processes = calloc(generation->count, sizeof(*generation->processes));
	generation->listeners = calloc(conf->listener_count, sizeof(*generation->listeners));
	generation->tally = tally_new(conf->fronts);
	if (generation->processes == NULL || generation->listeners == NULL || generation->tally == NULL) {
		generation_free(&generation);
		return NULL;
	}
	for (size_t i = 0; i < conf->listener_count; i++)
		generation->listeners[i] = -1;
	for (size_t i = 0; i < generation->count; i++) {
		struct generation_process *process = &generation->processes[i];

		process->role = role_of(generation, i);
		process->control = -1;
		process->restart = DEADLINE_NEVER;
	}
	return generation;
}

void generation_free(struct generation **generation)
{
	struct generation *old = *generation;

	*generation = NULL;
	if (old == NULL)
		return;
	if (old->listeners != NULL)
		generation_close_listeners(old);
	if (old->log > STDERR_FILENO)
		close(old->log);
	for (size_t i = 0; old->processes != NULL && i < old->count; i++)
		if (old->processes[i].control >= 0)
			close(old->processes[i].control);
	tally_free(&old->tally);
	free(old->listeners);
	free(old->processes);
	conf_free(&old->conf);
	free(old);
}

void generation_close_listeners(const struct generation *generation)
{
	for (size_t i = 0; i < generation->conf->listener_count; i++) {
		if (generation->listeners[i] >= 0)
			close(generation->listeners[i]);
		generation->listeners[i] = -1;
	}
}

static bool is_same_socket(const struct conf_listener *a, const struct conf_listener *b)
{
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}

/* Of several with port 0 on one address each gets its own. */
static int inherited_socket(const struct generation *previous, const struct conf *conf, size_t index)
{
	size_t skip = 0;

	for (size_t i = 0; i < index; i++)
		skip += is_same_socket(&conf->listeners[i], &conf->listeners[index]);
	for (size_t i = 0; previous != NULL && i < previous->conf->listener_count; i++)
		if (is_same_socket(&previous->conf->listeners[i], &conf->listeners[index]) && skip-- == 0)
			return listen_duplicate(previous->listeners[i]);
	return -1;
}

int generation_bind(struct generation *generation, const struct generation *previous, struct conf_report *report)
{
	int result = 0;

	for (size_t i = 0; i < generation->conf->listener_count; i++) {
		const struct conf_listener *listener = &generation->conf->listeners[i];
		int fd = inherited_socket(previous, generation->conf, i);

		if (fd < 0)
			fd = passed_find(generation->plan->passed, listener);
		if (fd < 0)
			fd = listen_open(listener, report);
		generation->listeners[i] = fd;
		if (fd < 0)
			result = -1;
	}
	passed_judge(generation->plan->passed, generation->conf, report);
	return result;
}

/* ---- forking ---- */

/* A child keeps its own control end and, as a front, its listeners and the counts of connections; nothing else of the
 * supervisor's. */
static void close_foreign(const struct generation *own, enum process_role role, const struct generation *all)
{
	for (; all != NULL; all = all->next) {
		for (size_t i = 0; i < all->count; i++)
			if (all->processes[i].control >= 0)
				close(all->processes[i].control);
		for (size_t i = 0; i < all->conf->listener_count; i++)
			if (all->listeners[i] >= 0 && (all != own || role != PROCESS_FRONT))
				close(all->listeners[i]);
		if (all->log > STDERR_FILENO)
			close(all->log);
		if (all != own || role != PROCESS_FRONT) {
			struct tally *tally = all->tally;

			tally_free(&tally);
		}
	}
}

static void run_child(struct generation *generation, size_t index, int control, const struct generation *all)
{
	enum process_role role = generation->processes[index].role;
	const struct process process = {.role = role,
					.conf = generation->conf,
					.identity = &generation->identity,
					.control = control,
					.listeners = role == PROCESS_FRONT ? generation->listeners : NULL,
					.tally = role == PROCESS_FRONT ? generation->tally : NULL,
					.tickets = role == PROCESS_FRONT ? generation->tickets : NULL,
					.throttle = role == PROCESS_BROKER ? generation->throttle : NULL,
					.usage = role == PROCESS_BROKER ? generation->usage : NULL,
					.number = generation->processes[index].number,
					.index =
					    (unsigned)(role == PROCESS_FRONT ? index - generation->first_front : 0)};
	char name[32] = "popgate-";

	if (role != PROCESS_FRONT)
		ticket_wipe(generation->tickets);
	if (role != PROCESS_BROKER) {
		throttle_free(&generation->throttle);
		usage_free(&generation->usage);
	}
	control_forget(generation->control);
	generation_use_log(generation);
	close_foreign(generation, role, all);
	passed_close(generation->plan->passed);
	process_ignore_signals();
	process_keep_private();
	log_set_process(process_role_name(role));
	prctl(PR_SET_NAME, strncat(name, process_role_name(role), 16));
	exit(generation->plan->entries[role](&process));
}

int generation_fork(struct generation *generation, size_t index, const struct generation *all)
{
	struct generation_process *process = &generation->processes[index];
	int ends[2];

	ticket_advance(generation->tickets, deadline_now());
	process->ready = process->came_up = false;
	process->started = deadline_now();
	process->restart = DEADLINE_NEVER;
	if (ipc_pair(ends) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
		log_say(POPGATE_LOG_WARN, NULL, "cannot make a channel: %s", strerror(errno));
		return -1;
	}
	if (process->role == PROCESS_BROKER && generation->usage != NULL)
		process->number = usage_broker_new(generation->usage);
	process->pid = fork();
	if (process->role == PROCESS_SPAWNER && process->pid >= 0)
		(void)setpgid(process->pid, 0); /* both do it, whoever is first */
	if (process->pid == 0) {
		close(ends[0]);
		run_child(generation, index, ends[1], all);
	}
	close(ends[1]);
	if (process->pid < 0) {
		log_say(POPGATE_LOG_WARN, NULL, "cannot fork: %s", strerror(errno));
		process->pid = 0;
		close(ends[0]);
		return -1;
	}
	process->control = ends[0];
	return 0;
}

/* ---- wiring ---- */

/* One that cannot be reached is dying, or is ended: either way another is started. */
static int send_neighbour(struct generation_process *process, enum process_role neighbour, int end)
{
	struct message message = {.type = MESSAGE_NEIGHBOUR};

	message.u.neighbour.role = (uint32_t)neighbour;
	if (ipc_send(process->control, &message, &end) == IPC_OK)
		return 0;
	process->ready = false; /* nobody is wired to it before its successor is READY */
	log_say(POPGATE_LOG_INFO, NULL, "cannot reach %s %ld: it is ended", process_role_name(process->role),
		(long)process->pid);
	kill(process->pid, SIGKILL);
	return -1;
}

/* A fresh channel between two that are ready; whatever they had before is replaced. */
static void wire(struct generation_process *a, struct generation_process *b)
{
	int ends[2];

	if (!a->ready || !b->ready)
		return;
	if (ipc_pair(ends) != 0) {
		log_say(POPGATE_LOG_WARN, NULL, "cannot make a channel: %s", strerror(errno));
		return;
	}
	if (send_neighbour(a, b->role, ends[0]) == 0)
		(void)send_neighbour(b, a->role, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

static void wire_all(struct generation *generation)
{
	struct generation_process *broker = &generation->processes[BROKER];

	for (size_t i = 0; i < generation->count; i++)
		if (i != BROKER)
			wire(broker, &generation->processes[i]);
}

void generation_ready(struct generation *generation, size_t index)
{
	generation->processes[index].ready = generation->processes[index].came_up = true;
	if (generation->state == GENERATION_STARTING) {
		for (size_t i = 0; i < generation->count; i++)
			if (!generation->processes[i].ready)
				return;
		generation->state = GENERATION_RUNNING;
		wire_all(generation);
	} else if (index == BROKER) {
		wire_all(generation);
	} else {
		wire(&generation->processes[BROKER], &generation->processes[index]);
	}
}

void generation_rewire(struct generation *generation, size_t index)
{
	if (generation->state == GENERATION_RUNNING && index != BROKER)
		wire(&generation->processes[BROKER], &generation->processes[index]);
}

int generation_died(struct generation *generation, pid_t pid)
{
	for (size_t i = 0; i < generation->count; i++) {
		struct generation_process *process = &generation->processes[i];

		if (process->pid != pid)
			continue;
		if (process->control >= 0)
			close(process->control);
		process->control = -1;
		process->pid = 0;
		process->ready = false;
		if (process->role == PROCESS_BROKER)
			usage_broker_gone(generation->usage, process->number);
		return (int)i;
	}
	return -1;
}

/* ---- orders ---- */

static void send_to(const struct generation *generation, enum process_role role, const struct message *message,
		    const int *fds)
{
	for (size_t i = 0; i < generation->count; i++) {
		const struct generation_process *process = &generation->processes[i];

		if (process->pid != 0 && (role == PROCESS_ROLES || process->role == role))
			(void)ipc_send(process->control, message, fds);
	}
}

void generation_drain(const struct generation *generation, enum process_role role)
{
	const struct message message = {.type = MESSAGE_DRAIN};

	send_to(generation, role, &message, NULL);
}

void generation_stop(const struct generation *generation, enum process_role role, int64_t milliseconds)
{
	struct message message = {.type = MESSAGE_STOP};

	message.u.stop.milliseconds = (uint32_t)milliseconds;
	send_to(generation, role, &message, NULL);
}

static int duplicate_log(int fd)
{
	return fd > STDERR_FILENO ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd;
}

void generation_use_log(const struct generation *generation)
{
	log_to(duplicate_log(generation->log));
	log_set_level(generation->conf->log.level);
}

void generation_log(struct generation *generation, int fd)
{
	const struct message message = {.type = MESSAGE_LOG};

	send_to(generation, PROCESS_ROLES, &message, &fd);
	if (generation->log > STDERR_FILENO)
		close(generation->log);
	generation->log = duplicate_log(fd);
}

void generation_end_sessions(pid_t spawner)
{
	kill(-spawner, SIGKILL);
}

bool generation_has_orphans(struct generation *generation)
{
	if (generation->orphans != 0 && kill(-generation->orphans, 0) != 0)
		generation->orphans = 0;
	return generation->orphans != 0;
}

void generation_kill(const struct generation *generation, enum process_role spared)
{
	for (size_t i = 0; i < generation->count; i++) {
		const struct generation_process *process = &generation->processes[i];

		if (process->pid == 0 || process->role == spared)
			continue;
		kill(process->pid, SIGKILL);
		if (process->role == PROCESS_SPAWNER)
			generation_end_sessions(process->pid);
	}
	if (generation->orphans != 0)
		generation_end_sessions(generation->orphans);
}

size_t generation_alive(const struct generation *generation, enum process_role role)
{
	size_t alive = 0;

	for (size_t i = 0; i < generation->count; i++)
		alive += generation->processes[i].pid != 0 &&
			 (role == PROCESS_ROLES || generation->processes[i].role == role);
	return alive;
}
