/* conf - a backend's settings: the key table and the checked values. */
#ifndef IMAP_CONF_H
#define IMAP_CONF_H

#include <stdbool.h>

#include <popgate/plugin.h>

#include "guard.h"
#include "place.h"
#include "trust.h"

#define IMAP_VERSION "0.1.0"

enum conf_security { CONF_TLS, CONF_STARTTLS, CONF_NONE };
/* On servers without UIDPLUS: EXPUNGE when nothing but ours is marked, refuse, or UID MOVE to the trash. */
enum conf_without { CONF_ALONE, CONF_REFUSE, CONF_MOVE_ONLY };
/* In the order of the setting's choices. */
enum conf_auth {
	CONF_AUTH_AUTO,
	CONF_AUTH_LOGIN, /* the command; the others go by AUTHENTICATE */
	CONF_AUTH_PLAIN,
	CONF_AUTH_SASL_LOGIN,
	CONF_AUTH_SCRAM_SHA_256,
	CONF_AUTH_SCRAM_SHA_1,
	CONF_AUTH_OAUTHBEARER,
	CONF_AUTH_XOAUTH2,
	CONF_AUTH_EXTERNAL
};
enum conf_delete { CONF_EXPUNGE, CONF_FLAG, CONF_MOVE, CONF_KEEP };

/* An instance. Nothing of it changes after configure(). */
struct imap_conf {
	const struct popgate_host *host;
	const char *server; /* owned by the host */
	unsigned port;
	enum conf_security security;
	struct trust *trust; /* NULL where security is none */
	enum conf_auth auth;
	bool certificate;    /* of our own, for EXTERNAL */
	struct place folder; /* if the login asks for no other */
	struct place trash;
	enum conf_delete delete;
	enum conf_without without;
	bool send_id;
	bool pipeline_login;
	int64_t reconnect_timeout; /* milliseconds */
	uint64_t fetch_max;	   /* octets of a message asked for at once */
	uint32_t message_max;	   /* octets of the largest message */
	struct guard_bounds bounds;
	struct guard_limits small; /* what the answer to any command may bring */
};

extern const struct popgate_key conf_keys[];

/* Reads and checks the settings, and loads the trust. Errors: PERM, naming the key. */
int conf_new(const struct popgate_host *host, const struct popgate_settings *settings, struct imap_conf **conf_r,
	     struct popgate_error *error);
void conf_free(struct imap_conf **conf);

#endif
