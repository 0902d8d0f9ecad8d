/* book - see book.h. The text and what it is to say are changed side by side, by different code; only where reading the
 * one yields the other is the file replaced. Runs in the verbs that edit accounts. */
#include "accounts/book.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/account_table.h"
#include "common/secret.h"

/* ---- what all changes share ---- */

static int fail(struct book *book, const char *why)
{
	conf_report_add(book->report, book->path, 0, "%s; nothing was changed", why == NULL ? "out of memory" : why);
	return -1;
}

static struct account *account_at(struct book *book, size_t account)
{
	return &book->accounts->items[account];
}

int book_find(struct book *book, const char *user, size_t *account_r)
{
	const struct account *account = accounts_find(book->accounts, user);

	if (account == NULL) {
		conf_report_add(book->report, book->path, 0,
				"there is no account `%.64s`: `popgate account list` shows them, `popgate account add` "
				"adds one",
				user);
		return -1;
	}
	*account_r = (size_t)(account - book->accounts->items);
	return 0;
}

/* Takes `value` over. */
static void set_text(char **place, char *value)
{
	if (*place != NULL)
		secret_wipe(*place, strlen(*place));
	free(*place);
	*place = value;
}

/* ---- changes ---- */

static const struct {
	const char *name;
	size_t place;
} keys[] = {
    [BOOK_HASH] = {"hash", offsetof(struct account, hash)},
    [BOOK_SCRAM_SHA_1] = {"scram_sha_1", offsetof(struct account, scram_sha_1)},
    [BOOK_SCRAM_SHA_256] = {"scram_sha_256", offsetof(struct account, scram_sha_256)},
    [BOOK_SECRET] = {"secret", offsetof(struct account, secret)},
};

int book_set(struct book *book, size_t account, enum book_key key, const char *value)
{
	char **place = (char **)(void *)((char *)account_at(book, account) + keys[key].place);
	char *quoted = edit_quote(value), *copy = strdup(value);
	const char *why = NULL;
	int result = -1;

	if (quoted != NULL && copy != NULL)
		result = edit_set(&book->edit, account, keys[key].name, quoted, &why);
	set_text(&quoted, NULL);
	if (result != 0) {
		set_text(&copy, NULL);
		return fail(book, why);
	}
	set_text(place, copy);
	return 0;
}

int book_disable(struct book *book, size_t account, bool disabled)
{
	const char *why = NULL;

	if (disabled ? edit_set(&book->edit, account, "disabled", "true", &why) != 0
		     : edit_unset(&book->edit, account, "disabled", &why) != 0)
		return fail(book, why);
	account_at(book, account)->disabled = disabled;
	return 0;
}

int book_remove(struct book *book, size_t account)
{
	struct accounts *accounts = book->accounts;
	const char *why = NULL;

	if (edit_remove_account(&book->edit, account, &why) != 0)
		return fail(book, why);
	account_clear(&accounts->items[account]);
	memmove(&accounts->items[account], &accounts->items[account + 1],
		(accounts->count - account - 1) * sizeof(*accounts->items));
	accounts->count--; /* its names cannot be looked for any more */
	return 0;
}

static int push_device(struct account *account, const char *name, const struct device_key *key)
{
	struct account_device *devices =
	    reallocarray(account->devices, account->device_count + 1, sizeof(*account->devices));

	if (devices == NULL)
		return -1;
	account->devices = devices;
	devices += account->device_count++;
	devices->key = *key;
	devices->name = strdup(name);	       /* fanalyzer: account_clear gives it back */
	return devices->name == NULL ? -1 : 0; /* fanalyzer: likewise */
}

int book_add_device(struct book *book, size_t account, const char *name, const struct device_key *key)
{
	char text[DEVICE_TEXT_SIZE], *quoted = edit_quote(name), *group = NULL;
	struct account *owner = account_at(book, account);
	const char *why = NULL;
	int result = -1;

	for (size_t i = 0; i < owner->device_count; i++) {
		if (strcmp(owner->devices[i].name, name) == 0) {
			free(quoted);
			return fail(book, "there is a device of that name already: remove it, or give another name");
		}
	}
	device_write(key, text);
	if (quoted != NULL && asprintf(&group, "name = %s; key = \"%s\";", quoted, text) >= 0 &&
	    edit_add_device(&book->edit, account, group, &why) == 0)
		result = push_device(owner, name, key);
	free(quoted);
	free(group);
	return result == 0 ? 0 : fail(book, why);
}

int book_remove_device(struct book *book, size_t account, const char *name)
{
	struct account *owner = account_at(book, account);
	const char *why = NULL;

	for (size_t i = 0; i < owner->device_count; i++) {
		if (strcmp(owner->devices[i].name, name) != 0)
			continue;
		if (edit_remove_device(&book->edit, account, i, &why) != 0)
			return fail(book, why);
		free(owner->devices[i].name);
		memmove(&owner->devices[i], &owner->devices[i + 1],
			(owner->device_count - i - 1) * sizeof(*owner->devices));
		owner->device_count--;
		return 0;
	}
	return fail(book, "there is no device of that name: `popgate account device list` shows them");
}

int book_add(struct book *book, const char *group, struct account *account)
{
	struct accounts *accounts = book->accounts, *larger;
	const char *why = NULL;

	if (accounts_find(accounts, account->user) != NULL) {
		account_clear(account);
		return fail(book, "there is an account of that name already");
	}
	if (edit_add_account(&book->edit, group, &why) != 0 ||
	    (larger = account_table_new(accounts->count + 1)) == NULL) {
		account_clear(account);
		return fail(book, why);
	}
	for (size_t i = 0; i < accounts->count; i++)
		(void)account_table_add(larger, &accounts->items[i]);
	(void)account_table_add(larger, account);
	memset(account, 0, sizeof(*account));
	accounts->count = 0; /* the others have moved */
	accounts_free(&book->accounts);
	book->accounts = larger;
	return 0;
}
