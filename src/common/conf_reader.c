/* conf_reader - see conf_reader.h. No I/O. Runs where conf does. */
#include "common/conf_reader.h"

#include <libconfig.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

char *conf_reader_beside(const char *source, const char *name)
{
	const char *slash = strrchr(source, '/');
	char *path;

	if (slash == NULL)
		return strdup(name);
	return asprintf(&path, "%.*s%s", (int)(slash + 1 - source), source, name) < 0 ? NULL : path;
}

/* libconfig names an included file as the @include did. */
static char *place(const struct conf_reader *reader, const config_setting_t *setting, unsigned *line_r)
{
	*line_r = 0;
	if (setting == NULL || config_setting_source_file(setting) == NULL)
		return strdup(reader->source);
	*line_r = config_setting_source_line(setting);
	if (strcmp(config_setting_source_file(setting), reader->source) == 0)
		return strdup(reader->source);
	return conf_reader_beside(reader->source, config_setting_source_file(setting));
}

char *conf_reader_place(const struct conf_reader *reader, const struct config_setting_t *setting, unsigned *line_r)
{
	char *file = place(reader, setting, line_r);

	if (file == NULL)
		conf_reader_no_memory(reader);
	return file;
}

void conf_reader_fault(const struct conf_reader *reader, const struct config_setting_t *setting, const char *format,
		       ...)
{
	va_list arguments;
	char *message, *file;
	unsigned line;
	int size;

	va_start(arguments, format);
	size = vasprintf(&message, format, arguments);
	va_end(arguments);
	if (size < 0) {
		conf_reader_no_memory(reader);
		return;
	}
	if ((file = conf_reader_place(reader, setting, &line)) != NULL)
		conf_report_add(reader->report, file, line, "%s", message);
	free(file);
	free(message);
}

void conf_reader_no_memory(const struct conf_reader *reader)
{
	conf_report_add(reader->report, reader->source, 0, "out of memory");
}

char *conf_reader_absolute(const struct conf_reader *reader, const char *path)
{
	char *absolute = NULL;

	if (*path == '/')
		absolute = strdup(path);
	else if (asprintf(&absolute, "%s%s%s", reader->folder, strcmp(reader->folder, "/") == 0 ? "" : "/", path) < 0)
		absolute = NULL;
	if (absolute == NULL)
		conf_reader_no_memory(reader);
	return absolute;
}
