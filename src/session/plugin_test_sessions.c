/* plugin_test_sessions - checks of what the sessions of an instance may differ in, and share: a client that takes
 * UTF-8, and another session at the same time, in a process of its own that was forked after configure(). The check's
 * own process, and a second one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/plugin_test.h"
#include "session/plugin_test_take.h"

#define SAMPLES_MAX 64

/* ---- a client that takes UTF-8 ---- */

static struct probe *open_utf8(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);
	struct popgate_error error;

	probe->session.utf8 = true;
	if (probe_try(probe, probe_deadline(probe), &error) != 0)
		plugin_test_fail(test, "expected open to succeed with POPGATE_OPEN_UTF8, came %s: %s",
				 plugin_test_status(error.status), error.text);
	probe_list(probe);
	return probe;
}

/* An upstream may serve other octets then, but no other messages: each has the id that it has for the user's other
 * programs. */
static void utf8(struct plugin_test *test)
{
	struct probe *probe = probe_listed(test, 1);
	struct maildrop before = probe->session.maildrop;
	struct take take = {0};

	probe->session.maildrop = (struct maildrop){0};
	probe_close(&probe);
	take.probe = open_utf8(test);
	if (take.probe->session.maildrop.count != before.count)
		plugin_test_fail(test, "expected %zu messages again, came %zu", before.count,
				 take.probe->session.maildrop.count);
	for (size_t i = 0; i < before.count; i++) {
		const char *id = maildrop_id(&before, &before.entries[i]),
			   *other =
			       maildrop_id(&take.probe->session.maildrop, &take.probe->session.maildrop.entries[i]);

		if (strcmp(id, other) != 0)
			plugin_test_fail(test, "message %zu: expected the id %s again, came %s", i + 1, id, other);
	}
	take_all(&take, take_largest(take.probe), POPGATE_WHOLE);
	probe_close(&take.probe);
}

/* ---- two at once ---- */

/* What one of them has read of a message. */
struct seen {
	uint64_t digest, raw;
};

/* The other session's process, as this one sees it. */
struct other {
	pid_t pid;
	int to, from;
};

static void say(int fd, const void *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		_exit(1); /* the other one has ended, and has told why if it could */
}

/* Returns false where the other end has gone. */
static bool hear(int fd, void *data, size_t size)
{
	char *at = data;
	ssize_t got = 1;

	for (; size > 0 && got > 0; at += got, size -= (size_t)got)
		got = read(fd, at, size);
	return size == 0;
}

static size_t read_all(struct probe *probe, struct seen seen[SAMPLES_MAX])
{
	size_t count = take_samples(probe);

	for (size_t i = 0; i < count; i++) {
		struct take take = {.probe = probe};

		take_all(&take, take_sample(probe, i), POPGATE_WHOLE);
		seen[i] = (struct seen){take.digest, take.raw};
	}
	return count;
}

/* The first one's lock is nobody's here, but the upstream may have one of its own. */
static struct probe *open_second(struct plugin_test *test)
{
	struct probe *probe = probe_new(test);
	struct popgate_error error;

	if (probe_try(probe, probe_deadline(probe), &error) != 0 && error.status == POPGATE_IN_USE)
		plugin_test_skip(test, "the upstream opens a maildrop for one session at a time");
	else if (probe->session.drop == NULL)
		plugin_test_fail(test, "a second session: expected open to succeed, came %s: %s",
				 plugin_test_status(error.status), error.text);
	probe_list(probe);
	return probe;
}

/* The second session, which begins once the first is open, and outlives it. */
static void run_second(struct plugin_test *test, int from, int to) __attribute__((__noreturn__));

static void run_second(struct plugin_test *test, int from, int to)
{
	static struct secret password;
	struct seen seen[SAMPLES_MAX], again[SAMPLES_MAX];
	char text[SECRET_MAX];
	struct probe *probe;
	size_t size = 0;
	char octet;

	/* a secret does not survive a fork */
	if (!hear(from, &size, sizeof(size)) || size > sizeof(text) || !hear(from, text, size) ||
	    secret_set(&password, text, size) != 0)
		_exit(1);
	secret_wipe(text, sizeof(text));
	test->password = &password;
	probe = open_second(test);
	size = read_all(probe, seen);
	say(to, seen, size * sizeof(*seen));
	if (!hear(from, &octet, 1))
		_exit(1);
	(void)read_all(probe, again);
	for (size_t i = 0; i < size; i++)
		if (seen[i].raw != again[i].raw || seen[i].digest != again[i].digest)
			plugin_test_fail(test,
					 "message %zu: expected the same octets when the other session is closed, came "
					 "others",
					 take_sample(probe, i) + 1);
	probe_close(&probe);
	say(to, &octet, 1);
	_exit(0);
}

static struct other begin_second(struct plugin_test *test)
{
	int to[2], from[2];
	struct other other;

	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
		plugin_test_skip(test, "no pipe can be made: %s", strerror(errno));
	other = (struct other){.pid = fork(), .to = to[1], .from = from[0]};
	if (other.pid < 0)
		plugin_test_skip(test, "no process can be made: %s", strerror(errno));
	if (other.pid == 0) {
		close(to[1]);
		close(from[0]);
		run_second(test, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	return other;
}

/* Hears from it, or ends with what it has told, or with how it ended. */
static void hear_second(const struct plugin_test *test, const struct other *other, void *data, size_t size)
{
	int status = 0;

	if (hear(other->from, data, size))
		return;
	(void)waitpid(other->pid, &status, 0);
	if (test->child->told)
		_exit(0);
	plugin_test_fail(test, "a second session: expected an answer, came the end of its process%s%s",
			 WIFSIGNALED(status) ? " by signal " : "",
			 WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
}

static void two_at_once(struct plugin_test *test)
{
	struct seen seen[SAMPLES_MAX] = {{0}}, others[SAMPLES_MAX] = {{0}};
	struct other other = begin_second(test);
	struct probe *probe = probe_listed(test, 1);
	size_t count = take_samples(probe);
	char octet = 0;

	say(other.to, &test->password->size, sizeof(test->password->size));
	say(other.to, test->password->data, test->password->size);
	hear_second(test, &other, others, count * sizeof(*others));
	(void)read_all(probe, seen);
	for (size_t i = 0; i < count; i++)
		if (seen[i].raw != others[i].raw || seen[i].digest != others[i].digest)
			plugin_test_fail(test,
					 "message %zu: expected the octets that a second session gets, came others",
					 take_sample(probe, i) + 1);
	probe_close(&probe);
	say(other.to, &octet, 1);
	hear_second(test, &other, &octet, 1);
}

const struct plugin_check plugin_checks_sessions[] = {
    {.name = "open: UTF-8", .needs = STAGE_FETCHED, .run = utf8},
    {.name = "sessions: two at once", .needs = STAGE_FETCHED, .run = two_at_once},
    {.name = NULL},
};
