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
#include <strings.h>

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

/* Servers that give no code, or a wrong one, say it in words. */
static const struct {
	const char *phrase;
	enum popgate_status status;
} phrases[] = {
    {"authenticated but not connected", POPGATE_TEMP}, /* Exchange */
    {"too many simultaneous", POPGATE_TEMP},	       /* Gmail, with ALERT */
    {"too many connections", POPGATE_TEMP},
    {"maximum number of connections", POPGATE_TEMP},
    {"bandwidth limits", POPGATE_TEMP},
    {"rate limit", POPGATE_TEMP},
    {"temporar", POPGATE_TEMP},
    {"try again", POPGATE_TEMP},
    {"timed out", POPGATE_TEMP},
    {"timeout", POPGATE_TEMP},
    {"server error", POPGATE_TEMP},
    {"internal error", POPGATE_TEMP},
    {"not available", POPGATE_TEMP},
    {"unavailable", POPGATE_TEMP},
    {"system error", POPGATE_TEMP},
    {"unsafe login", POPGATE_PERM}, /* NetEase */
};

static const enum popgate_status no_defaults[STATUS_PLACES] = {
    [STATUS_AT_GREETING] = POPGATE_TEMP,     [STATUS_AT_LOGIN] = POPGATE_AUTH,	 [STATUS_AT_SELECT] = POPGATE_TEMP,
    [STATUS_AT_SELECT_OTHER] = POPGATE_PERM, [STATUS_AT_COMMAND] = POPGATE_TEMP,
};

static const struct {
	const char *text;
	enum popgate_status status;
} results[] = {
    [MAILIMAP_NO_ERROR] = {"no error", POPGATE_TEMP},
    [MAILIMAP_NO_ERROR_AUTHENTICATED] = {"already authenticated", POPGATE_TEMP},
    [MAILIMAP_NO_ERROR_NON_AUTHENTICATED] = {"not authenticated", POPGATE_TEMP},
    [MAILIMAP_ERROR_BAD_STATE] = {"command in the wrong state", POPGATE_PROTOCOL},
    [MAILIMAP_ERROR_STREAM] = {"connection lost", POPGATE_TEMP},
    [MAILIMAP_ERROR_PARSE] = {"unreadable response", POPGATE_PROTOCOL},
    [MAILIMAP_ERROR_CONNECTION_REFUSED] = {"connection refused", POPGATE_TEMP},
    [MAILIMAP_ERROR_MEMORY] = {"out of memory", POPGATE_TEMP},
    [MAILIMAP_ERROR_FATAL] = {"the server said BYE", POPGATE_TEMP},
    [MAILIMAP_ERROR_PROTOCOL] = {"BAD, or an answer to another command", POPGATE_PROTOCOL},
    [MAILIMAP_ERROR_DONT_ACCEPT_CONNECTION] = {"the server takes no connection now", POPGATE_TEMP},
    [MAILIMAP_ERROR_APPEND] = {"APPEND failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_NOOP] = {"NOOP failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_LOGOUT] = {"LOGOUT failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_CAPABILITY] = {"CAPABILITY failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_CHECK] = {"CHECK failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_CLOSE] = {"CLOSE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_EXPUNGE] = {"EXPUNGE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_COPY] = {"COPY failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_UID_COPY] = {"UID COPY failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_MOVE] = {"MOVE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_UID_MOVE] = {"UID MOVE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_CREATE] = {"CREATE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_DELETE] = {"DELETE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_EXAMINE] = {"EXAMINE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_FETCH] = {"FETCH failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_UID_FETCH] = {"UID FETCH failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_LIST] = {"LIST failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_LOGIN] = {"LOGIN failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_LSUB] = {"LSUB failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_RENAME] = {"RENAME failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_SEARCH] = {"SEARCH failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_UID_SEARCH] = {"UID SEARCH failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_SELECT] = {"SELECT failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_STATUS] = {"STATUS failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_STORE] = {"STORE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_UID_STORE] = {"UID STORE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_SUBSCRIBE] = {"SUBSCRIBE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_UNSUBSCRIBE] = {"UNSUBSCRIBE failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_STARTTLS] = {"STARTTLS failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_INVAL] = {"invalid argument", POPGATE_TEMP},
    [MAILIMAP_ERROR_EXTENSION] = {"extension failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_SASL] = {"SASL failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_SSL] = {"TLS failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_NEEDS_MORE_DATA] = {"incomplete response", POPGATE_PROTOCOL},
    [MAILIMAP_ERROR_CUSTOM_COMMAND] = {"command failed", POPGATE_TEMP},
    [MAILIMAP_ERROR_CLIENTID] = {"CLIENTID failed", POPGATE_TEMP},
};

static bool known(int result)
{
	return result >= 0 && (size_t)result < sizeof(results) / sizeof(results[0]) && results[result].text != NULL;
}

enum popgate_status status_of_libetpan(int result)
{
	return known(result) ? results[result].status : POPGATE_PROTOCOL;
}

const char *status_libetpan_text(int result)
{
	return known(result) ? results[result].text : "unknown error";
}

static bool contains(const char *text, const char *phrase)
{
	size_t length = strlen(phrase);

	for (; *text != '\0'; text++)
		if (strncasecmp(text, phrase, length) == 0)
			return true;
	return false;
}

enum popgate_status status_of_line(const struct line_status *line, enum status_place place)
{
	bool login = place == STATUS_AT_LOGIN;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(line->code, codes[i].code) == 0)
			return login ? codes[i].at_login : codes[i].elsewhere;
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (contains(line->text, phrases[i].phrase))
			return phrases[i].status;
	/* BYE and BAD say nothing about the credential or the folder */
	return line->kind == LINE_NO ? no_defaults[place] : POPGATE_TEMP;
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
