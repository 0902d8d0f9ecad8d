/* audit - see audit.h. Never has a credential to log. */
#include "broker/audit.h"

#include <popgate/plugin.h>

#include <stdio.h>

#include "common/log.h"
#include "common/message.h"

static const char *status_name(unsigned status)
{
	static const char *const names[] = {
	    [0] = "malformed",	     [POPGATE_AUTH] = "auth",	    [POPGATE_TEMP] = "temp",
	    [POPGATE_PERM] = "perm", [POPGATE_IN_USE] = "in_use",   [POPGATE_PROTOCOL] = "protocol",
	    [POPGATE_GONE] = "gone", [POPGATE_STOPPED] = "stopped",
	};

	if (status == REFUSAL_LOGIN_DELAY)
		return "login_delay";
	if (status == REFUSAL_SESSIONS)
		return "max_sessions";
	if (status == REFUSAL_OCTETS)
		return "max_octets";
	if (status == REFUSAL_TOKEN)
		status = POPGATE_PERM;
	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "unknown";
}

static uint64_t seconds(int64_t milliseconds)
{
	return (uint64_t)(milliseconds + 500) / 1000;
}

static void log_listener(struct log_line *line, const struct conf_listener *listener)
{
	char place[128];

	if (listener == NULL)
		return;
	snprintf(place, sizeof(place), "%s:%u", listener->address, (unsigned)listener->port);
	log_text(line, "listener", listener->name != NULL ? listener->name : place);
}

static void begin(struct log_line *line, enum popgate_log_level level, const char *event, const struct audit *audit)
{
	log_begin(line, level, event, audit->session);
	log_text(line, "user", audit->user == NULL ? "" : audit->user);
	log_text(line, "peer", audit->peer);
	log_listener(line, audit->listener);
	log_text(line, "tls", *audit->tls == '\0' ? "none" : audit->tls);
	log_text(line, "mechanism", audit->mechanism);
	log_text(line, "account", audit->account ? "yes" : "no");
	if (audit->device != NULL)
		log_text(line, "device", audit->device);
	if (audit->backend != NULL)
		log_text(line, "backend", audit->backend);
	if (audit->folder != NULL)
		log_text(line, "folder", audit->folder);
}

void audit_accepted(const struct audit *audit, int64_t delay, bool kept)
{
	struct log_line line;

	begin(&line, POPGATE_LOG_INFO, "login", audit);
	log_text(&line, "status", "ok");
	if (delay > 0)
		log_number(&line, "delay", seconds(delay));
	if (kept)
		log_text(&line, "kept", "yes");
	log_end(&line);
}

/* A provider that is down the operator must see. */
void audit_refused(const struct audit *audit, unsigned status, int64_t delay, const char *why, size_t size)
{
	bool operator_acts =
	    status == POPGATE_TEMP || status == POPGATE_PERM || status == POPGATE_PROTOCOL || status == REFUSAL_TOKEN;
	struct log_line line;

	begin(&line, operator_acts ? POPGATE_LOG_WARN : POPGATE_LOG_INFO, "login_failed", audit);
	log_text(&line, "status", status_name(status));
	if (status == POPGATE_AUTH)
		log_number(&line, "delay", seconds(delay));
	log_octets(&line, "msg", why, size);
	log_end(&line);
}
