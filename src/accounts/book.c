/* book - see book.h. The text and what it is to say are changed side by side, by different code; only where reading the
 * one yields the other is the file replaced. Runs in the verbs that edit accounts. */
#include "accounts/book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

/* ---- what all changes share ---- */

static void wipe_text(char *text)
{
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text);
}

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

/* ---- values ---- */

/* The key's values, as they are to stand behind its `=`. NULL: no memory. */
static char *write_values(const struct account_value *values, size_t count, const char *key)
{
	bool quotes = account_table_quotes(key), list = account_table_lists(key);
	const char *between = list ? "( " : "";
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	for (size_t i = 0; stream != NULL && i < count; i++) {
		char *quoted = strcmp(values[i].key, key) != 0 ? NULL : edit_quote(values[i].text);

		if (quoted != NULL)
			fprintf(stream, "%s%s", between, quotes ? quoted : values[i].text);
		if (quoted != NULL)
			between = ", ";
		wipe_text(quoted);
	}
	if (stream != NULL && list)
		fputs(" )", stream);
	if (stream != NULL && fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* Whether the key has stood before. */
static bool is_again(const struct account_value *values, size_t i)
{
	for (size_t before = 0; before < i; before++)
		if (strcmp(values[before].key, values[i].key) == 0)
			return true;
	return false;
}

int book_set(struct book *book, size_t account, const struct account_value *values, size_t count)
{
	struct account *owner = account_at(book, account), meant = {0};
	const char *why = NULL;
	int result = account_table_read(book->conf, book->path, owner->user, values, count, &meant, book->report);

	for (size_t i = 0; result == 0 && i < count; i++) {
		char *text = is_again(values, i) ? NULL : write_values(values, count, values[i].key);

		if (is_again(values, i))
			continue;
		if (text == NULL || edit_set(&book->edit, account, values[i].key, text, &why) != 0)
			result = fail(book, why);
		else
			account_swap(owner, &meant, values[i].key);
		wipe_text(text);
	}
	account_clear(&meant);
	return result;
}

int book_unset(struct book *book, size_t account, const char *key)
{
	struct account none = {.backend = ACCOUNT_BY_ROUTE};
	const char *why = NULL;

	if (edit_unset(&book->edit, account, key, &why) != 0)
		return fail(book, why);
	account_swap(account_at(book, account), &none, key);
	account_clear(&none);
	return 0;
}

/* The settings of a new account's group. NULL: no memory. */
static char *write_group(const char *user, const struct account_value *values, size_t count)
{
	char *group = NULL, *quoted = edit_quote(user), *text;
	size_t size;
	FILE *stream = quoted == NULL ? NULL : open_memstream(&group, &size);
	bool good = stream != NULL;

	if (good)
		fprintf(stream, "user = %s;", quoted);
	for (size_t i = 0; good && i < count; i++) {
		if (is_again(values, i))
			continue;
		text = write_values(values, count, values[i].key);
		good = text != NULL && fprintf(stream, "\n%s = %s;", values[i].key, text) > 0;
		wipe_text(text);
	}
	free(quoted);
	if (stream != NULL && fclose(stream) == 0 && good)
		return group;
	wipe_text(group);
	return NULL;
}

/* ---- accounts ---- */

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

/* device_count: there is none. */
static size_t find_device(const struct account *owner, const char *name)
{
	size_t i = 0;

	while (i < owner->device_count && strcmp(owner->devices[i].name, name) != 0)
		i++;
	return i;
}

static int fail_no_device(struct book *book)
{
	return fail(book, "there is no device of that name: `popgate account device list` shows them");
}

int book_add_device(struct book *book, size_t account, const char *name, const struct device_key *key)
{
	char text[DEVICE_TEXT_SIZE], *quoted, *group = NULL;
	struct account *owner = account_at(book, account);
	const char *why = NULL;
	int result = -1;

	if (find_device(owner, name) < owner->device_count)
		return fail(book, "there is a device of that name already: remove it, or give another name");
	quoted = edit_quote(name);
	device_write(key, text);
	if (quoted != NULL && asprintf(&group, "name = %s; key = \"%s\";", quoted, text) >= 0 &&
	    edit_add_device(&book->edit, account, group, &why) == 0)
		result = push_device(owner, name, key);
	free(quoted);
	free(group);
	return result == 0 ? 0 : fail(book, why);
}

int book_renew_device(struct book *book, size_t account, const char *name, const struct device_key *key)
{
	char text[DEVICE_TEXT_SIZE], *quoted;
	struct account *owner = account_at(book, account);
	size_t device = find_device(owner, name);
	const char *why = NULL;
	int result = -1;

	if (device == owner->device_count)
		return fail_no_device(book);
	device_write(key, text);
	quoted = edit_quote(text);
	if (quoted != NULL)
		result = edit_set_device(&book->edit, account, device, "key", quoted, &why);
	free(quoted);
	owner->devices[device].key = *key;
	return result == 0 ? 0 : fail(book, why);
}

int book_remove_device(struct book *book, size_t account, const char *name)
{
	struct account *owner = account_at(book, account);
	size_t device = find_device(owner, name);
	const char *why = NULL;

	if (device == owner->device_count)
		return fail_no_device(book);
	if (edit_remove_device(&book->edit, account, device, &why) != 0)
		return fail(book, why);
	free(owner->devices[device].name);
	memmove(&owner->devices[device], &owner->devices[device + 1],
		(owner->device_count - device - 1) * sizeof(*owner->devices));
	owner->device_count--;
	return 0;
}

int book_push(struct book *book, struct account *more, size_t count)
{
	struct accounts *accounts = book->accounts, *all = account_table_new(accounts->count + count);

	if (all == NULL)
		return -1;
	for (size_t i = 0; i < accounts->count; i++)
		(void)account_table_add(all, &accounts->items[i]);
	for (size_t i = 0; i < count; i++)
		(void)account_table_add(all, &more[i]);
	accounts->count = 0; /* they have moved */
	accounts_free(&book->accounts);
	book->accounts = all;
	return 0;
}

int book_add(struct book *book, const char *user, const struct account_value *values, size_t count)
{
	struct account account = {0};
	const char *why = NULL;
	char *group;
	int result = -1;

	if (accounts_find(book->accounts, user) != NULL)
		return fail(book, "there is an account of that name already");
	if (account_table_read(book->conf, book->path, user, values, count, &account, book->report) != 0)
		return -1;
	group = write_group(user, values, count);
	if (group != NULL && edit_add_account(&book->edit, group, &why) == 0)
		result = book_push(book, &account, 1);
	wipe_text(group);
	if (result == 0)
		return 0;
	account_clear(&account);
	return fail(book, why);
}
