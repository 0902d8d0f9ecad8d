/* special - asks by LIST (RFC 6154), or XLIST of older servers.
 *
 * Of several folders for one use it is always the same one, whatever order they come in. Runs in a session process.
 */
#include "special.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libetpan/mailimap_extension.h>

#include "caps.h"
#include "folder.h"

/* What XLIST calls them. */
static const struct {
	const char *alias, *word;
} older_words[] = {{"\\Junk", "Spam"}, {"\\All", "AllMail"}, {"\\Flagged", "Starred"}};

static bool means(const char *alias, const char *word)
{
	if (strcasecmp(alias + 1, word) == 0)
		return true;
	for (size_t i = 0; i < sizeof(older_words) / sizeof(older_words[0]); i++)
		if (strcmp(alias, older_words[i].alias) == 0 && strcasecmp(word, older_words[i].word) == 0)
			return true;
	return false;
}

/* Whether the folder can be opened and is for this use. */
static bool fits(const struct mailimap_mailbox_list *folder, const char *alias)
{
	const struct mailimap_mbx_list_flags *flags = folder->mb_flag;
	bool found = false;

	if (folder->mb_name == NULL || flags == NULL ||
	    (flags->mbf_type == MAILIMAP_MBX_LIST_FLAGS_SFLAG && flags->mbf_sflag == MAILIMAP_MBX_LIST_SFLAG_NOSELECT))
		return false;
	if (flags->mbf_oflags == NULL)
		return false;
	for (clistiter *at = clist_begin(flags->mbf_oflags); at != NULL; at = clist_next(at)) {
		const struct mailimap_mbx_list_oflag *flag = clist_content(at);

		if (flag->of_type == MAILIMAP_MBX_LIST_OFLAG_FLAG_EXT && flag->of_flag_ext != NULL) {
			found = found || means(alias, flag->of_flag_ext);
			if (strcasecmp(flag->of_flag_ext, "NonExistent") == 0)
				return false;
		}
	}
	return found;
}

/* The better of two: the first in the order of octets. */
static const char *choose(const char *best, const struct mailimap_mailbox_list *folder, const char *alias)
{
	if (!fits(folder, alias))
		return best;
	return best == NULL || strcmp(folder->mb_name, best) < 0 ? folder->mb_name : best;
}

/* What the last answer names; it lives as long as that. NULL: none. */
static const char *find_answered(const struct conn *c, const char *alias)
{
	const struct mailimap_response_info *info = c->imap->imap_response_info;
	const char *best = NULL;

	if (info == NULL)
		return NULL;
	if (info->rsp_mailbox_list != NULL)
		for (clistiter *at = clist_begin(info->rsp_mailbox_list); at != NULL; at = clist_next(at))
			best = choose(best, clist_content(at), alias);
	if (info->rsp_extension_list == NULL)
		return best;
	for (clistiter *at = clist_begin(info->rsp_extension_list); at != NULL; at = clist_next(at)) {
		const struct mailimap_extension_data *data = clist_content(at);

		if (data->ext_extension->ext_id == MAILIMAP_EXTENSION_XLIST && data->ext_data != NULL)
			best = choose(best, data->ext_data, alias);
	}
	return best;
}

static const char *command_for(unsigned caps)
{
	if ((caps & CAPS_SPECIAL_USE) && (caps & CAPS_LIST_EXTENDED))
		return "LIST (SPECIAL-USE) \"\" \"*\"";
	if ((caps & CAPS_XLIST) && !(caps & CAPS_SPECIAL_USE))
		return "XLIST \"\" \"*\"";
	return NULL;
}

/* Servers without the extensions name the uses in their plain LIST, or not at all. */
static enum conn_end ask(struct conn *c)
{
	struct guard_limits limits = *c->small;
	const char *command = command_for(c->caps);
	enum conn_end end = CONN_NO;

	limits.folders = true;
	if (command != NULL)
		end = conn_command(c, &limits, "%s", command);
	return end == CONN_NO ? conn_command(c, &limits, "LIST \"\" \"*\"") : end;
}

static int take_name(const struct drop *drop, struct place *place, const char *raw, struct popgate_error *error)
{
	char *name = drop->utf8 ? strdup(raw) : folder_decode(raw);
	const char *alias = place->alias, *fault;

	if (name == NULL)
		return status_fail(error, POPGATE_PROTOCOL, "the folder for %s has a name that cannot be read", alias);
	fault = place_resolve(place, name);
	free(name);
	if (fault != NULL)
		return status_fail(error, POPGATE_PERM, "the name of the folder for %s %s", alias, fault);
	place->alias = alias;
	return 0;
}

int special_find(struct drop *drop, struct place *place, struct popgate_error *error)
{
	const char *raw;

	if (ask(&drop->conn) != CONN_OK)
		return conn_fail(&drop->conn, "LIST", STATUS_AT_COMMAND, error);
	raw = find_answered(&drop->conn, place->alias);
	if (raw == NULL)
		return status_fail(error, POPGATE_PERM, "the server tells of no folder for %s", place->alias);
	return take_name(drop, place, raw, error);
}

/* What is in the trash already goes for good, as mail programs do. */
int special_trash(struct drop *drop, bool *inside_r, struct popgate_error *error)
{
	if (!place_is_same(drop->trash, drop->folder) && drop->trash->name == NULL &&
	    special_find(drop, &drop->own_trash, error) != 0)
		return -1;
	*inside_r = place_is_same(drop->trash, drop->folder);
	return 0;
}
