/* place - see place.h. Runs in the spawner (configure) and in session processes. */
#include "place.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "folder.h"

#define NAME_MAX_OCTETS 400 /* encoded and quoted it still fits into a command line beside a set of UIDs */

static const char *const aliases[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"};

static const char *find_alias(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcasecmp(name, aliases[i]) == 0)
			return aliases[i];
	return NULL;
}

/* Both forms of the name for the command line. */
static const char *write_forms(struct place *place, const char *name)
{
	char *encoded;

	place->inbox = strcasecmp(name, "INBOX") == 0;
	place->name = strdup(place->inbox ? "INBOX" : name);
	encoded = place->name != NULL ? folder_encode(place->name) : NULL;
	place->utf7 = encoded != NULL ? folder_quote(encoded) : NULL;
	place->utf8 = place->name != NULL ? folder_quote(place->name) : NULL;
	free(encoded);
	if (place->utf7 != NULL && place->utf8 != NULL)
		return NULL;
	place_clear(place);
	return "out of memory";
}

const char *place_resolve(struct place *place, const char *name)
{
	if (*name == '\0')
		return "must not be empty";
	if (!folder_is_clean(name))
		return "holds a control character or is not UTF-8";
	if (strlen(name) > NAME_MAX_OCTETS)
		return "is too long";
	return write_forms(place, name);
}

const char *place_set(struct place *place, const char *name)
{
	memset(place, 0, sizeof(*place));
	if (*name != '\\')
		return place_resolve(place, name);
	place->alias = find_alias(name);
	return place->alias != NULL
		   ? NULL
		   : "is no special use: \\All, \\Archive, \\Drafts, \\Flagged, \\Junk, \\Sent, \\Trash";
}

bool place_is_same(const struct place *a, const struct place *b)
{
	if (a->alias != NULL && a->alias == b->alias)
		return true;
	return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0;
}

void place_clear(struct place *place)
{
	free(place->name);
	free(place->utf7);
	free(place->utf8);
	memset(place, 0, sizeof(*place));
}
