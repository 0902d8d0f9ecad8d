/* session - one maildrop from the proven user's credential to the end of
 * UPDATE. Straight-line, blocking. Runs in a process of its own: forked by
 * the spawner, or `popgate session` itself. */
#ifndef POPGATE_SESSION_SESSION_H
#define POPGATE_SESSION_SESSION_H

#include "session/host.h"

/* Why a session ended; its name stands in the log. */
enum session_end {
	SESSION_QUIT,
	SESSION_QUIT_FAILED,  /* QUIT was answered -ERR */
	SESSION_DISCONNECTED, /* the client went without QUIT: nothing was removed */
	SESSION_IDLE,
	SESSION_STALLED, /* the client stopped reading */
	SESSION_CUT,	 /* a message failed after its first octet had been sent */
	SESSION_ABUSE	 /* too many unknown commands, NUL, an endless line */
};

/* Opens the drop, takes the lock, lists. Writes the text that follows "+OK "
 * into text. 0, or -1 with error. Does not touch the stream. */
int session_open(struct popgate_session *session, char *text, size_t size, struct popgate_error *error);
/* TRANSACTION and UPDATE. pending: octets that the client has sent already. */
enum session_end session_serve(struct popgate_session *session, const char *pending, size_t pending_size);
/* Writes the log line of the end. */
void session_tell_end(const struct popgate_session *session, enum session_end end);
/* Closes the drop, frees the lock and everything else. */
void session_close(struct popgate_session *session);
/* Forgets whose client it was, and what the client has seen and done. */
void session_forget_client(struct popgate_session *session);
/* A drop that was kept, brought up to date for another client. As session_open, within `time` milliseconds. */
int session_reopen(struct popgate_session *session, int64_t time, char *text, size_t size, struct popgate_error *error);

#endif
