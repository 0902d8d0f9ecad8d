/* caps - the capabilities that this plugin makes use of.
 *
 * Never blocks. Runs in a session process.
 */
#include "caps.h"

#include <stddef.h>
#include <strings.h>

struct name {
	const char *name;
	enum caps_bit bit;
};

static const struct name names[] = {
    {"STARTTLS", CAPS_STARTTLS},
    {"LOGINDISABLED", CAPS_LOGINDISABLED},
    {"SASL-IR", CAPS_SASL_IR},
    {"ID", CAPS_ID},
    {"ENABLE", CAPS_ENABLE},
    {"UTF8=ACCEPT", CAPS_UTF8_ACCEPT},
    {"UIDPLUS", CAPS_UIDPLUS},
    {"MOVE", CAPS_MOVE},
    {"LITERAL+", CAPS_LITERAL},
    {"LITERAL-", CAPS_LITERAL},
    {"SPECIAL-USE", CAPS_SPECIAL_USE},
    {"LIST-EXTENDED", CAPS_LIST_EXTENDED},
    {"XLIST", CAPS_XLIST},
    {NULL, 0},
};

/* Behind "AUTH=". */
static const struct name mechanisms[] = {
    {"PLAIN", CAPS_PLAIN},
    {"LOGIN", CAPS_SASL_LOGIN},
    {"SCRAM-SHA-1", CAPS_SCRAM_1},
    {"SCRAM-SHA-1-PLUS", CAPS_SCRAM_1_PLUS},
    {"SCRAM-SHA-256", CAPS_SCRAM_256},
    {"SCRAM-SHA-256-PLUS", CAPS_SCRAM_256_PLUS},
    {"OAUTHBEARER", CAPS_OAUTHBEARER},
    {"XOAUTH2", CAPS_XOAUTH2},
    {"EXTERNAL", CAPS_EXTERNAL},
    {NULL, 0},
};

static unsigned find(const struct name *table, const char *name)
{
	while (table->name != NULL && strcasecmp(name, table->name) != 0)
		table++;
	return table->bit;
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
			c->caps |= find(names, cap->cap_data.cap_name);
		else
			c->caps |= find(mechanisms, cap->cap_data.cap_auth_type);
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
