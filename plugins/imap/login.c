/* login - connection, TLS, authentication, the folder.
 *
 * No credential leaves before TLS is up and verified, unless security is
 * "none". Nothing that a server said in clear survives STARTTLS. Referrals
 * are never followed, PREAUTH is never taken for a proof.
 *
 * Runs in a session process.
 */
#include "login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "caps.h"
#include "enter.h"
#include "folder.h"
#include "special.h"

#define SECRET_MAX 65536u /* octets of a name or a password; OAuth tokens are long */

/* ---- capabilities and TLS ---------------------------------------------- */

static int ask_caps(struct conn *c, struct popgate_error *error)
{
	if (caps_read(c))
		return 0;
	if (conn_command(c, c->small, "CAPABILITY") != CONN_OK)
		return conn_fail(c, "CAPABILITY", STATUS_AT_GREETING, error);
	if (!caps_read(c))
		return status_fail(error, POPGATE_PROTOCOL, "CAPABILITY: no capabilities came");
	return 0;
}

static int start_tls(struct drop *drop, struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	if (ask_caps(c, error) != 0)
		return -1;
	if (!(c->caps & CAPS_STARTTLS))
		return status_fail(error, POPGATE_TEMP, "the server offers no STARTTLS");
	switch (conn_command(c, c->small, "STARTTLS")) {
	case CONN_OK:
		break;
	case CONN_NO:
	case CONN_GO_AHEAD:
	case CONN_BROKEN:
		conn_fail(c, "STARTTLS", STATUS_AT_GREETING, error);
		/* it says nothing about the mailbox */
		if (error->status == POPGATE_AUTH || error->status == POPGATE_PERM)
			error->status = POPGATE_TEMP;
		return -1;
	}
	/* somebody in between may have added commands' answers */
	if (c->imap->imap_stream->read_buffer_len > 0)
		return status_fail(error, POPGATE_TEMP, "STARTTLS: the server goes on in clear");
	caps_forget(c);
	if (transport_secure(c->transport, drop->conf->trust, drop->conf->server) != 0) {
		c->usable = false;
		memset(&c->status, 0, sizeof(c->status));
		return conn_fail(c, "STARTTLS", STATUS_AT_GREETING, error);
	}
	return 0;
}

/* ---- authentication ---------------------------------------------------- */

static char *encode_base64(const unsigned char *data, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((size + 2) / 3 * 4 + 1), *at = text;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		unsigned a = data[i], b = i + 1 < size ? data[i + 1] : 0, c = i + 2 < size ? data[i + 2] : 0;

		*at++ = digits[a >> 2];
		*at++ = digits[(a & 3) << 4 | b >> 4];
		*at++ = i + 1 < size ? digits[(b & 15) << 2 | c >> 6] : '=';
		*at++ = i + 2 < size ? digits[c & 63] : '=';
	}
	*at = '\0';
	return text;
}

static void wipe(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

/* RFC 4616: NUL user NUL password, in base64. NULL: no memory. */
static char *plain_response(const struct popgate_credential *credential)
{
	size_t user = strlen(credential->user), size = user + credential->secret_size + 2;
	unsigned char *message = malloc(size);
	char *text;

	if (message == NULL)
		return NULL;
	message[0] = '\0';
	memcpy(message + 1, credential->user, user);
	message[user + 1] = '\0';
	memcpy(message + user + 2, credential->secret, credential->secret_size);
	text = encode_base64(message, size);
	explicit_bzero(message, size);
	free(message);
	return text;
}

static enum conn_end authenticate_plain(struct conn *c, const char *response)
{
	static const char begin[] = "AUTHENTICATE PLAIN";
	size_t room = sizeof(begin) + strlen(response) + 2;
	enum conn_end end;
	char *line;

	if (c->caps & CAPS_SASL_IR) {
		line = malloc(room);
		if (line == NULL)
			return CONN_BROKEN;
		snprintf(line, room, "%s %s", begin, response);
		end = conn_offer(c, line, strlen(line));
		wipe(line);
	} else {
		end = conn_begin(c, begin, sizeof(begin) - 1);
	}
	/* some servers announce SASL-IR and then ask all the same */
	return end == CONN_GO_AHEAD ? conn_continue(c, response, strlen(response)) : end;
}

/* 8-bit names and passwords have no place in a quoted string: they go as literals. */
static enum conn_end login_literal(struct conn *c, const struct popgate_credential *credential)
{
	size_t room = strlen(credential->user) + 64;
	char *line = malloc(room);
	enum conn_end end;

	if (line == NULL)
		return CONN_BROKEN;
	snprintf(line, room, "LOGIN {%zu}", strlen(credential->user));
	end = conn_begin(c, line, strlen(line));
	if (end == CONN_GO_AHEAD) {
		snprintf(line, room, "%s {%zu}", credential->user, credential->secret_size);
		end = conn_next(c, line, strlen(line));
	}
	free(line);
	if (end != CONN_GO_AHEAD)
		return end;
	return conn_continue(c, (const char *)credential->secret, credential->secret_size);
}

typedef enum conn_end line_fn(struct conn *c, const char *line, size_t size);

static enum conn_end login_quoted(struct conn *c, const struct popgate_credential *credential, line_fn *send)
{
	char *user = folder_quote(credential->user), *secret = folder_quote((const char *)credential->secret);
	size_t room = user != NULL && secret != NULL ? strlen(user) + strlen(secret) + 8 : 0;
	char *line = room > 0 ? malloc(room) : NULL;
	enum conn_end end = CONN_BROKEN;

	if (line != NULL) {
		snprintf(line, room, "LOGIN %s %s", user, secret);
		end = send(c, line, strlen(line));
	}
	free(user);
	wipe(secret);
	wipe(line);
	return end;
}

static bool is_line_safe(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\0' || text[i] == '\r' || text[i] == '\n')
			return false;
	return size > 0 && size <= SECRET_MAX;
}

static enum conn_end send_credential(struct conn *c, const struct popgate_credential *credential)
{
	const char *secret = (const char *)credential->secret;
	enum conn_end end;
	char *response;

	if (!(c->caps & CAPS_PLAIN)) {
		bool ascii = folder_is_ascii(credential->user) && folder_is_ascii(secret);

		return ascii ? login_quoted(c, credential, conn_line) : login_literal(c, credential);
	}
	response = plain_response(credential);
	if (response == NULL)
		return CONN_BROKEN;
	end = authenticate_plain(c, response);
	wipe(response);
	return end;
}

/* Whether the answer's line holds text, in any case of letters; NULL (no memory to know it) counts as held. */
static bool line_holds(const char *line, size_t size, const char *text)
{
	size_t length = text != NULL ? strlen(text) : 0;

	for (size_t i = 0; i + length <= size; i++)
		if (text == NULL || strncasecmp(line + i, text, length) == 0)
			return true;
	return false;
}

/* Servers repeat a command that they refuse: BAD mostly, whatever became of the line; NO now and then. */
static bool repeats_secret(const struct conn *c, const struct popgate_credential *credential)
{
	char *quoted = folder_quote((const char *)credential->secret), *response = plain_response(credential);
	size_t size;
	const char *line = conn_current_line(c, &size);
	bool repeats = c->status.kind == LINE_BAD || line_holds(line, size, (const char *)credential->secret) ||
		       line_holds(line, size, quoted) || line_holds(line, size, response);

	wipe(quoted);
	wipe(response);
	return repeats;
}

static int login_failed(const struct conn *c, const struct popgate_credential *credential, struct popgate_error *error)
{
	conn_fail(c, "login", STATUS_AT_LOGIN, error);
	if (c->status.kind == LINE_OTHER || !repeats_secret(c, credential))
		return -1;
	return status_fail(error, error->status, "login: the server says %s, in words that may repeat the password",
			   c->status.kind == LINE_BAD ? "BAD" : "NO or BYE");
}

int login_ask_caps(struct drop *drop, struct popgate_error *error)
{
	if (drop->caps_due && ask_caps(&drop->conn, error) != 0)
		return -1;
	drop->caps_due = false;
	return 0;
}

/* ---- the whole ----------------------------------------------------------- */

/* A server that takes literals without being asked reads on behind a command's line, so it can take the commands
 * behind a LOGIN as well. A LOGIN in one line leaves no question open, which AUTHENTICATE may. */
static bool can_pipeline(const struct drop *drop, const struct popgate_credential *credential)
{
	const unsigned needed = CAPS_SASL_IR | CAPS_LITERAL;

	return drop->conf->pipeline_login && !drop->stepwise && (drop->conn.caps & needed) == needed &&
	       !(drop->conn.caps & CAPS_LOGINDISABLED) && enter_in_one_flight(drop) &&
	       folder_is_ascii(credential->user) && folder_is_ascii((const char *)credential->secret);
}

static int take_lock(struct drop *drop, struct popgate_error *error)
{
	int waited = drop->conf->host->lock(drop->session, drop->folder->name, error);

	drop->outdated = waited > 0;
	return waited < 0 ? -1 : 0;
}

/* LOGIN, and all that follows it, in one flight. The lock is taken once LOGIN is accepted, before anything else is
 * read. */
static int log_in_at_once(struct drop *drop, const struct popgate_credential *credential, bool fresh,
			  struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	conn_gather(c);
	if (login_quoted(c, credential, conn_send_line) == CONN_OK)
		enter_send(drop, fresh);
	if (conn_receive(c, NULL) != CONN_OK) {
		/* with more behind it a refusal may be lost to the reset that follows; or too much came at once */
		drop->stepwise = conn_is_lost(c) && c->status.kind == LINE_OTHER;
		return login_failed(c, credential, error);
	}
	drop->caps_due = !caps_read(c);
	return fresh ? take_lock(drop, error) : 0;
}

/* One after the other: what the server can do after the login counts for what follows. */
static int log_in_stepwise(struct drop *drop, const struct popgate_credential *credential, bool fresh,
			   struct popgate_error *error)
{
	if (send_credential(&drop->conn, credential) != CONN_OK)
		return login_failed(&drop->conn, credential, error);
	if (fresh && drop->folder->name != NULL && take_lock(drop, error) != 0)
		return -1;
	drop->outdated = false; /* nothing was read yet */
	if (login_ask_caps(drop, error) != 0)
		return -1;
	enter_send(drop, fresh);
	return 0;
}

static int authenticate(struct drop *drop, bool fresh, struct popgate_error *error)
{
	struct popgate_credential credential;
	struct conn *c = &drop->conn;

	if (!(c->caps & CAPS_PLAIN) && (c->caps & CAPS_LOGINDISABLED))
		return status_fail(error, POPGATE_PERM, "the server disables LOGIN and offers no AUTH=PLAIN");
	if (c->host->credential(drop->session, &credential, error) != 0)
		return -1;
	if (!is_line_safe(credential.user, strlen(credential.user)) ||
	    !is_line_safe((const char *)credential.secret, credential.secret_size))
		return status_fail(error, POPGATE_AUTH, "user name or password is empty or holds CR, LF or NUL");
	/* what the greeting offered may differ from what a user gets */
	caps_forget(c);
	drop->caps_due = true;
	return can_pipeline(drop, &credential) ? log_in_at_once(drop, &credential, fresh, error)
					       : log_in_stepwise(drop, &credential, fresh, error);
}

/* A folder that is asked for by its use has its name, and its lock, only now. */
static int find_folder(struct drop *drop, bool fresh, struct popgate_error *error)
{
	if (drop->folder->name != NULL)
		return 0;
	if (special_find(drop, &drop->own, error) != 0 || (fresh && take_lock(drop, error) != 0))
		return -1;
	drop->outdated = false;
	return 0;
}

static int log_in(struct drop *drop, bool fresh, int64_t deadline, struct popgate_error *error)
{
	const struct imap_conf *conf = drop->conf;

	if (conn_open(&drop->conn, conf->server, conf->port, conf->security == CONF_TLS ? conf->trust : NULL, deadline,
		      error) != 0)
		return -1;
	if (conf->security == CONF_STARTTLS && start_tls(drop, error) != 0)
		return -1;
	if (ask_caps(&drop->conn, error) != 0 || authenticate(drop, fresh, error) != 0)
		return -1;
	if (enter_introduced(drop, error) != 0 || find_folder(drop, fresh, error) != 0)
		return -1;
	return enter_receive(drop, fresh, error);
}

int login_open(struct drop *drop, bool fresh, int64_t deadline, struct popgate_error *error)
{
	bool before = drop->stepwise;
	int result = log_in(drop, fresh, deadline, error);

	if (result != 0 && drop->stepwise != before) {
		conn_close(&drop->conn);
		result = log_in(drop, fresh, deadline, error);
	}
	if (result != 0)
		conn_close(&drop->conn);
	return result;
}

int login_again(struct drop *drop, int64_t deadline, struct popgate_error *error)
{
	uint32_t uidvalidity = drop->uidvalidity;

	drop->dead = drop->dead || drop->conn.replaced;
	if (drop->dead)
		return status_fail(error, POPGATE_TEMP, "the mailbox was lost earlier in this session");
	if (drop->conn.usable)
		return 0;
	conn_close(&drop->conn);
	drop->sequence_known = false;
	drop->dead = true;
	if (login_open(drop, false, deadline, error) != 0) {
		/* the user has been let in before: whatever this is, the credential's refusal is not news for now */
		if (error->status != POPGATE_STOPPED)
			error->status = POPGATE_TEMP;
		return -1;
	}
	if (drop->uidvalidity != uidvalidity) {
		conn_close(&drop->conn);
		return status_fail(error, POPGATE_TEMP, "UIDVALIDITY changed from %u to %u", uidvalidity,
				   drop->uidvalidity);
	}
	drop->dead = false;
	drop->conn.host->log(drop->session, POPGATE_LOG_INFO, "upstream connection lost and restored");
	return 0;
}
