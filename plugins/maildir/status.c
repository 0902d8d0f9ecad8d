/* status - what a failure means for the POP3 client.
 *
 * Never tells a failure of the disk as a wrong password. Keeps no state. Runs in the spawner and in session
 * processes.
 */
#include "status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int status_fail(struct popgate_error *error, enum popgate_status status, const char *format, ...)
{
	va_list arguments;

	error->status = status;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -1;
}

int status_errno(struct popgate_error *error, const char *what)
{
	static const int lasting[] = {EACCES, EPERM, ENOENT, ENOTDIR, ELOOP, EROFS, ENAMETOOLONG};
	enum popgate_status status = POPGATE_TEMP;
	int reason = errno;

	for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++)
		if (reason == lasting[i])
			status = POPGATE_PERM;
	return status_fail(error, status, "%s: %s", what, strerror(reason));
}
