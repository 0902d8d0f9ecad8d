/* conf_report - collects the faults of a configuration, in the order found.
 * Never reads a file, never ends the process. Runs where conf does. */
#include "common/conf.h"

#include <stdarg.h>
#include <stdlib.h>

/* A fault is one line whatever a file's name or a value brought along. */
static void flatten(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static char *placed(const char *file, unsigned line, const char *message)
{
	char *text;
	int size;

	if (file == NULL)
		size = asprintf(&text, "%s", message);
	else if (line == 0)
		size = asprintf(&text, "%s: %s", file, message);
	else
		size = asprintf(&text, "%s:%u: %s", file, line, message);
	return size < 0 ? NULL : text;
}

void conf_report_add(struct conf_report *report, const char *file, unsigned line, const char *format, ...)
{
	struct conf_fault *fault;
	va_list arguments;
	char *message;
	int size;

	report->count++;
	va_start(arguments, format);
	size = vasprintf(&message, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	if ((fault = calloc(1, sizeof(*fault))) != NULL && (fault->text = placed(file, line, message)) != NULL) {
		flatten(fault->text);
		*(report->last == NULL ? &report->first : report->last) = fault;
		report->last = &fault->next;
	} else {
		free(fault);
	}
	free(message);
}

void conf_report_print(const struct conf_report *report, FILE *stream)
{
	size_t printed = 0;

	for (const struct conf_fault *fault = report->first; fault != NULL; fault = fault->next, printed++)
		fprintf(stream, "%s\n", fault->text);
	if (printed < report->count)
		fputs("out of memory\n", stream);
}

void conf_report_free(struct conf_report *report)
{
	struct conf_fault *next;

	for (struct conf_fault *fault = report->first; fault != NULL; fault = next) {
		next = fault->next;
		free(fault->text);
		free(fault);
	}
	*report = (struct conf_report){0};
}
