/* caps - the capabilities that this plugin makes use of.
 *
 * Never blocks. Runs in a session process.
 */
#include "caps.h"

#include <strings.h>

static const struct {
	const char *name;
	enum caps_bit bit;
} names[] = {
    {"STARTTLS", CAPS_STARTTLS},
    {"LOGINDISABLED", CAPS_LOGINDISABLED},
    {"SASL-IR", CAPS_SASL_IR},
    {"ID", CAPS_ID},
    {"ENABLE", CAPS_ENABLE},
    {"UTF8=ACCEPT", CAPS_UTF8_ACCEPT},
    {"UIDPLUS", CAPS_UIDPLUS},
    {"MOVE", CAPS_MOVE},
    {"AUTH=PLAIN", CAPS_PLAIN},
    {"LITERAL+", CAPS_LITERAL},
    {"LITERAL-", CAPS_LITERAL},
    {"SPECIAL-USE", CAPS_SPECIAL_USE},
    {"LIST-EXTENDED", CAPS_LIST_EXTENDED},
    {"XLIST", CAPS_XLIST},
};

static void note_cap(struct conn *c, const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i].name) == 0)
			c->caps |= names[i].bit;
}

bool caps_read(struct conn *c)
{
	const struct mailimap_connection_info *info = c->imap->imap_connection_info;

	if (info == NULL || info->imap_capability == NULL)
		return false;
	c->caps = 0;
	/* "[CAPABILITY ]" */
	if (info->imap_capability->cap_list == NULL)
		return true;
	for (clistiter *at = clist_begin(info->imap_capability->cap_list); at != NULL; at = clist_next(at)) {
		const struct mailimap_capability *cap = clist_content(at);

		if (cap->cap_type == MAILIMAP_CAPABILITY_NAME)
			note_cap(c, cap->cap_data.cap_name);
		else if (strcasecmp(cap->cap_data.cap_auth_type, "PLAIN") == 0)
			c->caps |= CAPS_PLAIN;
	}
	return true;
}

void caps_forget(struct conn *c)
{
	struct mailimap_connection_info *info = c->imap->imap_connection_info;

	if (info != NULL && info->imap_capability != NULL) {
		mailimap_capability_data_free(info->imap_capability);
		info->imap_capability = NULL;
	}
}
