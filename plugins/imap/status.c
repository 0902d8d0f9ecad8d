/* status - the error maps.
 *
 * An upstream that is down, busy or broken is never told as AUTH; only a
 * refusal of the credential itself is.
 *
 * Never blocks, keeps no state. Runs in a session process.
 */
#include "status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libetpan/mailimap_types.h>

/* RFC 5530, RFC 3501, RFC 2221, RFC 2193; Gmail's WEBALERT. */
static const struct {
	const char *code;
	enum popgate_status at_login, elsewhere;
} codes[] = {
    {"AUTHENTICATIONFAILED", POPGATE_AUTH, POPGATE_TEMP},
    {"AUTHORIZATIONFAILED", POPGATE_AUTH, POPGATE_PERM},
    {"EXPIRED", POPGATE_AUTH, POPGATE_TEMP},
    {"WEBALERT", POPGATE_AUTH, POPGATE_TEMP},
    {"UNAVAILABLE", POPGATE_TEMP, POPGATE_TEMP},
    {"INUSE", POPGATE_TEMP, POPGATE_TEMP},
    {"LIMIT", POPGATE_TEMP, POPGATE_TEMP},
    {"SERVERBUG", POPGATE_TEMP, POPGATE_TEMP},
    {"THROTTLED", POPGATE_TEMP, POPGATE_TEMP},
    {"OVERQUOTA", POPGATE_TEMP, POPGATE_TEMP},
    {"EXPUNGEISSUED", POPGATE_TEMP, POPGATE_TEMP},
    {"PRIVACYREQUIRED", POPGATE_PERM, POPGATE_PERM},
    {"ENCRYPTIONNEEDED", POPGATE_PERM, POPGATE_PERM},
    {"CONTACTADMIN", POPGATE_PERM, POPGATE_PERM},
    {"NOPERM", POPGATE_PERM, POPGATE_PERM},
    {"CORRUPTION", POPGATE_PERM, POPGATE_PERM},
    {"CLIENTBUG", POPGATE_PERM, POPGATE_PERM},
    {"CANNOT", POPGATE_PERM, POPGATE_PERM},
    {"NONEXISTENT", POPGATE_PERM, POPGATE_PERM},
    {"TRYCREATE", POPGATE_PERM, POPGATE_PERM},
    {"ALREADYEXISTS", POPGATE_PERM, POPGATE_PERM},
    {"READ-ONLY", POPGATE_PERM, POPGATE_PERM},
    {"REFERRAL", POPGATE_PERM, POPGATE_PERM},
};

/* Beside one of these a server may say anything: its words count. */
static const char *const wordy_codes[] = {"", "ALERT", "CAPABILITY", NULL};

/* Servers that give no code say it in words. An outage comes first: it may well name the password. */
static const char *const outages[] = {
    "authenticated but not connected", /* Exchange */
    "too many",			       /* Gmail, with ALERT */
    "maximum number",
    "exceeded",
    "limit",
    "frequen",
    "throttl",
    "busy",
    "overload",
    "maintenance",
    "temporar",
    "try again",
    "later",
    "timed out",
    "timeout",
    "not available",
    "unavailable",
    "not responding",
    "unable to connect",
    "unable to contact",
    "cannot connect",
    "could not connect",
    "shutting down",
    "is down",
    "backend",
    "database",
    "internal",
    "server error",
    "system error",
    "i/o error",
    "lookup failed",
    "generic failure", /* what libsasl calls anything but a refusal */
    NULL,
};

/* What Dovecot, Cyrus, Courier, UW, Exchange, Zimbra, Gmail, Yahoo, NetEase and others say of a wrong password. */
static const char *const refusals[] = {
    "login fail",
    "logon fail",
    "authentication fail",
    "authenticate fail",
    "auth fail",
    "authenticationfailed",
    "authorization fail",
    "login error",
    "login command fail",
    "invalid",
    "incorrect",
    "wrong",
    "bad ",
    "denied",
    "reject",
    "refused",
    "not accepted",
    "credential",
    "password",
    "unknown user",
    "user unknown",
    "no such user",
    "user not found",
    "not authorized",
    "not permitted",
    "log in via your web browser",
    "account disabled",
    "account is disabled",
    NULL,
};

static const enum popgate_status no_defaults[STATUS_PLACES] = {
    [STATUS_AT_GREETING] = POPGATE_TEMP,     [STATUS_AT_LOGIN] = POPGATE_TEMP,	 [STATUS_AT_SELECT] = POPGATE_TEMP,
    [STATUS_AT_SELECT_OTHER] = POPGATE_PERM, [STATUS_AT_COMMAND] = POPGATE_TEMP,
};

/* Of the parser's results those that the commands of this plugin can meet. */
static const struct {
	int result;
	enum popgate_status status;
	const char *text;
} results[] = {
    {MAILIMAP_ERROR_STREAM, POPGATE_TEMP, "connection lost"},
    {MAILIMAP_ERROR_MEMORY, POPGATE_TEMP, "out of memory"},
    {MAILIMAP_ERROR_FATAL, POPGATE_TEMP, "the server said BYE"},
    {MAILIMAP_ERROR_DONT_ACCEPT_CONNECTION, POPGATE_TEMP, "the server takes no connection now"},
    {MAILIMAP_ERROR_INVAL, POPGATE_TEMP, "command too long"},
    {MAILIMAP_ERROR_PROTOCOL, POPGATE_PROTOCOL, "an answer to another command"},
    {MAILIMAP_ERROR_PARSE, POPGATE_PROTOCOL, "unreadable response"},
};

static const size_t result_count = sizeof(results) / sizeof(results[0]);

static size_t find_result(int result)
{
	size_t i = 0;

	while (i < result_count && results[i].result != result)
		i++;
	return i;
}

enum popgate_status status_of_libetpan(int result)
{
	size_t i = find_result(result);

	return i < result_count ? results[i].status : POPGATE_PROTOCOL;
}

const char *status_libetpan_text(int result)
{
	size_t i = find_result(result);

	return i < result_count ? results[i].text : "unexpected result";
}

/* Whether text holds one of the phrases, in any case of letters. */
static bool holds(const char *text, const char *const *phrases)
{
	for (; *phrases != NULL; phrases++)
		if (strcasestr(text, *phrases) != NULL)
			return true;
	return false;
}

/* What the words alone say. */
static enum popgate_status status_of_text(const struct line_status *line, enum status_place place)
{
	/* NetEase, of programs that it does not know */
	if (strcasestr(line->text, "unsafe login") != NULL)
		return POPGATE_PERM;
	/* BYE and BAD say nothing about the credential or the folder */
	if (line->kind != LINE_NO || holds(line->text, outages))
		return POPGATE_TEMP;
	return place == STATUS_AT_LOGIN && holds(line->text, refusals) ? POPGATE_AUTH : no_defaults[place];
}

bool status_has_code(const struct line_status *line)
{
	for (const char *const *code = wordy_codes; *code != NULL; code++)
		if (strcmp(line->code, *code) == 0)
			return false;
	return true;
}

enum popgate_status status_of_line(const struct line_status *line, enum status_place place)
{
	bool login = place == STATUS_AT_LOGIN;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(line->code, codes[i].code) == 0)
			return login ? codes[i].at_login : codes[i].elsewhere;
	/* a code of which nothing is known is never a refusal of the credential */
	return status_has_code(line) ? POPGATE_TEMP : status_of_text(line, place);
}

bool status_blames_command(const struct line_status *line)
{
	static const char *const commands_fault[] = {"CLIENTBUG", "CANNOT", "", "ALERT", "CAPABILITY", NULL};

	if (line->kind != LINE_NO && line->kind != LINE_BAD)
		return false;
	for (const char *const *code = commands_fault; *code != NULL; code++)
		if (strcmp(line->code, *code) == 0)
			return !holds(line->text, outages);
	return false;
}

int status_fail(struct popgate_error *error, enum popgate_status status, const char *format, ...)
{
	va_list arguments;

	error->status = status;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -1;
}
