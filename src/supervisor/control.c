/* control - see control.h. Supervisor process, and the verbs. */
#include "supervisor/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/log.h"
#include "common/number.h"
#include "common/process.h"

#define NAME	    "popgate.pid"
#define TEXT_SIZE   64
#define RELOAD_WAIT 90000 /* milliseconds: a start may take 60 s */
#define STOP_SLACK  15000 /* beyond shutdown_timeout */
#define PAUSE	    20	  /* milliseconds between two looks */

static const char *const words[] = {[CONTROL_RUNNING] = "running",
				    [CONTROL_RELOADING] = "reloading",
				    [CONTROL_RELOADED] = "reloaded",
				    [CONTROL_REFUSED] = "refused"};

/* ---- the supervisor's side ---- */

void control_init(struct control *control)
{
	*control = (struct control){.fd = -1};
}

void control_forget(struct control *control)
{
	if (control->fd >= 0)
		close(control->fd);
	control->fd = -1;
}

/* The folder is the service user's, who may not lead root to another file by it. */
static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1)
		errno = EPERM;
	else if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	close(fd);
	return -1;
}

static void write_state(const struct control *control, enum control_state state)
{
	char text[TEXT_SIZE];
	int size = snprintf(text, sizeof(text), "%ld\n%u %s\n", (long)getpid(), control->reloads, words[state]);

	/* longer than any before it; a full disk takes an outcome away, no more */
	memset(text + size, '\n', sizeof(text) - (size_t)size);
	if (pwrite(control->fd, text, sizeof(text), 0) != (ssize_t)sizeof(text))
		log_say(POPGATE_LOG_INFO, NULL, "%s/" NAME " cannot be written: %s", control->directory,
			strerror(errno));
}

void control_take(struct control *control, const struct conf *conf)
{
	char *path = NULL;

	if (control->fd >= 0 && strcmp(control->directory, conf->runtime_directory) == 0)
		return;
	control_release(control);
	control->directory = strdup(conf->runtime_directory);
	if (control->directory == NULL || asprintf(&path, "%s/" NAME, control->directory) < 0)
		return;
	control->fd = open_file(path);
	if (control->fd >= 0)
		write_state(control, CONTROL_RUNNING);
	else
		log_say(POPGATE_LOG_INFO, NULL, "%s: %s: `popgate reload` and `popgate stop` will not find this one",
			path, errno == EAGAIN || errno == EACCES ? "another popgate has it" : strerror(errno));
	free(path);
}

void control_note(struct control *control, enum control_state state)
{
	if (state == CONTROL_RELOADING)
		control->reloads++;
	if (control->fd >= 0)
		write_state(control, state);
}

void control_release(struct control *control)
{
	if (control->fd >= 0)
		(void)!ftruncate(control->fd, 0);
	control_forget(control);
	free(control->directory);
	control->directory = NULL;
}

/* ---- the verbs' side ---- */

static void pause_shortly(void)
{
	const struct timespec pause = {.tv_nsec = PAUSE * 1000000L};

	nanosleep(&pause, NULL);
}

/* Who holds the lock; 0: nobody. */
static pid_t holder(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

/* How often it has begun to reload, and whether and how that has ended. -1: nothing can be read. */
static int read_state(int fd, unsigned *reloads_r, enum control_state *state_r)
{
	char text[TEXT_SIZE + 1] = "", *line, *word;
	uint64_t reloads;

	if (pread(fd, text, TEXT_SIZE, 0) <= 0 || (line = strchr(text, '\n')) == NULL ||
	    (word = strchr(++line, ' ')) == NULL ||
	    number_parse(line, (size_t)(word - line), UINT32_MAX, &reloads) != 0)
		return -1;
	word++;
	word[strcspn(word, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], word) == 0) {
			*reloads_r = (unsigned)reloads;
			*state_r = (enum control_state)i;
			return 0;
		}
	}
	return -1;
}

/* Opens the file of the one that runs. -1: nobody does, told. */
static int find(struct conf *conf, pid_t *pid_r)
{
	char *path = NULL;
	int fd = -1;

	if (process_choose_runtime_directory(conf) == 0 && asprintf(&path, "%s/" NAME, conf->runtime_directory) >= 0)
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	else
		path = NULL;
	*pid_r = fd < 0 ? 0 : holder(fd);
	if (*pid_r > 0) {
		free(path);
		return fd;
	}
	if (fd < 0 && errno != ENOENT)
		fprintf(stderr, "popgate: %s: %s\n", path == NULL ? "no memory" : path, strerror(errno));
	else
		fprintf(stderr, "popgate: no popgate runs that has its locks in %s\n",
			conf->runtime_directory == NULL ? "?" : conf->runtime_directory);
	if (fd >= 0)
		close(fd);
	free(path);
	return -1;
}

static int send_signal(pid_t pid, int number)
{
	if (kill(pid, number) == 0)
		return 0;
	fprintf(stderr, "popgate: process %ld cannot be signalled: %s\n", (long)pid, strerror(errno));
	return -1;
}

static int tell(const char *text, bool good)
{
	fprintf(good ? stdout : stderr, "popgate: %s\n", text);
	return good ? PROCESS_EXIT_OK : PROCESS_EXIT_FAILURE;
}

/* Until a reload that began after the signal has ended. */
static int await_reload(int fd, pid_t pid, unsigned before)
{
	int64_t deadline = deadline_in(RELOAD_WAIT);
	enum control_state state;
	unsigned reloads;

	while (deadline_left(deadline) > 0) {
		if (holder(fd) != pid)
			return tell("it has ended", false);
		if (read_state(fd, &reloads, &state) == 0 && reloads != before && state != CONTROL_RELOADING)
			return state == CONTROL_RELOADED
				   ? tell("reloaded", true)
				   : tell("refused, the old configuration stays in force; its log tells why", false);
		pause_shortly();
	}
	return tell("it was told to reload, but does not say what came of it", false);
}

int control_reload(struct conf *conf)
{
	enum control_state state;
	unsigned before;
	pid_t pid;
	int fd = find(conf, &pid), result;

	if (fd < 0)
		return PROCESS_EXIT_FAILURE;
	if (read_state(fd, &before, &state) != 0)
		result = send_signal(pid, SIGHUP) != 0 ? PROCESS_EXIT_FAILURE
						       : tell("told to reload; its log tells what came of it", true);
	else
		result = send_signal(pid, SIGHUP) != 0 ? PROCESS_EXIT_FAILURE : await_reload(fd, pid, before);
	close(fd);
	return result;
}

int control_stop(struct conf *conf)
{
	int64_t deadline = deadline_in(conf->limits.shutdown_timeout + STOP_SLACK);
	pid_t pid;
	int fd = find(conf, &pid), result = PROCESS_EXIT_FAILURE;

	if (fd < 0)
		return PROCESS_EXIT_FAILURE;
	if (send_signal(pid, SIGTERM) == 0) {
		while (holder(fd) == pid && deadline_left(deadline) > 0)
			pause_shortly();
		result = holder(fd) == pid ? tell("it was told to stop, but has not ended yet", false)
					   : tell("stopped", true);
	}
	close(fd);
	return result;
}
