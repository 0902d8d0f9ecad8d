/* conf_source - see conf_source.h. No I/O; the sources are read when a credential is wanted. Runs where conf does. */
#include "common/conf_source.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_strings.h"

#define SPEC_MAX 4000 /* octets of a command with its words, what a message carries */

const char *conf_source_key(enum conf_source_kind kind)
{
	switch (kind) {
	case CONF_SOURCE_CLIENT:
		return NULL;
	case CONF_SOURCE_SECRET:
		return "upstream_secret";
	case CONF_SOURCE_FILE:
		return "secret_file";
	case CONF_SOURCE_CREDENTIAL:
		return "secret_credential";
	case CONF_SOURCE_COMMAND:
		return CONF_SOURCE_OTHER;
	case CONF_SOURCE_OAUTH:
		return "oauth";
	}
	return NULL;
}

/* The words of a command, one behind the other, then an empty one. */
static int join(const struct conf_reader *reader, config_setting_t *setting, const char *what, const char **words,
		size_t count, struct conf_source *source)
{
	size_t size = 1, used = 0;

	for (size_t i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	if (words[0][0] != '/' || size > SPEC_MAX) {
		conf_reader_fault(
		    reader, setting,
		    "`secret_command` in %s must begin with the program's absolute path, each word a string of "
		    "its own: no shell takes it apart; %d octets at most",
		    what, SPEC_MAX);
		return -1;
	}
	source->text = calloc(size, 1);
	if (source->text == NULL) {
		conf_reader_no_memory(reader);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		memcpy(source->text + used, words[i], strlen(words[i]) + 1);
		used += strlen(words[i]) + 1;
	}
	source->kind = CONF_SOURCE_COMMAND;
	return 0;
}

static int read_command(const struct conf_reader *reader, config_setting_t *group, const char *what,
			struct conf_source *source)
{
	const char **words;
	size_t count;
	int result = 0;

	if (conf_strings(reader, group, CONF_SOURCE_OTHER, what, &words, &count) != 0)
		return -1;
	if (count > 0)
		result = join(reader, config_setting_get_member(group, CONF_SOURCE_OTHER), what, words, count, source);
	free(words);
	return result;
}

int conf_source_take(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		     struct popgate_settings *settings, enum conf_source_kind kind, struct conf_source *source)
{
	const char *key = conf_source_key(kind);
	char *text = conf_settings_take(settings, key);

	if (text == NULL)
		return 0;
	if (source->kind != CONF_SOURCE_CLIENT) {
		conf_reader_fault(reader, config_setting_get_member(group, key),
				  "`%s` in %s: there is another source of the secret already, remove one", key, what);
		free(text);
		return -1;
	}
	if (*text == '\0') {
		conf_reader_fault(reader, config_setting_get_member(group, key), "`%s` in %s must not be empty", key,
				  what);
		free(text);
		return -1;
	}
	source->kind = kind;
	source->text = text;
	return 0;
}

int conf_source_read(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		     struct popgate_settings *settings, struct conf_source *source)
{
	source->auth_user = conf_settings_take(settings, "auth_user");
	if (read_command(reader, group, what, source) != 0 ||
	    conf_source_take(reader, group, what, settings, CONF_SOURCE_FILE, source) != 0 ||
	    conf_source_take(reader, group, what, settings, CONF_SOURCE_CREDENTIAL, source) != 0)
		return -1;
	if (source->kind == CONF_SOURCE_CREDENTIAL && strchr(source->text, '/') != NULL) {
		conf_reader_fault(reader, config_setting_get_member(group, "secret_credential"),
				  "`secret_credential` in %s is a name, not a path", what);
		return -1;
	}
	return 0;
}
