/* conf_reader - what the parts of conf share while they read one
 * configuration: where faults go, and how a setting's place is told. */
#ifndef POPGATE_COMMON_CONF_READER_H
#define POPGATE_COMMON_CONF_READER_H

#include "common/conf.h"

struct config_setting_t;

struct conf_reader {
	const char *source; /* the file as it was named, or "--imap" */
	const char *folder; /* absolute; what relative paths start from */
	struct conf_report *report;
	bool secret; /* nobody else may read what is included; and it may be large */
};

/* Adds a fault at the setting's place; setting NULL: at the file as a whole. */
void conf_reader_fault(const struct conf_reader *reader, const struct config_setting_t *setting, const char *format,
		       ...) __attribute__((format(printf, 3, 4)));
/* "out of memory" */
void conf_reader_no_memory(const struct conf_reader *reader);
/* The file a setting stands in, as messages name it, and its line (0 where there
 * is no file). Returns a string for the caller to free; NULL without memory, faulted. */
char *conf_reader_place(const struct conf_reader *reader, const struct config_setting_t *setting, unsigned *line_r);
/* How messages name an included file: beside the file that `source` names. For the
 * caller to free; NULL without memory. */
char *conf_reader_beside(const char *source, const char *name);
/* An absolute path, starting from reader->folder. For the caller to free; NULL without memory, faulted. */
char *conf_reader_absolute(const struct conf_reader *reader, const char *path);

#endif
