/* ask - see ask.h. A signal that comes while the echo is off ends the program after it is on again. */
#include "accounts/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ROOM (ASK_MAX + 2) /* with the line's end, and one that is too much */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

/* One line without its end. -1: none (errno is 0), longer, or interrupted. */
static int take_line(struct secret *line, const char **why_r)
{
	char text[ROOM];
	size_t used = 0;
	int result = -1;
	ssize_t got = 0;

	while (used < sizeof(text) && (got = read(STDIN_FILENO, text + used, 1)) == 1 && text[used] != '\n')
		used++;
	if (used > 0 && got >= 0 && used < sizeof(text) && text[used - 1] == '\r')
		used--;
	if (got < 0)
		*why_r = "cannot be read from standard input";
	else if (used > ASK_MAX)
		*why_r = "is longer than 511 octets";
	else if (used == 0)
		*why_r = "is empty";
	else if (memchr(text, '\0', used) != NULL || memchr(text, '\r', used) != NULL)
		*why_r = "holds NUL or CR, which no client can send";
	else
		result = secret_set(line, text, used);
	if (result != 0 && *why_r == NULL)
		*why_r = "has no room in memory";
	secret_wipe(text, sizeof(text));
	return result;
}

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static int ask_twice(const char *what, const char *user, struct secret *password, const char **why_r)
{
	struct secret again = {0};
	int result;

	say(what);
	say(" of ");
	say(user);
	say(": ");
	result = take_line(password, why_r);
	say("\n");
	if (result != 0 || caught != 0)
		return -1;
	say("The same again: ");
	result = take_line(&again, why_r);
	say("\n");
	if (result == 0 && !secret_equal(&again, password->data, password->size)) {
		*why_r = "was given twice, and the two differ";
		result = -1;
	}
	secret_clear(&again);
	return result;
}

/* Signals interrupt the reading. */
static void watch(struct sigaction old_r[SIGNALS])
{
	struct sigaction action = {.sa_handler = on_signal};

	caught = 0;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &action, &old_r[i]);
}

static void unwatch(const struct sigaction old[SIGNALS])
{
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &old[i], NULL);
	if (caught != 0)
		raise(caught);
}

int ask_secret(const char *what, const char *user, struct secret *secret_r, const char **why_r)
{
	struct sigaction old[SIGNALS];
	struct termios before, silent;
	int result;

	*why_r = NULL;
	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return take_line(secret_r, why_r);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	watch(old);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	result = ask_twice(what, user, secret_r, why_r);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	unwatch(old);
	if (result != 0)
		secret_clear(secret_r);
	return result;
}

bool ask_is_done(void)
{
	struct pollfd more = {.fd = STDIN_FILENO, .events = POLLIN};
	char c;

	if (isatty(STDIN_FILENO))
		return true;
	while (poll(&more, 1, 0) == 1 && read(STDIN_FILENO, &c, 1) == 1)
		if (c != '\n' && c != '\r')
			return false;
	return true;
}
