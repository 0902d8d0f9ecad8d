/* audit - see audit.h. Never has a credential to log. */
#include "broker/audit.h"

#include <popgate/plugin.h>

#include "common/log.h"

static const char *status_name(unsigned status)
{
	static const char *const names[] = {
	    [0] = "malformed",	     [POPGATE_AUTH] = "auth",	    [POPGATE_TEMP] = "temp",
	    [POPGATE_PERM] = "perm", [POPGATE_IN_USE] = "in_use",   [POPGATE_PROTOCOL] = "protocol",
	    [POPGATE_GONE] = "gone", [POPGATE_STOPPED] = "stopped",
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}

static uint64_t seconds(int64_t milliseconds)
{
	return (uint64_t)(milliseconds + 500) / 1000;
}

void audit_accepted(const struct audit *audit, int64_t delay, bool kept)
{
	struct log_line line;

	log_begin(&line, delay > 0 ? POPGATE_LOG_INFO : POPGATE_LOG_DEBUG, "login", audit->session);
	log_text(&line, "user", audit->user);
	log_text(&line, "peer", audit->peer);
	log_text(&line, "mechanism", audit->mechanism);
	if (delay > 0)
		log_number(&line, "delay", seconds(delay));
	if (kept)
		log_text(&line, "kept", "yes");
	log_end(&line);
}

/* One line for each: the operator must see attacks, and a provider that is down. */
void audit_refused(const struct audit *audit, unsigned status, int64_t delay, const char *why, size_t size)
{
	bool operator_acts = status == POPGATE_TEMP || status == POPGATE_PERM || status == POPGATE_PROTOCOL;
	struct log_line line;

	log_begin(&line, operator_acts ? POPGATE_LOG_WARN : POPGATE_LOG_INFO, "login_failed", audit->session);
	log_text(&line, "user", audit->user == NULL ? "" : audit->user);
	log_text(&line, "peer", audit->peer);
	log_text(&line, "tls", *audit->tls == '\0' ? "none" : audit->tls);
	log_text(&line, "mechanism", audit->mechanism);
	log_text(&line, "status", status_name(status));
	if (status == POPGATE_AUTH)
		log_number(&line, "delay", seconds(delay));
	log_octets(&line, "msg", why, size);
	log_end(&line);
}
