/* account - see account.h; conf_accounts reads the file. */
#include "common/account.h"

#include <stdlib.h>
#include <string.h>

#include "common/account_table.h"
#include "common/conf_folders.h"
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
