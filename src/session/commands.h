/* commands - what the commands of TRANSACTION do. Session process. */
#ifndef POPGATE_SESSION_COMMANDS_H
#define POPGATE_SESSION_COMMANDS_H

#include "pop3/command.h"
#include "session/host.h"

/* What a handler leaves to the loop. The reply is in session->output. */
enum command_event {
	COMMAND_REPLIED,     /* go on */
	COMMAND_QUIT_DONE,   /* UPDATE is over and was answered +OK */
	COMMAND_QUIT_FAILED, /* UPDATE is over and was answered -ERR */
	COMMAND_CUT	     /* end the connection: a reply is torn */
};

/* Runs one parsed command. */
enum command_event commands_run(struct popgate_session *session, const struct command_call *call);
/* The client has paused: lets the plugin bring to an end what it has asked for ahead. */
void commands_pause(struct popgate_session *session);

#endif
