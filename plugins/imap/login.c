/* login - connection, TLS, authentication, the folder.
 *
 * No credential leaves before TLS is up and verified, unless security is
 * "none". Nothing that a server said in clear survives STARTTLS. Referrals
 * are never followed, PREAUTH is never taken for a proof.
 *
 * Runs in a session process.
 */
#include "login.h"

#include <string.h>

#include "auth.h"
#include "caps.h"
#include "enter.h"
#include "folder.h"
#include "mechanism.h"
#include "special.h"

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
static bool can_pipeline(const struct drop *drop, const struct popgate_credential *credential, enum conf_auth auth)
{
	const unsigned needed = CAPS_SASL_IR | CAPS_LITERAL;

	return drop->conf->pipeline_login && !drop->stepwise && (drop->conn.caps & needed) == needed &&
	       auth_is_login(drop, credential, auth) && enter_in_one_flight(drop) &&
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
	if (mechanism_send_login(drop, credential) == CONN_OK)
		enter_send(drop, fresh);
	if (conn_receive(c, NULL) != CONN_OK) {
		/* with more behind it a refusal may be lost to the reset that follows; or too much came at once */
		drop->stepwise = conn_is_lost(c) && c->status.kind == LINE_OTHER;
		return mechanism_refused(drop, credential, error);
	}
	drop->caps_due = !caps_read(c);
	return fresh ? take_lock(drop, error) : 0;
}

/* One after the other: what the server can do after the login counts for what follows. */
static int log_in_stepwise(struct drop *drop, const struct popgate_credential *credential, enum conf_auth auth,
			   bool fresh, struct popgate_error *error)
{
	if (auth_run(drop, credential, auth, error) != 0)
		return -1;
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
	enum conf_auth auth;

	if (c->host->credential(drop->session, &credential, error) != 0 ||
	    auth_choose(drop, &credential, &auth, error) != 0)
		return -1;
	drop->tried = true;
	/* what the greeting offered may differ from what a user gets */
	caps_forget(c);
	drop->caps_due = true;
	return can_pipeline(drop, &credential, auth) ? log_in_at_once(drop, &credential, fresh, error)
						     : log_in_stepwise(drop, &credential, auth, fresh, error);
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

	drop->tried = false;
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

/* The upstream has refused a token: whether there is a newer one. If none can be had, the refusal stands. */
static bool renew(struct drop *drop, struct popgate_error *error)
{
	const struct popgate_host *host = drop->conf->host;
	struct popgate_credential credential;
	struct popgate_error why;

	if (!drop->tried || error->status != POPGATE_AUTH || host->secret_kind(drop->session) != POPGATE_TOKEN)
		return false;
	if (host->renew(drop->session, &credential, &why) == 0)
		return true;
	if (why.status != POPGATE_AUTH)
		*error = why;
	return false;
}

int login_open(struct drop *drop, bool fresh, int64_t deadline, struct popgate_error *error)
{
	bool before = drop->stepwise;
	int result = log_in(drop, fresh, deadline, error);

	if (result != 0 && (drop->stepwise != before || renew(drop, error))) {
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
