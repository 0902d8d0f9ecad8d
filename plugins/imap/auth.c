/* auth - see auth.h.
 *
 * Under TLS what takes the fewest round trips comes first; in clear, what shows no password. A fixed mechanism is never
 * replaced by another one. A password is never a proof where a certificate is, nor the other way round.
 *
 * Runs in a session process.
 */
#include "auth.h"

#include <string.h>

#include "caps.h"
#include "mechanism.h"
#include "oauth.h"
#include "scram.h"

#define SECRET_MAX 65536u /* octets of a name or a password; OAuth tokens are long */

static const struct {
	const char *name;
	mechanism_fn *run;
	unsigned cap, better_cap; /* what offers it; better_cap: with channel binding, under TLS */
	enum popgate_secret_kind kind;
	bool acts_for; /* takes a master user */
} mechanisms[] = {
    [CONF_AUTH_LOGIN] = {"LOGIN", mechanism_login, 0, 0, POPGATE_PASSWORD, false},
    [CONF_AUTH_PLAIN] = {"PLAIN", mechanism_plain, CAPS_PLAIN, 0, POPGATE_PASSWORD, true},
    [CONF_AUTH_SASL_LOGIN] = {"LOGIN", mechanism_sasl_login, CAPS_SASL_LOGIN, 0, POPGATE_PASSWORD, false},
    [CONF_AUTH_SCRAM_SHA_256] = {"SCRAM-SHA-256", mechanism_scram_256, CAPS_SCRAM_256, CAPS_SCRAM_256_PLUS,
				 POPGATE_PASSWORD, true},
    [CONF_AUTH_SCRAM_SHA_1] = {"SCRAM-SHA-1", mechanism_scram_1, CAPS_SCRAM_1, CAPS_SCRAM_1_PLUS, POPGATE_PASSWORD,
			       true},
    /* a token says itself whose it is */
    [CONF_AUTH_OAUTHBEARER] = {"OAUTHBEARER", mechanism_bearer, CAPS_OAUTHBEARER, 0, POPGATE_TOKEN, true},
    [CONF_AUTH_XOAUTH2] = {"XOAUTH2", mechanism_xoauth2, CAPS_XOAUTH2, 0, POPGATE_TOKEN, true},
    [CONF_AUTH_EXTERNAL] = {"EXTERNAL", mechanism_external, CAPS_EXTERNAL, 0, POPGATE_NONE, true},
};

#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

static const enum conf_auth under_tls[] = {CONF_AUTH_PLAIN,	  CONF_AUTH_LOGIN,	CONF_AUTH_SCRAM_SHA_256,
					   CONF_AUTH_SCRAM_SHA_1, CONF_AUTH_SASL_LOGIN, CONF_AUTH_OAUTHBEARER,
					   CONF_AUTH_XOAUTH2,	  CONF_AUTH_EXTERNAL};
static const enum conf_auth in_clear[] = {CONF_AUTH_SCRAM_SHA_256, CONF_AUTH_SCRAM_SHA_1, CONF_AUTH_PLAIN,
					  CONF_AUTH_LOGIN,	   CONF_AUTH_SASL_LOGIN,  CONF_AUTH_OAUTHBEARER,
					  CONF_AUTH_XOAUTH2};

/* ---- which one ----------------------------------------------------------- */

static bool is_allowed(const struct imap_conf *conf, enum conf_auth auth)
{
	if (auth == CONF_AUTH_EXTERNAL && !conf->certificate)
		return false;
	return conf->auth == CONF_AUTH_AUTO || conf->auth == auth;
}

unsigned auth_takes(const struct imap_conf *conf)
{
	static const unsigned kinds[] = {
	    [POPGATE_PASSWORD] = 0, [POPGATE_TOKEN] = POPGATE_TAKES_TOKEN, [POPGATE_NONE] = POPGATE_TAKES_NONE};
	unsigned takes = POPGATE_TAKES_FOLDER;

	for (size_t i = CONF_AUTH_AUTO + 1; i < MECHANISMS; i++)
		if (is_allowed(conf, (enum conf_auth)i))
			takes |= kinds[mechanisms[i].kind] | (mechanisms[i].acts_for ? POPGATE_TAKES_MASTER : 0);
	return takes;
}

static bool is_offered(const struct drop *drop, enum conf_auth auth)
{
	unsigned caps = drop->conn.caps;

	if (auth == CONF_AUTH_LOGIN)
		return !(caps & CAPS_LOGINDISABLED);
	if (mechanisms[auth].better_cap == 0)
		return (caps & mechanisms[auth].cap) != 0;
	if (!scram_is_there())
		return false;
	return (caps & mechanisms[auth].cap) || (drop->conf->trust != NULL && (caps & mechanisms[auth].better_cap));
}

static bool fits(const struct drop *drop, const struct popgate_credential *credential, enum popgate_secret_kind kind,
		 enum conf_auth auth)
{
	return is_allowed(drop->conf, auth) && mechanisms[auth].kind == kind && is_offered(drop, auth) &&
	       (mechanisms[auth].acts_for || !mechanism_acts_for(drop, credential));
}

static int offers_none(const struct drop *drop, enum popgate_secret_kind kind, struct popgate_error *error)
{
	static const char *const kinds[] = {
	    [POPGATE_PASSWORD] = "a password", [POPGATE_TOKEN] = "an OAuth token", [POPGATE_NONE] = "a certificate"};
	const enum popgate_status status = (drop->flags & POPGATE_OPEN_STRANGER) != 0 ? POPGATE_AUTH : POPGATE_PERM;

	if (drop->conf->auth != CONF_AUTH_AUTO && mechanisms[drop->conf->auth].kind != kind)
		return status_fail(error, status, "auth is fixed to %s, which takes no %s%s",
				   mechanisms[drop->conf->auth].name, strchr(kinds[kind], ' ') + 1,
				   kind == POPGATE_PASSWORD ? ": the user needs a local account" : "");
	if (drop->conf->auth != CONF_AUTH_AUTO)
		return status_fail(error, status, "auth is fixed to %s, which the server does not offer for %s",
				   mechanisms[drop->conf->auth].name, kinds[kind]);
	if (kind == POPGATE_PASSWORD && (drop->conn.caps & CAPS_LOGINDISABLED))
		return status_fail(error, status,
				   "the server disables LOGIN and offers no other mechanism for this password");
	return status_fail(error, status, "the server offers no mechanism for %s", kinds[kind]);
}

static bool is_line_safe(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\0' || text[i] == '\r' || text[i] == '\n')
			return false;
	return size > 0 && size <= SECRET_MAX;
}

static int check_credential(const struct drop *drop, const struct popgate_credential *credential,
			    enum popgate_secret_kind kind, struct popgate_error *error)
{
	const char *secret = (const char *)credential->secret;

	if (!is_line_safe(credential->user, strlen(credential->user)) || !is_line_safe(drop->user, strlen(drop->user)))
		return status_fail(error, POPGATE_AUTH, "the user name is empty or holds CR, LF or NUL");
	switch (kind) {
	case POPGATE_PASSWORD:
		if (is_line_safe(secret, credential->secret_size))
			return 0;
		return status_fail(error, POPGATE_AUTH, "the password is empty or holds CR, LF or NUL");
	case POPGATE_TOKEN:
		if (credential->secret_size <= SECRET_MAX &&
		    oauth_is_sound(drop->user, credential->secret, credential->secret_size))
			return 0;
		return status_fail(error, POPGATE_AUTH, "the token is empty or holds what no token does");
	case POPGATE_NONE:
		return 0;
	}
	return status_fail(error, POPGATE_PERM, "a secret of an unknown kind");
}

int auth_choose(const struct drop *drop, const struct popgate_credential *credential, enum conf_auth *auth_r,
		struct popgate_error *error)
{
	enum popgate_secret_kind kind = drop->conf->host->secret_kind(drop->session);
	bool tls = drop->conf->trust != NULL;
	const enum conf_auth *order = tls ? under_tls : in_clear;
	size_t count = tls ? sizeof(under_tls) / sizeof(under_tls[0]) : sizeof(in_clear) / sizeof(in_clear[0]);

	if (check_credential(drop, credential, kind, error) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (fits(drop, credential, kind, order[i])) {
			*auth_r = order[i];
			return 0;
		}
	return offers_none(drop, kind, error);
}

bool auth_is_login(const struct drop *drop, const struct popgate_credential *credential, enum conf_auth auth)
{
	return (auth == CONF_AUTH_LOGIN || (auth == CONF_AUTH_PLAIN && drop->conf->auth == CONF_AUTH_AUTO)) &&
	       is_offered(drop, CONF_AUTH_LOGIN) && !mechanism_acts_for(drop, credential);
}

int auth_run(struct drop *drop, const struct popgate_credential *credential, enum conf_auth auth,
	     struct popgate_error *error)
{
	const struct attempt attempt = {.drop = drop, .conn = &drop->conn, .credential = credential, .error = error};

	return mechanisms[auth].run(&attempt);
}
