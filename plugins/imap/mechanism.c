/* mechanism - see mechanism.h.
 *
 * What holds a secret is wiped before it is freed. What a server says is looked at before it is believed, and what it
 * repeats of a secret never gets into an error's text. Runs in a session process.
 */
#include "mechanism.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base64.h"
#include "caps.h"
#include "folder.h"
#include "oauth.h"
#include "scram.h"

#define CHALLENGE_MAX 4096u /* characters of a challenge that is read */

bool mechanism_acts_for(const struct drop *drop, const struct popgate_credential *credential)
{
	return strcmp(credential->user, drop->user) != 0;
}

/* ---- refusals ------------------------------------------------------------ */

/* RFC 4616: whom to act for, NUL, user, NUL, password, in base64. NULL: no memory. */
static char *plain_response(const struct drop *drop, const struct popgate_credential *credential)
{
	const char *acts_for = mechanism_acts_for(drop, credential) ? drop->user : "";
	size_t before = strlen(acts_for) + 1, user = strlen(credential->user) + 1;
	size_t size = before + user + credential->secret_size;
	char *message = malloc(size), *text;

	if (message == NULL)
		return NULL;
	memcpy(message, acts_for, before);
	memcpy(message + before, credential->user, user);
	memcpy(message + before + user, credential->secret, credential->secret_size);
	text = base64_encode(message, size);
	explicit_bzero(message, size);
	free(message);
	return text;
}

static char *bearer_response(const struct drop *drop, const struct popgate_credential *credential)
{
	const struct oauth_place place = {drop->conf->server, drop->conf->port};

	return oauth_bearer(drop->user, (const char *)credential->secret, &place);
}

static char *xoauth2_response(const struct drop *drop, const struct popgate_credential *credential)
{
	return oauth_xoauth2(drop->user, (const char *)credential->secret);
}

static char *secret_alone(const struct drop *drop, const struct popgate_credential *credential)
{
	(void)drop;
	return base64_encode(credential->secret, credential->secret_size);
}

static char *secret_quoted(const struct drop *drop, const struct popgate_credential *credential)
{
	(void)drop;
	return folder_quote((const char *)credential->secret);
}

static char *secret_bare(const struct drop *drop, const struct popgate_credential *credential)
{
	(void)drop;
	return strdup((const char *)credential->secret);
}

/* The forms in which a secret goes out. */
typedef char *form_fn(const struct drop *drop, const struct popgate_credential *credential);
static form_fn *const forms[] = {secret_bare,	 secret_quoted,	  secret_alone,
				 plain_response, bearer_response, xoauth2_response};

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
static bool repeats_secret(const struct drop *drop, const struct popgate_credential *credential)
{
	bool repeats = drop->conn.status.kind == LINE_BAD;
	size_t size;
	const char *line = conn_current_line(&drop->conn, &size);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !repeats && credential->secret_size > 0; i++) {
		char *form = forms[i](drop, credential);

		repeats = line_holds(line, size, form);
		base64_wipe(form);
	}
	return repeats;
}

int mechanism_refused(const struct drop *drop, const struct popgate_credential *credential, struct popgate_error *error)
{
	const struct conn *c = &drop->conn;

	conn_fail(c, "login", STATUS_AT_LOGIN, error);
	if (c->status.kind == LINE_OTHER || !repeats_secret(drop, credential))
		return -1;
	return status_fail(error, error->status, "login: the server says %s, in words that may repeat the password",
			   c->status.kind == LINE_BAD ? "BAD" : "NO or BYE");
}

static int finish(const struct attempt *a, enum conn_end end)
{
	return end == CONN_OK ? 0 : mechanism_refused(a->drop, a->credential, a->error);
}

static int no_memory(const struct attempt *a)
{
	return status_fail(a->error, POPGATE_TEMP, "out of memory");
}

/* ---- LOGIN --------------------------------------------------------------- */

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
	base64_wipe(secret);
	base64_wipe(line);
	return end;
}

enum conn_end mechanism_send_login(struct drop *drop, const struct popgate_credential *credential)
{
	return login_quoted(&drop->conn, credential, conn_send_line);
}

int mechanism_login(const struct attempt *a)
{
	bool ascii = folder_is_ascii(a->credential->user) && folder_is_ascii((const char *)a->credential->secret);

	return finish(a,
		      ascii ? login_quoted(a->conn, a->credential, conn_line) : login_literal(a->conn, a->credential));
}

/* ---- AUTHENTICATE -------------------------------------------------------- */

/* Sends the command, with the first message where the server takes that along (RFC 4959). */
static enum conn_end begin(struct conn *c, const char *name, const char *first)
{
	size_t room = strlen(name) + strlen(first) + 16;
	enum conn_end end;
	char *line = malloc(room);
	int n;

	if (line == NULL)
		return CONN_BROKEN;
	n = snprintf(line, room, "AUTHENTICATE %s", name);
	if ((c->caps & CAPS_SASL_IR) && room <= CONN_COMMAND_MAX) {
		snprintf(line + n, room - (size_t)n, " %s", first);
		end = conn_offer(c, line, strlen(line));
	} else {
		end = conn_begin(c, line, strlen(line));
	}
	base64_wipe(line);
	return end;
}

/* The same for a message that is all there is to say: some servers announce SASL-IR and then ask all the same. */
static enum conn_end say_all(struct conn *c, const char *name, const char *message)
{
	enum conn_end end = begin(c, name, message);

	return end == CONN_GO_AHEAD ? conn_continue(c, message, strlen(message)) : end;
}

int mechanism_plain(const struct attempt *a)
{
	char *response = plain_response(a->drop, a->credential);
	enum conn_end end = response != NULL ? say_all(a->conn, "PLAIN", response) : CONN_BROKEN;

	base64_wipe(response);
	return finish(a, end);
}

/* Whom the certificate stands for, only the server knows: so it is told who is expected. */
int mechanism_external(const struct attempt *a)
{
	char *response = base64_encode(a->drop->user, strlen(a->drop->user));
	enum conn_end end = response != NULL ? say_all(a->conn, "EXTERNAL", response) : CONN_BROKEN;

	free(response);
	return finish(a, end);
}

/* Two questions, whatever they say, and two answers. */
int mechanism_sasl_login(const struct attempt *a)
{
	static const char line[] = "AUTHENTICATE LOGIN";
	char *user = base64_encode(a->credential->user, strlen(a->credential->user));
	char *secret = secret_alone(a->drop, a->credential);
	enum conn_end end = user != NULL && secret != NULL ? conn_begin(a->conn, line, sizeof(line) - 1) : CONN_BROKEN;

	if (end == CONN_GO_AHEAD)
		end = conn_next(a->conn, user, strlen(user));
	if (end == CONN_GO_AHEAD)
		end = conn_continue(a->conn, secret, strlen(secret));
	free(user);
	base64_wipe(secret);
	return finish(a, end);
}

/* ---- OAuth --------------------------------------------------------------- */

/* The server explains itself in a challenge, and refuses once that has been answered. */
static int run_refusal(const struct attempt *a, const char *answer)
{
	size_t size;
	const char *challenge = conn_challenge(a->conn, &size);
	struct oauth_refusal refusal = oauth_read_refusal(challenge, size);

	if (conn_continue(a->conn, answer, strlen(answer)) == CONN_OK) {
		a->conn->usable = false;
		return status_fail(a->error, POPGATE_PROTOCOL, "login: the server accepts a token that it has refused");
	}
	mechanism_refused(a->drop, a->credential, a->error);
	if (refusal.word == NULL || a->conn->status.kind != LINE_NO ||
	    (a->error->status != POPGATE_AUTH && status_has_code(&a->conn->status)))
		return -1;
	return status_fail(a->error, refusal.status, "login: the server refuses the token: %s", refusal.word);
}

static int run_token(const struct attempt *a, const char *name, char *response, const char *answer)
{
	enum conn_end end;
	size_t size;

	if (response == NULL)
		return no_memory(a);
	end = begin(a->conn, name, response);
	/* an empty challenge asks for the message */
	if (end == CONN_GO_AHEAD && (conn_challenge(a->conn, &size), size == 0))
		end = conn_reply(a->conn, response, strlen(response));
	base64_wipe(response);
	return end == CONN_GO_AHEAD ? run_refusal(a, answer) : finish(a, end);
}

int mechanism_bearer(const struct attempt *a)
{
	return run_token(a, "OAUTHBEARER", bearer_response(a->drop, a->credential), "AQ==");
}

int mechanism_xoauth2(const struct attempt *a)
{
	return run_token(a, "XOAUTH2", xoauth2_response(a->drop, a->credential), "");
}

/* ---- SCRAM --------------------------------------------------------------- */

/* No password was shown, and nothing that the server says counts any more. */
static int distrust(const struct attempt *a, const char *why)
{
	a->conn->usable = false;
	return status_fail(a->error, POPGATE_PROTOCOL, "login: SCRAM: the server sends %s", why);
}

/* What the server has said, decoded. NULL: nothing that can be read. */
static char *read_challenge(struct conn *c, size_t *size_r)
{
	size_t size;
	const char *text = conn_challenge(c, &size);

	return size <= CHALLENGE_MAX ? base64_decode(text, size, size_r) : NULL;
}

static enum conn_end reply(struct conn *c, const char *message)
{
	char *text = message != NULL ? base64_encode(message, strlen(message)) : NULL;
	enum conn_end end = text != NULL ? conn_reply(c, text, strlen(text)) : CONN_BROKEN;

	base64_wipe(text);
	return end;
}

/* The server's last message. */
static int scram_end(const struct attempt *a, struct scram *scram)
{
	size_t size = 0;
	char *challenge = read_challenge(a->conn, &size);
	bool refused = false;
	const char *why =
	    challenge != NULL ? scram_judge(scram, challenge, size, &refused) : "a last message that is none";

	free(challenge);
	if (refused && conn_continue(a->conn, "", 0) != CONN_OK)
		return status_fail(a->error, POPGATE_AUTH, "login: the server refuses the proof of the password");
	if (why != NULL)
		return distrust(a, why);
	return finish(a, conn_continue(a->conn, "", 0));
}

/* The server's first message. */
static int scram_middle(const struct attempt *a, struct scram *scram)
{
	size_t size = 0;
	char *challenge = read_challenge(a->conn, &size), *second = NULL;
	const char *why = "a first message that is none";
	enum conn_end end;

	if (challenge != NULL)
		second = scram_second(scram, challenge, size, &why);
	free(challenge);
	if (second == NULL)
		return distrust(a, why);
	end = reply(a->conn, second);
	base64_wipe(second);
	if (end == CONN_OK)
		return distrust(a, "no proof that it knows the password");
	return end == CONN_GO_AHEAD ? scram_end(a, scram) : finish(a, end);
}

static int run_scram(const struct attempt *a, struct scram_wish *wish)
{
	struct scram *scram = scram_new(wish);
	char *first = scram != NULL ? base64_encode(scram_first(scram), strlen(scram_first(scram))) : NULL;
	enum conn_end end = CONN_BROKEN;
	int result = -1;
	size_t size;

	if (first == NULL) {
		scram_free(&scram);
		return status_fail(a->error, POPGATE_PERM, "the name or the password is none that SCRAM takes");
	}
	end = begin(a->conn, scram_name(wish), first);
	if (end == CONN_GO_AHEAD && (conn_challenge(a->conn, &size), size == 0))
		end = conn_reply(a->conn, first, strlen(first));
	free(first);
	if (end == CONN_GO_AHEAD)
		result = scram_middle(a, scram);
	else
		result = end == CONN_OK ? distrust(a, "no proof that it knows the password") : finish(a, end);
	scram_free(&scram);
	return result;
}

static int scram(const struct attempt *a, bool sha_256, unsigned plus)
{
	unsigned char binding[TRANSPORT_BINDING_MAX];
	struct scram_wish wish = {.sha_256 = sha_256,
				  .user = a->credential->user,
				  .acts_for = mechanism_acts_for(a->drop, a->credential) ? a->drop->user : NULL,
				  .secret = a->credential->secret,
				  .secret_size = a->credential->secret_size,
				  .binding = binding};

	if (a->conn->caps & plus)
		wish.binding_size = transport_binding(a->conn->transport, binding, &wish.exporter);
	return run_scram(a, &wish);
}

int mechanism_scram_256(const struct attempt *a)
{
	return scram(a, true, CAPS_SCRAM_256_PLUS);
}

int mechanism_scram_1(const struct attempt *a)
{
	return scram(a, false, CAPS_SCRAM_1_PLUS);
}
