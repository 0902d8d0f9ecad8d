/* fault - see fault.h. */
#include "common/fault.h"

#include <stdarg.h>
#include <stdio.h>

int fault_set(struct popgate_error *error, enum popgate_status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	error->status = status;
	return -1;
}
