/* status - what an IMAP server's or libetpan's failure means for the POP3 client.
 *
 * Pure. Total: a result that is not known is PROTOCOL, a code that is not known TEMP, words that say nothing are what
 * the place makes of them.
 */
#ifndef IMAP_STATUS_H
#define IMAP_STATUS_H

#include <stdbool.h>

#include <popgate/plugin.h>

#include "line.h"

/* Where in a session the answer came. */
enum status_place {
	STATUS_AT_GREETING,
	STATUS_AT_LOGIN,
	STATUS_AT_SELECT,	/* of the inbox, which always exists */
	STATUS_AT_SELECT_OTHER, /* of another folder */
	STATUS_AT_COMMAND,
	STATUS_PLACES
};

/* What a NO, BAD or BYE at `place` means, by its response code, else by its words, else by the place. AUTH only at
 * login. */
enum popgate_status status_of_line(const struct line_status *line, enum status_place place);
/* Whether a response code tells what is wrong, rather than words. */
bool status_has_code(const struct line_status *line);
/* What a libetpan result (MAILIMAP_ERROR_...) means; any int is allowed. */
enum popgate_status status_of_libetpan(int result);
/* A libetpan result's name for the operator. */
const char *status_libetpan_text(int result);
/* Whether a refusal is of the command as such, and tells of nothing that is wrong with the server or the folder. */
bool status_blames_command(const struct line_status *line);
/* Fills *error; always returns -1. */
int status_fail(struct popgate_error *error, enum popgate_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
