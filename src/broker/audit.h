/* audit - the log's line for each login, accepted or refused. Broker process. */
#ifndef POPGATE_BROKER_AUDIT_H
#define POPGATE_BROKER_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"

/* Who tried to log in, and how. */
struct audit {
	const char *session; /* the log's name of it */
	const char *user;    /* as the client gave it; NULL: none that could be read */
	const char *folder;  /* that was asked for; NULL: none */
	const char *peer;    /* address */
	const char *tls;     /* empty: in clear */
	const char *mechanism;
	const struct conf_listener *listener; /* NULL: not known */
	bool account;			      /* there is a local one */
	const char *device;		      /* whose password it was; NULL: none's */
	const char *backend;		      /* where the name leads; NULL: nowhere */
};

/* delay: milliseconds that the login had to wait, because somebody tried others' passwords at its address or with its
 * name. kept: it got a drop that was kept open. */
void audit_accepted(const struct audit *audit, int64_t delay, bool kept);
/* status: enum popgate_status or message_refusal, or 0: malformed. delay: milliseconds that the verdict is held back.
 * `why` is for the operator. */
void audit_refused(const struct audit *audit, unsigned status, int64_t delay, const char *why, size_t size);

#endif
