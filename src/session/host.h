/* host - one session's state, and the functions that its plugin calls.
 * Session process; in the spawner and `popgate check` only the settings' accessors are used. */
#ifndef POPGATE_SESSION_HOST_H
#define POPGATE_SESSION_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <popgate/plugin.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/secret.h"
#include "session/lock.h"
#include "session/maildrop.h"
#include "session/output.h"
#include "session/pattern.h"
#include "session/plugin.h"
#include "session/watchdog.h"

#define HOST_DENIED	 "the folder is not one that this name may ask for"
#define HOST_SHOWN_AFTER 2000 /* milliseconds that a message may wait for the output's buffer to be full */

/* For the line at a session's end. */
struct session_counts {
	uint64_t retrieved, tops, octets, deleted;
};

struct popgate_session {
	/* What was asked for; the strings are the session's own. */
	uint64_t id;
	const struct conf *conf;
	const struct conf_backend *backend;
	const struct plugin_backend *plugin;
	char *peer, *tls, *user, *upstream_user;
	char *auth_user, *folder; /* NULL: upstream_user; what the settings say */
	struct secret secret;
	enum popgate_secret_kind secret_kind;
	int64_t expires; /* when another secret is due; monotonic milliseconds, 0: never */
	bool tokenless;	 /* a newer token was asked for, and there is none to be had by itself */
	bool utf8;
	bool proved;   /* the user, here; the secret is the client's own, or none */
	bool stranger; /* no account proved the user, though there are some: that must not show */
	bool denied;   /* whoever is proved upstream is refused all the same: the folder is none for this name */
	/* What came of it. */
	int in;		 /* the client's octets */
	unsigned offers; /* the capabilities that hold for the drop */
	void *drop;
	struct lock lock;
	struct maildrop maildrop;
	struct pattern pattern;
	const char *waiting; /* the client's octets behind the command that is run */
	size_t waiting_size;
	int64_t shown;	 /* when what has come of a message goes to the client, though its buffer is not full */
	bool ahead;	 /* the plugin was told what comes next, and the client has not paused since */
	bool updating;	 /* in commit: the client's departure no longer counts */
	bool dead;	 /* the drop failed for good: every command is refused */
	int report;	 /* the broker; -1: there is none */
	bool kept;	 /* the drop outlives its client */
	int64_t proven;	 /* when the upstream accepted the credential */
	int64_t opening; /* milliseconds that it took, and the listing */
	struct session_counts counts;
	unsigned login_delay; /* seconds */
	bool delays;	      /* the client is told of it */
	uint64_t allowance;   /* octets that it may be sent; 0: any number */
	bool told_end;	      /* the broker knows that the client's part is over */
	int64_t begun;
	struct output output; /* to the client; last, for its buffer is large */
};

extern const struct popgate_host host_functions;

/* Milliseconds that a step of a command may take, waiting for the upstream or for the client, before the watchdog ends
 * the session. */
int64_t host_patience(const struct popgate_session *session);
/* Makes sure that a plugin's error text ends, before it is read. */
void host_bound_error(struct popgate_error *error);

#endif
