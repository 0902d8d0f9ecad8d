/* same - see same.h. Runs in the verbs that edit accounts. */
#include "accounts/same.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Of a command, each word counts. */
static bool same_source(const struct conf_source *a, const struct conf_source *b)
{
	const char *x = a->text, *y = b->text;

	if (a->kind != b->kind || !same_text(a->auth_user, b->auth_user) || !same_text(x, y))
		return false;
	while (a->kind == CONF_SOURCE_COMMAND && *x != '\0') {
		x += strlen(x) + 1;
		y += strlen(y) + 1;
		if (strcmp(x, y) != 0)
			return false;
	}
	return true;
}

static bool same_devices(const struct account *a, const struct account *b)
{
	if (a->device_count != b->device_count)
		return false;
	for (size_t i = 0; i < a->device_count; i++)
		if (!same_text(a->devices[i].name, b->devices[i].name) ||
		    memcmp(&a->devices[i].key, &b->devices[i].key, sizeof(a->devices[i].key)) != 0)
			return false;
	return true;
}

static bool same_networks(const struct account *a, const struct account *b)
{
	if (a->network_count != b->network_count)
		return false;
	for (size_t i = 0; i < a->network_count; i++)
		if (a->networks[i].bits != b->networks[i].bits ||
		    memcmp(a->networks[i].address, b->networks[i].address, sizeof(a->networks[i].address)) != 0)
			return false;
	return true;
}

static bool same_folders(const struct conf_folders *a, const struct conf_folders *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_text(a->names[i], b->names[i]))
			return false;
	return true;
}

bool account_same(const struct account *a, const struct account *b)
{
	return same_text(a->user, b->user) && a->disabled == b->disabled && same_text(a->hash, b->hash) &&
	       same_text(a->scram_sha_1, b->scram_sha_1) && same_text(a->scram_sha_256, b->scram_sha_256) &&
	       same_text(a->secret, b->secret) && same_devices(a, b) && a->backend == b->backend &&
	       same_text(a->upstream_user, b->upstream_user) && same_text(a->folder, b->folder) &&
	       same_folders(&a->folders, &b->folders) && same_source(&a->source, &b->source) && same_networks(a, b) &&
	       a->max_sessions == b->max_sessions && a->max_octets == b->max_octets && a->login_delay == b->login_delay;
}

bool accounts_same(const struct accounts *a, const struct accounts *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!account_same(&a->items[i], &b->items[i]))
			return false;
	return true;
}
