/* host - see host.h. The only place where a session blocks is wait(), besides
 * writing to its client and waiting for its next command. */
#include "session/host.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/conf_settings.h"
#include "common/deadline.h"
#include "common/sandbox.h"
#include "session/credential.h"

#define LOCK_WAIT     2000 /* milliseconds for a holder that is on its way out */
#define LOCK_INTERVAL 25   /* milliseconds between two tries */

int64_t host_patience(const struct popgate_session *session)
{
	return session->conf->limits.fetch_window + session->conf->limits.stall_timeout;
}

static int poll_until(const struct popgate_session *session, struct pollfd fds[3], int64_t deadline)
{
	int64_t patience = host_patience(session);
	int ready, left = deadline_left(deadline);

	watchdog_arm(left < 0 ? INT64_MAX : left < patience ? patience : left);
	ready = deadline_poll(fds, 3, deadline);
	watchdog_arm(patience);
	return ready;
}

/* A message that comes slowly is shown to the client as far as it is. Until then a failure can still be told, but
 * nobody must take us for dead. */
static int poll_showing(struct popgate_session *session, struct pollfd fds[3], int64_t deadline)
{
	int ready;

	if (!session->output.inside || session->output.size == 0 || session->shown >= deadline)
		return poll_until(session, fds, deadline);
	ready = poll_until(session, fds, session->shown);
	if (ready != 0)
		return ready;
	session->shown = deadline_in(HOST_SHOWN_AFTER);
	(void)output_flush(&session->output); /* a failure shows at the next write */
	return poll_until(session, fds, deadline);
}

/* Waits for fd (-1: for nothing but the clock), watching the client. */
static enum popgate_wait wait_for(struct popgate_session *session, int fd, short events, int64_t deadline)
{
	struct pollfd fds[3] = {
	    {.fd = fd, .events = events}, {.fd = session->output.watched}, {.fd = session->output.fd}};
	int ready;

	if (session->updating)
		fds[1].fd = fds[2].fd = -1;
	ready = poll_showing(session, fds, deadline);
	if (ready < 0)
		return POPGATE_WAIT_FAILED;
	/* The client first: an upstream that always has something to say must not hide its departure. */
	if (((fds[1].revents | fds[2].revents) & (POLLHUP | POLLERR)) != 0)
		return POPGATE_CLIENT_GONE;
	if (fds[0].revents != 0)
		return POPGATE_READY;
	return ready == 0 ? POPGATE_TIMEOUT : POPGATE_WAIT_FAILED;
}

static enum popgate_wait host_wait(struct popgate_session *session, int fd, unsigned events, int64_t deadline)
{
	short wanted = 0;

	if ((events & POPGATE_READABLE) != 0)
		wanted |= POLLIN;
	if ((events & POPGATE_WRITABLE) != 0)
		wanted |= POLLOUT;
	return wait_for(session, fd, wanted, deadline);
}

static enum popgate_secret_kind host_secret_kind(struct popgate_session *session)
{
	return session->secret_kind;
}

static int host_credential(struct popgate_session *session, struct popgate_credential *credential_r,
			   struct popgate_error *error)
{
	if (credential_is_old(session) && credential_renew(session, error) != 0)
		return -1;
	if (session->secret.data == NULL) {
		error->status = POPGATE_TEMP;
		snprintf(error->text, sizeof(error->text), "the credential is no longer there");
		return -1;
	}
	credential_r->user = session->auth_user != NULL ? session->auth_user : session->upstream_user;
	credential_r->secret = session->secret.data;
	credential_r->secret_size = session->secret.size;
	return 0;
}

static int host_renew(struct popgate_session *session, struct popgate_credential *credential_r,
		      struct popgate_error *error)
{
	return credential_renew(session, error) != 0 ? -1 : host_credential(session, credential_r, error);
}

static int lock_fault(struct popgate_error *error, enum popgate_status status, const char *text, const char *detail)
{
	error->status = status;
	snprintf(error->text, sizeof(error->text), "%s%.200s", text, detail);
	return -1;
}

static int host_lock(struct popgate_session *session, const char *folder, struct popgate_error *error)
{
	int64_t deadline = deadline_in(LOCK_WAIT);
	int waited = 0;

	/* the upstream has accepted the credential, and nothing is open yet */
	if (session->denied)
		return lock_fault(error, POPGATE_AUTH, HOST_DENIED, "");
	if (lock_name(&session->lock, session->conf->runtime_directory, session->backend->name, session->upstream_user,
		      folder) != 0)
		return lock_fault(error, POPGATE_TEMP, "the lock's name cannot be made", "");
	for (;;) {
		switch (lock_try(&session->lock)) {
		case LOCK_TAKEN:
			return waited;
		case LOCK_FAILED:
			return lock_fault(error, POPGATE_TEMP, "the lock file: ", strerror(errno));
		case LOCK_HELD:
			break;
		}
		waited = 1;
		if (deadline_left(deadline) == 0)
			return lock_fault(error, POPGATE_IN_USE, "another session holds ", session->lock.path);
		if (wait_for(session, -1, 0, deadline_in(LOCK_INTERVAL)) == POPGATE_CLIENT_GONE)
			return lock_fault(error, POPGATE_STOPPED, "the client has gone", "");
	}
}

static void host_log(struct popgate_session *session, enum popgate_log_level level, const char *format, ...)
{
	struct log_line line;
	char text[900];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_begin(&line, level, "plugin", NULL);
	if (session != NULL)
		log_text(&line, "backend", session->backend->name);
	log_text(&line, "msg", text);
	log_end(&line);
}

static int host_use_path(const struct popgate_settings *settings, const char *path, unsigned flags)
{
	if (path[0] != '/')
		return -1;
	if (settings->paths == NULL)
		return 0;
	return sandbox_paths_add(settings->paths, path, (flags & POPGATE_PATH_WRITE) != 0);
}

static int host_setting_choice(const struct popgate_settings *settings, const char *key)
{
	return conf_setting_string(settings, key) == NULL ? -1 : (int)conf_settings_choice(settings, key);
}

void host_bound_error(struct popgate_error *error)
{
	error->text[sizeof(error->text) - 1] = '\0';
}

const struct popgate_host host_functions = {
    .size = sizeof(struct popgate_host),
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .setting_string = conf_setting_string,
    .setting_int = conf_setting_int,
    .setting_bool = conf_setting_bool,
    .now = deadline_now,
    .wait = host_wait,
    .credential = host_credential,
    .lock = host_lock,
    .log = host_log,
    .use_path = host_use_path,
    .setting_choice = host_setting_choice,
    .secret_kind = host_secret_kind,
    .renew = host_renew,
};
