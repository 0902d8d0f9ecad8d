/* account - see account.h; conf_accounts reads the file. */
#include "common/account.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/account_table.h"
#include "common/conf_folders.h"
#include "common/conf_source.h"
#include "common/secret.h"
#include "common/text.h"

/* ---- finding ---- */

static uint64_t hash_of(const char *user)
{
	uint64_t hash = 14695981039346656037u;

	for (; *user != '\0'; user++)
		hash = (hash ^ (unsigned char)text_lower(*user)) * 1099511628211u;
	return hash;
}

/* Where the account is, or its place would be. */
static uint32_t *slot_of(const struct accounts *accounts, const char *user)
{
	size_t i = hash_of(user) & (accounts->slot_count - 1);

	while (accounts->slots[i] != 0 &&
	       !text_same_case(user, strlen(user), accounts->items[accounts->slots[i] - 1].user))
		i = (i + 1) & (accounts->slot_count - 1);
	return &accounts->slots[i];
}

const struct account *accounts_find(const struct accounts *accounts, const char *user)
{
	uint32_t slot;

	if (accounts == NULL || accounts->count == 0)
		return NULL;
	slot = *slot_of(accounts, user);
	return slot == 0 ? NULL : &accounts->items[slot - 1];
}

/* ---- making ---- */

struct accounts *account_table_new(size_t room)
{
	struct accounts *accounts = calloc(1, sizeof(*accounts));
	size_t slots = 16;

	while (slots < room * 2)
		slots *= 2;
	if (accounts == NULL)
		return NULL;
	accounts->items = calloc(room + 1, sizeof(*accounts->items));
	accounts->slots = calloc(slots, sizeof(*accounts->slots));
	accounts->slot_count = slots;
	if (accounts->items == NULL || accounts->slots == NULL)
		accounts_free(&accounts);
	return accounts;
}

const struct account *account_table_add(struct accounts *accounts, const struct account *account)
{
	uint32_t *slot = slot_of(accounts, account->user);

	if (*slot != 0)
		return &accounts->items[*slot - 1];
	accounts->items[accounts->count++] = *account;
	*slot = (uint32_t)accounts->count;
	if (!account->disabled)
		accounts->proofs |= account_proofs(account);
	return NULL;
}

unsigned account_proofs(const struct account *account)
{
	return (account->hash != NULL ? ACCOUNT_HASH : 0) | (account->device_count > 0 ? ACCOUNT_DEVICES : 0) |
	       (account->scram_sha_1 != NULL ? ACCOUNT_SCRAM_SHA_1 : 0) |
	       (account->scram_sha_256 != NULL ? ACCOUNT_SCRAM_SHA_256 : 0) |
	       (account->secret != NULL ? ACCOUNT_SECRET : 0);
}

/* ---- keys ---- */

#define FIELD(key, member)                                                                                             \
	{                                                                                                              \
		key, offsetof(struct account, member), sizeof(((struct account *)NULL)->member)                        \
	}

/* What each key is kept in; that of a list in two. */
static const struct {
	const char *key;
	size_t place, size;
} fields[] = {
    FIELD("user", user),
    FIELD("disabled", disabled),
    FIELD("hash", hash),
    FIELD("scram_sha_1", scram_sha_1),
    FIELD("scram_sha_256", scram_sha_256),
    FIELD("secret", secret),
    FIELD("devices", devices), /* NOLINT(bugprone-sizeof-expression): the pointer is what is moved */
    FIELD("devices", device_count),
    FIELD("backend", backend),
    FIELD("upstream_user", upstream_user),
    FIELD("folder", folder),
    FIELD("folders", folders),
    FIELD("auth_user", source.auth_user),
    FIELD("networks", networks), /* NOLINT(bugprone-sizeof-expression): likewise */
    FIELD("networks", network_count),
    FIELD("max_sessions", max_sessions),
    FIELD("max_octets", max_octets),
    FIELD("login_delay", login_delay),
};

static void swap(struct account *a, struct account *b, size_t place, size_t size)
{
	unsigned char *x = (unsigned char *)a + place, *y = (unsigned char *)b + place;

	for (size_t i = 0; i < size; i++) {
		unsigned char octet = x[i];

		x[i] = y[i];
		y[i] = octet;
	}
}

static bool has_source(const struct account *account, const char *key)
{
	const char *own = conf_source_key(account->source.kind);

	return own != NULL && strcmp(own, key) == 0;
}

void account_swap(struct account *a, struct account *b, const char *key)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].key, key) == 0)
			swap(a, b, fields[i].place, fields[i].size);
	if (!has_source(a, key) && !has_source(b, key))
		return;
	swap(a, b, offsetof(struct account, source.kind), sizeof(a->source.kind));
	swap(a, b, offsetof(struct account, source.text), sizeof(a->source.text));
}

/* ---- freeing ---- */

static void free_secret(char *text)
{
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text);
}

void account_clear(struct account *account)
{
	free(account->user);
	free_secret(account->hash);
	free_secret(account->scram_sha_1);
	free_secret(account->scram_sha_256);
	free_secret(account->secret);
	for (size_t i = 0; i < account->device_count; i++)
		free(account->devices[i].name);
	free(account->devices);
	free(account->upstream_user);
	free(account->folder);
	conf_folders_clear(&account->folders);
	if (account->source.kind == CONF_SOURCE_SECRET)
		free_secret(account->source.text);
	else
		free(account->source.text);
	free(account->source.auth_user);
	free(account->networks);
	memset(account, 0, sizeof(*account));
}

void accounts_free(struct accounts **accounts)
{
	struct accounts *old = *accounts;

	*accounts = NULL;
	if (old == NULL)
		return;
	for (size_t i = 0; old->items != NULL && i < old->count; i++)
		account_clear(&old->items[i]);
	free(old->items);
	free(old->slots);
	free(old);
}
