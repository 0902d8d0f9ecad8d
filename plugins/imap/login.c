/* login - connection, TLS, authentication, ID, SELECT.
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

#include "folder.h"

#define SECRET_MAX 65536u /* octets of a name or a password; OAuth tokens are long */

/* ---- capabilities and TLS ---------------------------------------------- */

static int ask_caps(struct conn *c, struct popgate_error *error)
{
	if (conn_read_caps(c))
		return 0;
	if (conn_command(c, &conn_small, "CAPABILITY") != CONN_OK)
		return conn_fail(c, "CAPABILITY", STATUS_AT_GREETING, error);
	if (!conn_read_caps(c))
		return status_fail(error, POPGATE_PROTOCOL, "CAPABILITY: no capabilities came");
	return 0;
}

static int start_tls(struct drop *drop, struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	if (ask_caps(c, error) != 0)
		return -1;
	if (!(c->caps & CONN_CAP_STARTTLS))
		return status_fail(error, POPGATE_TEMP, "the server offers no STARTTLS");
	switch (conn_command(c, &conn_small, "STARTTLS")) {
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
	conn_forget_caps(c);
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

	if (c->caps & CONN_CAP_SASL_IR) {
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

static enum conn_end login_quoted(struct conn *c, const struct popgate_credential *credential)
{
	char *user = folder_quote(credential->user), *secret = folder_quote((const char *)credential->secret);
	size_t room = user != NULL && secret != NULL ? strlen(user) + strlen(secret) + 8 : 0;
	char *line = room > 0 ? malloc(room) : NULL;
	enum conn_end end = CONN_BROKEN;

	if (line != NULL) {
		snprintf(line, room, "LOGIN %s %s", user, secret);
		end = conn_line(c, line, strlen(line));
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

	if (!(c->caps & CONN_CAP_PLAIN)) {
		bool ascii = folder_is_ascii(credential->user) && folder_is_ascii(secret);

		return ascii ? login_quoted(c, credential) : login_literal(c, credential);
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

static int authenticate(struct drop *drop, struct popgate_error *error)
{
	struct popgate_credential credential;
	struct conn *c = &drop->conn;

	if (!(c->caps & CONN_CAP_PLAIN) && (c->caps & CONN_CAP_LOGINDISABLED))
		return status_fail(error, POPGATE_PERM, "the server disables LOGIN and offers no AUTH=PLAIN");
	if (c->host->credential(drop->session, &credential, error) != 0)
		return -1;
	if (!is_line_safe(credential.user, strlen(credential.user)) ||
	    !is_line_safe((const char *)credential.secret, credential.secret_size))
		return status_fail(error, POPGATE_AUTH, "user name or password is empty or holds CR, LF or NUL");
	/* what the greeting offered may differ from what a user gets */
	conn_forget_caps(c);
	return send_credential(c, &credential) == CONN_OK ? 0 : login_failed(c, &credential, error);
}

/* ---- the folder -------------------------------------------------------- */

/* Servers that have no use for these say NO or BAD, which is fine. */
static int introduce(struct drop *drop, struct popgate_error *error)
{
	struct conn *c = &drop->conn;

	if (drop->conf->send_id && (c->caps & CONN_CAP_ID) &&
	    conn_command(c, &conn_small,
			 "ID (\"name\" \"popgate\" \"version\" \"" IMAP_VERSION
			 "\" \"vendor\" \"popgate\")") == CONN_BROKEN)
		return conn_fail(c, "ID", STATUS_AT_COMMAND, error);
	drop->utf8 = false;
	if ((drop->flags & POPGATE_OPEN_UTF8) && (c->caps & CONN_CAP_ENABLE) && (c->caps & CONN_CAP_UTF8_ACCEPT)) {
		enum conn_end end = conn_command(c, &conn_small, "ENABLE UTF8=ACCEPT");

		if (end == CONN_BROKEN)
			return conn_fail(c, "ENABLE", STATUS_AT_COMMAND, error);
		drop->utf8 = end == CONN_OK;
	}
	return 0;
}

/* libetpan collects a SELECT's data in a structure that must be there before. */
static int prepare_selection(mailimap *imap)
{
	if (imap->imap_selection_info != NULL)
		mailimap_selection_info_free(imap->imap_selection_info);
	imap->imap_selection_info = mailimap_selection_info_new();
	if (imap->imap_selection_info == NULL)
		return -1;
	imap->imap_selection_info->sel_perm = MAILIMAP_MAILBOX_READWRITE;
	return 0;
}

static int select_folder(struct drop *drop, struct popgate_error *error)
{
	const struct imap_conf *conf = drop->conf;
	const char *verb = conf->delete == CONF_KEEP ? "EXAMINE" : "SELECT";
	const char *name = drop->utf8 ? conf->folder_utf8 : conf->folder_utf7;
	const struct mailimap_selection_info *info;
	struct conn *c = &drop->conn;

	if (prepare_selection(c->imap) != 0)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	if (conn_command(c, &conn_small, "%s %s", verb, name) != CONN_OK)
		return conn_fail(c, verb, conf->inbox ? STATUS_AT_SELECT : STATUS_AT_SELECT_OTHER, error);
	info = c->imap->imap_selection_info;
	if (info->sel_uidvalidity == 0)
		return status_fail(error, POPGATE_PROTOCOL, "%s: the server gives no UIDVALIDITY", verb);
	if (!info->sel_has_exists)
		return status_fail(error, POPGATE_PROTOCOL, "%s: the server gives no EXISTS", verb);
	drop->uidvalidity = c->uidvalidity = info->sel_uidvalidity;
	drop->exists = info->sel_exists;
	drop->read_only = info->sel_perm == MAILIMAP_MAILBOX_READONLY || strcmp(c->status.code, "READ-ONLY") == 0;
	return 0;
}

static int log_in(struct drop *drop, bool lock, int64_t deadline, struct popgate_error *error)
{
	const struct imap_conf *conf = drop->conf;
	struct conn *c = &drop->conn;

	if (conn_open(c, conf->server, conf->port, conf->security == CONF_TLS ? conf->trust : NULL, deadline, error) !=
	    0)
		return -1;
	if (conf->security == CONF_STARTTLS && start_tls(drop, error) != 0)
		return -1;
	if (ask_caps(c, error) != 0 || authenticate(drop, error) != 0)
		return -1;
	if (lock && c->host->lock(drop->session, conf->folder, error) != 0)
		return -1;
	if (ask_caps(c, error) != 0 || introduce(drop, error) != 0)
		return -1;
	return select_folder(drop, error);
}

int login_open(struct drop *drop, bool lock, int64_t deadline, struct popgate_error *error)
{
	if (log_in(drop, lock, deadline, error) == 0)
		return 0;
	conn_close(&drop->conn);
	return -1;
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
