/* standalone - see standalone.h. The driver of pop3/authorization that the
 * front is elsewhere, here blocking and with the broker's part done in place. */
#include "session/standalone.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/deadline.h"
#include "common/login_name.h"
#include "common/route.h"
#include "common/sandbox.h"
#include "common/secret.h"
#include "common/throttle.h"
#include "pop3/authorization.h"
#include "pop3/sasl.h"
#include "session/limits.h"
#include "session/session.h"

#define CHUNK 4096

struct standalone {
	const struct conf *conf;
	struct plugin_set plugins;
	struct popgate_session session;
	struct authorization authorization;
	struct authorization_step step;
	struct line_reader reader;
	struct sasl sasl;
	int64_t login_deadline, begun; /* begun: when the credential was there */
	const char *data;
	size_t size;
	char chunk[CHUNK];
};

enum progress { GOES_ON, OPENED, ENDED };

static int read_input(struct standalone *standalone, int64_t deadline)
{
	struct pollfd pollfd = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t got;
	int ready;

	if (output_flush(&standalone->session.output) != 0)
		return -1;
	ready = deadline_poll(&pollfd, 1, deadline);
	if (ready != 1)
		return -1;
	got = read(STDIN_FILENO, standalone->chunk, sizeof(standalone->chunk));
	if (got <= 0)
		return -1;
	standalone->data = standalone->chunk;
	standalone->size = (size_t)got;
	return 0;
}

static void send_reply(struct standalone *standalone)
{
	output_write(&standalone->session.output, standalone->step.reply, standalone->step.reply_size);
}

/* Holds a wrong password's answer back, as the broker would; it remembers nobody beyond this connection. */
static void hold_back(const struct standalone *standalone)
{
	int64_t most = standalone->conf->limits.login_penalty;
	int64_t due = standalone->begun + throttle_penalty(standalone->authorization.refused + 1, most);

	(void)deadline_poll(NULL, 0, due < standalone->login_deadline ? due : standalone->login_deadline);
}

static enum progress refuse(struct standalone *standalone, unsigned status)
{
	sasl_clear(&standalone->sasl);
	if (status == POPGATE_AUTH)
		hold_back(standalone);
	authorization_refused(&standalone->authorization, status, &standalone->step);
	send_reply(standalone);
	return standalone->step.action == AUTHORIZATION_CLOSE ? ENDED : GOES_ON;
}

/* Where the name leads, and as whom. 0, or -1: nowhere. */
static int find_place(struct standalone *standalone)
{
	const struct conf *conf = standalone->conf;
	struct popgate_session *session = &standalone->session;
	char upstream[SASL_NAME_MAX + 256];
	const struct conf_route *route;
	struct login_name name;
	const char *folder;
	size_t i;

	if (login_name_read(conf, CONF_ANY_LISTENER, standalone->sasl.name, &name) != 0 ||
	    route_find(conf, CONF_ANY_LISTENER, name.user, &i) != 0)
		return -1;
	route = &conf->routes[i];
	if (route_upstream_user(route, name.user, upstream, sizeof(upstream)) != 0)
		return -1;
	folder = name.view ? login_name_folder(&route->folders, name.folder) : NULL;
	session->backend = &conf->backends[route->backend];
	session->plugin = &standalone->plugins.items[route->backend];
	session->user = strdup(name.user);
	session->upstream_user = strdup(upstream);
	session->folder = folder == NULL ? NULL : strdup(folder);
	session->denied = name.view && folder == NULL;
	return 0;
}

/* The proven-or-not credential goes upstream, as the broker would send it there. */
static enum progress open_session(struct standalone *standalone)
{
	struct popgate_session *session = &standalone->session;
	struct popgate_error error;
	char text[400];

	if (find_place(standalone) != 0)
		return refuse(standalone, POPGATE_AUTH);
	session->utf8 = standalone->authorization.utf8;
	session->peer = strdup("stdin");
	session->tls = strdup("");
	secret_move(&session->secret, &standalone->sasl.password);
	if (session->user == NULL || session->upstream_user == NULL || session->peer == NULL || session->tls == NULL)
		return ENDED;
	if (session_open(session, text, sizeof(text), &error) != 0) {
		session_close(session);
		log_say(POPGATE_LOG_WARN, NULL, "login failed: %s", error.text);
		return refuse(standalone, error.status);
	}
	sasl_clear(&standalone->sasl);
	output_line(&session->output, "+OK %s", text);
	return OPENED;
}

static enum progress take_sasl(struct standalone *standalone, enum sasl_result result)
{
	const char *challenge = standalone->sasl.challenge;

	standalone->begun = deadline_now();
	switch (result) {
	case SASL_CONTINUE:
		authorization_challenge(&standalone->authorization, (const unsigned char *)challenge, strlen(challenge),
					&standalone->step);
		send_reply(standalone);
		return GOES_ON;
	case SASL_DONE:
		return open_session(standalone);
	case SASL_MALFORMED:
		return refuse(standalone, 0);
	case SASL_REFUSED:
		return refuse(standalone, POPGATE_AUTH);
	case SASL_NO_MEMORY:
		return refuse(standalone, POPGATE_TEMP);
	}
	return ENDED;
}

static enum progress take_login(struct standalone *standalone)
{
	const struct authorization_step *step = &standalone->step;
	enum mechanism mechanism = MECHANISM_USER;

	(void)mechanism_find(step->mechanism, strlen(step->mechanism), &mechanism);
	sasl_clear(&standalone->sasl);
	sasl_init(&standalone->sasl, mechanism);
	if (mechanism == MECHANISM_USER)
		return take_sasl(standalone, sasl_userpass(&standalone->sasl, step->user, step->user_size,
							   step->response, step->response_size));
	return take_sasl(standalone, sasl_step(&standalone->sasl, step->response, step->response_size));
}

static enum progress take_step(struct standalone *standalone)
{
	switch (standalone->step.action) {
	case AUTHORIZATION_LOGIN:
		return take_login(standalone);
	case AUTHORIZATION_RESPONSE:
		return take_sasl(standalone, sasl_step(&standalone->sasl, standalone->step.response,
						       standalone->step.response_size));
	case AUTHORIZATION_CANCEL:
		sasl_clear(&standalone->sasl);
		send_reply(standalone);
		return GOES_ON;
	case AUTHORIZATION_REPLY:
		send_reply(standalone);
		return GOES_ON;
	case AUTHORIZATION_STLS:
	case AUTHORIZATION_CLOSE:
		send_reply(standalone);
		return ENDED;
	}
	return ENDED;
}

static enum progress authorize(struct standalone *standalone)
{
	enum progress progress = GOES_ON;

	standalone->login_deadline = deadline_in(standalone->conf->limits.login_timeout);
	while (progress == GOES_ON) {
		enum line_event event;
		size_t used;

		if (standalone->size == 0 && read_input(standalone, standalone->login_deadline) != 0)
			return ENDED;
		standalone->reader.response = standalone->authorization.in_sasl;
		event = line_feed(&standalone->reader, standalone->data, standalone->size, &used);
		secret_wipe(standalone->chunk + (standalone->data - standalone->chunk), used);
		standalone->data += used;
		standalone->size -= used;
		if (event == LINE_MORE)
			continue;
		authorization_line(&standalone->authorization, event, standalone->reader.data, standalone->reader.size,
				   &standalone->step);
		progress = take_step(standalone);
	}
	return progress;
}

static void serve(struct standalone *standalone)
{
	struct popgate_session *session = &standalone->session;
	char id[LOG_SESSION_SIZE];

	session->conf = standalone->conf;
	session->lock.fd = session->report = -1;
	session->in = STDIN_FILENO;
	if (getrandom(&session->id, sizeof(session->id), 0) != (ssize_t)sizeof(session->id))
		session->id = (uint64_t)getpid();
	log_session_id(session->id, id);
	log_set_session(id);
	output_init(&session->output, STDOUT_FILENO, standalone->conf->limits.stall_timeout, NULL);
	output_line(&session->output, "+OK popgate ready");
	if (authorize(standalone) == OPENED) {
		session_tell_end(session, session_serve(session, standalone->data, standalone->size));
		session_close(session);
	} else {
		(void)output_flush(&session->output);
	}
	output_end(&session->output); /* a terminal is shared with who comes after us */
	authorization_reset(&standalone->authorization);
	sasl_clear(&standalone->sasl);
	line_clear(&standalone->reader);
}

int standalone_run(const struct conf *conf, const struct process_identity *identity)
{
	struct standalone *standalone = calloc(1, sizeof(*standalone));
	struct conf_report report = {0};
	int result = PROCESS_EXIT_FAILURE;

	if (standalone == NULL)
		return result;
	process_ignore_signals();
	process_keep_private();
	log_set_process("session");
	standalone->conf = conf;
	standalone->authorization.tls = true;
	if (conf->accounts_file != NULL) {
		conf_report_add(&report, conf->source, 0,
				"`accounts`: local accounts need `popgate serve`; here there is nobody who could prove "
				"them: give `popgate session` a configuration without accounts");
		result = PROCESS_EXIT_CONF;
	} else if (plugin_load(&standalone->plugins, conf, &host_functions, process_module_owner(identity), &report) !=
		   0) {
		result = PROCESS_EXIT_CONF;
	} else if (process_identity_assume(identity) == 0) {
		plugin_load_resolver();
		limits_inherit(&conf->limits);
		limits_start(&conf->limits);
		if (sandbox_enter(SANDBOX_SPAWNER, conf, &standalone->plugins.paths) == 0) {
			serve(standalone);
			result = PROCESS_EXIT_OK;
		}
		plugin_unload(&standalone->plugins);
	}
	(void)process_tell_faults(&report);
	free(standalone);
	return result;
}
