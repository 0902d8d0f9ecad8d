/* conf_folders - see conf_folders.h. No I/O. Runs where conf does. */
#include "common/conf_folders.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/conf_strings.h"
#include "common/text.h"

#define LONGEST 512 /* octets of a name */

/* RFC 6154. */
static const char *const uses[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", NULL};

static bool is_use(const char *name)
{
	size_t i = 0;

	while (uses[i] != NULL && strcasecmp(uses[i], name) != 0)
		i++;
	return uses[i] != NULL;
}

static bool is_clean(const char *name)
{
	for (const char *at = name; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	return strlen(name) <= LONGEST && text_is_utf8(name, strlen(name));
}

static int check(const struct conf_reader *reader, config_setting_t *setting, const char *what, const char *name)
{
	if (!is_clean(name))
		conf_reader_fault(reader, setting,
				  "`folders` in %s takes names of 1 to %d octets of UTF-8 without control characters",
				  what, LONGEST);
	else if (strchr(name, '*') != NULL)
		conf_reader_fault(
		    reader, setting,
		    "`folders` in %s: `%.64s` stands for no others, since names are compared exactly: write "
		    "each of them",
		    what, name);
	else if (*name == '\\' && !is_use(name))
		conf_reader_fault(reader, setting,
				  "`folders` in %s: `%.64s` is no special use: there are \\All, \\Archive, \\Drafts, "
				  "\\Flagged, \\Junk, \\Sent and \\Trash, with two backslashes in this file",
				  what, name);
	else
		return 0;
	return -1;
}

void conf_folders_clear(struct conf_folders *folders)
{
	for (size_t i = 0; i < folders->count; i++)
		free(folders->names[i]);
	free(folders->names);
	*folders = (struct conf_folders){0};
}

static bool keep(char **at, const char *name)
{
	return (*at = strdup(name)) != NULL; /* fanalyzer: conf_folders_clear gives it back */
}

static int copy(const struct conf_reader *reader, const char *const *names, size_t count, struct conf_folders *folders)
{
	folders->names = calloc(count, sizeof(*folders->names));
	if (folders->names == NULL) {
		conf_reader_no_memory(reader);
		return -1;
	}
	while (folders->count < count && keep(&folders->names[folders->count], names[folders->count]))
		folders->count++;
	if (folders->count == count)
		return 0;
	conf_reader_no_memory(reader);
	conf_folders_clear(folders);
	return -1;
}

int conf_folders_read(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		      struct conf_folders *folders_r)
{
	config_setting_t *setting = config_setting_get_member(group, "folders");
	const char **names;
	size_t count;
	int result = 0;

	*folders_r = (struct conf_folders){0};
	if (conf_strings(reader, group, "folders", what, &names, &count) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (check(reader, setting, what, names[i]) != 0)
			result = -1;
	if (result == 0 && count > 0)
		result = copy(reader, names, count, folders_r);
	free(names);
	return result;
}
