/* spawner - see spawner.h. Holds the configuration, the loaded plugins and what
 * they prepared; never an account, a credential or a connection: a session
 * gets its credential from the broker over a channel of its own. */
#include "session/spawner.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/link.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "session/child.h"
#include "session/heap.h"
#include "session/host.h"
#include "session/limits.h"
#include "session/plugin.h"

struct child {
	pid_t pid;
	uint64_t id;
};

struct spawner {
	struct link link;
	struct plugin_set plugins;
	struct child *children;
	size_t count, room;
	bool draining;
	int64_t deadline; /* when the remaining sessions are ended */
};

static volatile sig_atomic_t child_died;

static void on_sigchld(int signal)
{
	(void)signal;
	child_died = 1;
}

/* The id is that of the first login; one that was kept may have served others since, by whose lines its pid stands. */
static void report_death(const struct child *child, int status)
{
	char text[LOG_SESSION_SIZE];
	struct log_line line;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	log_session_id(child->id, text);
	log_begin(&line, POPGATE_LOG_WARN, "session_died", text);
	if (WIFSIGNALED(status))
		log_text(&line, "signal", strsignal(WTERMSIG(status)));
	else
		log_number(&line, "exit", (uint64_t)WEXITSTATUS(status));
	log_number(&line, "died", (uint64_t)child->pid);
	log_end(&line);
}

static void reap(struct spawner *spawner)
{
	int status;
	pid_t pid;

	child_died = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < spawner->count; i++) {
			if (spawner->children[i].pid != pid)
				continue;
			report_death(&spawner->children[i], status);
			spawner->children[i] = spawner->children[--spawner->count];
			break;
		}
	}
}

static int remember(struct spawner *spawner, pid_t pid, uint64_t id)
{
	if (spawner->count == spawner->room) {
		size_t room = spawner->room * 2 + 64;
		struct child *children = reallocarray(spawner->children, room, sizeof(*children));

		if (children == NULL)
			return -1;
		spawner->children = children;
		spawner->room = room;
	}
	spawner->children[spawner->count++] = (struct child){.pid = pid, .id = id};
	return 0;
}

/* The session's ends of its stream, its phase page and its channel to the broker came with the message. */
static void spawn(struct spawner *spawner)
{
	struct child_start start = {.id = spawner->link.inbox.message.u.spawn.id,
				    .stream = spawner->link.inbox.fds[0],
				    .page = spawner->link.inbox.fds[1],
				    .report = spawner->link.inbox.fds[2],
				    .conf = spawner->link.process->conf,
				    .plugins = &spawner->plugins};
	pid_t pid;

	if (spawner->draining || start.stream < 0 || start.page < 0 || start.report < 0)
		return; /* the broker notices that the report channel closes */
	pid = fork();
	if (pid == 0) {
		close(spawner->link.process->control);
		close(spawner->link.broker);
		child_run(&start); /* does not return */
	}
	if (pid < 0)
		log_say(POPGATE_LOG_WARN, NULL, "cannot fork a session: %s", strerror(errno));
	else if (remember(spawner, pid, start.id) != 0)
		log_say(POPGATE_LOG_WARN, NULL, "out of memory: the death of a session will not be told");
}

static void take_from_broker(struct spawner *spawner)
{
	if (link_take_from_broker(&spawner->link) != LINK_MESSAGE)
		return;
	if (spawner->link.inbox.message.type == MESSAGE_SPAWN)
		spawn(spawner);
	ipc_inbox_clear(&spawner->link.inbox);
}

static void drain(struct spawner *spawner, int64_t deadline)
{
	spawner->draining = true;
	spawner->deadline = deadline;
	link_lose_broker(&spawner->link);
}

/* Returns -1 when the supervisor has gone. */
static int take_control(struct spawner *spawner)
{
	const struct message *message = &spawner->link.inbox.message;

	switch (link_take_control(&spawner->link)) {
	case LINK_OVER:
		return -1;
	case LINK_NOTHING:
		return 0;
	case LINK_MESSAGE:
		break;
	}
	if (message->type == MESSAGE_DRAIN)
		drain(spawner, DEADLINE_NEVER);
	else if (message->type == MESSAGE_STOP)
		drain(spawner, deadline_in(message->u.stop.milliseconds));
	ipc_inbox_clear(&spawner->link.inbox);
	return 0;
}

static void loop(struct spawner *spawner)
{
	struct pollfd fds[2] = {{.fd = spawner->link.process->control, .events = POLLIN}, {.events = POLLIN}};
	sigset_t blocked, none;

	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	while (!spawner->draining || spawner->count > 0) {
		int left = deadline_left(spawner->deadline);
		struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};

		if (left == 0)
			break; /* the supervisor ends the rest: we, and so they, may signal nobody */
		fds[1].fd = spawner->link.broker;
		fds[0].revents = fds[1].revents = 0;
		if (ppoll(fds, 2, left < 0 ? NULL : &timeout, &none) < 0 && errno != EINTR)
			break;
		if (child_died)
			reap(spawner);
		if (fds[0].revents != 0 && take_control(spawner) != 0)
			break;
		if (fds[1].revents != 0 && spawner->link.broker == fds[1].fd && spawner->link.broker >= 0)
			take_from_broker(spawner);
	}
}

static int load(struct spawner *spawner)
{
	const struct process *process = spawner->link.process;
	struct conf_report report = {0};
	int result = plugin_load(&spawner->plugins, process->conf, &host_functions,
				 process_module_owner(process->identity), &report);

	(void)process_tell_faults(&report);
	return result;
}

/* What would otherwise be done anew in every session. */
static void warm_up(const struct conf *conf)
{
	plugin_load_resolver();
	tzset();	   /* the log's times are UTC, but gmtime_r reads the local zone's file once */
	ERR_clear_error(); /* OpenSSL's beginnings */
	limits_inherit(&conf->limits);
	heap_keep(conf->limits.read_ahead);
}

int spawner_run(const struct process *process)
{
	struct spawner *spawner = calloc(1, sizeof(*spawner));
	struct sigaction action = {.sa_handler = on_sigchld};
	const struct message ready = {.type = MESSAGE_READY};

	if (spawner == NULL)
		return PROCESS_EXIT_FAILURE;
	link_init(&spawner->link, process);
	spawner->deadline = DEADLINE_NEVER;
	if (load(spawner) != 0)
		return PROCESS_EXIT_CONF;
	if (process_identity_assume(process->identity) != 0)
		return PROCESS_EXIT_FAILURE;
	warm_up(process->conf);
	sigaction(SIGCHLD, &action, NULL);
	if (sandbox_enter(SANDBOX_SPAWNER, process->conf, &spawner->plugins.paths) != 0)
		return PROCESS_EXIT_FAILURE;
	(void)heap_settle(); /* last: to make a filter takes much for a moment, and leaves gaps */
	if (ipc_send(process->control, &ready, NULL) != IPC_OK)
		return PROCESS_EXIT_FAILURE;
	loop(spawner);
	return PROCESS_EXIT_OK;
}
