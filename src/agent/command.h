/* command - one secret command: a program that prints a secret as its first line. Agent process.
 *
 * It runs without a shell, in a session of its own, with nothing of the agent's: no descriptor, no variable of the
 * environment but PATH and POPGATE_USER, an empty standard input. The folder is /. Its rights cannot grow (no
 * set-user-ID). */
#ifndef POPGATE_AGENT_COMMAND_H
#define POPGATE_AGENT_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/source.h"

#define COMMAND_SAID_MAX    400		  /* octets of standard error that are kept */
#define COMMAND_PRINTED_MAX (1024 * 1024) /* octets of each, beyond which it is ended */

struct command {
	pid_t pid;    /* also its process group; 0: not started */
	int out, err; /* what is still open, non-blocking; -1: at its end */
	size_t printed, complained;
	size_t line_size, said_size;
	char line[MESSAGE_SECRET_MAX + 3]; /* the beginning of standard output: a line that is too long shows */
	char said[COMMAND_SAID_MAX];
};

/* Starts it. words: each with its NUL, then an empty one. 0, or -1 with TEMP. */
int command_start(struct command *command, const char *words, const char *user, struct popgate_error *error);
/* Reads what is there. -1: it prints without end. */
int command_read(struct command *command);
/* Ends all of its process group, as far as that is there. Not after the process has been waited for: its number may be
 * another's. */
void command_kill(const struct command *command);
/* What it came to; status: as waitpid() tells it. *secret_r is empty before. 0, or -1. */
int command_result(const struct command *command, const char *words, int status, struct secret *secret_r,
		   struct popgate_error *error);
/* Closes and wipes. */
void command_clear(struct command *command);

#endif
