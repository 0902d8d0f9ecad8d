/* accounts: an accounts file, behind two octets that choose what is changed in it. It is sound, or there are faults,
 * each one line with its place; of a sound one the layout has as many accounts as were read, a change that fails
 * leaves the text alone, and one that succeeds leaves a text that can be laid out again. */
#include <sys/stat.h>
#include <unistd.h>

#include "accounts/edit.h"
#include "common/account.h"

#include "fuzz.h"

/* libconfig 1.5 forgets a string when its parser stops over it: once a start or reload, no more. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}

static char folder[FUZZ_FOLDER], file[80];

static void tidy(void)
{
	(void)unlink(file);
	(void)rmdir(folder);
}

static void make_folder(void)
{
	fuzz_folder(folder);
	snprintf(file, sizeof(file), "%s/accounts", folder);
	atexit(tidy);
}

static struct accounts *read_accounts(const char *text, size_t size)
{
	static char names[2][8] = {"main", "other"};
	struct conf_backend backends[] = {{.name = names[0]}, {.name = names[1]}};
	const struct conf conf = {.backends = backends, .backend_count = 2, .accounts_file = file};
	struct conf_report report = {0};
	struct accounts *accounts;
	FILE *stream = fopen(file, "w");

	REQUIRE(stream != NULL && fwrite(text, 1, size, stream) == size && fclose(stream) == 0 &&
		chmod(file, 0600) == 0);
	accounts = accounts_read(&conf, &report);
	REQUIRE((accounts == NULL) == (report.count > 0));
	for (const struct conf_fault *fault = report.first; fault != NULL; fault = fault->next) {
		REQUIRE(strncmp(fault->text, folder, strlen(folder)) == 0);
		for (const char *at = fault->text; *at != '\0'; at++)
			REQUIRE((unsigned char)*at >= 0x20 && *at != 0x7f);
	}
	conf_report_free(&report);
	return accounts;
}

static void check_accounts(const struct accounts *accounts)
{
	for (size_t i = 0; i < accounts->count; i++) {
		const struct account *account = &accounts->items[i];

		REQUIRE(*account->user != '\0' && strpbrk(account->user, "\r\n") == NULL);
		REQUIRE(accounts_find(accounts, account->user) == account);
		REQUIRE(account->source.kind == CONF_SOURCE_CLIENT || account_proofs(account) != 0 ||
			account->disabled);
		REQUIRE(account->backend == ACCOUNT_BY_ROUTE || account->backend < 2);
	}
}

static int change(struct edit *edit, unsigned kind, size_t account, const char **why_r)
{
	switch (kind % 7) {
	case 0:
		return edit_set(edit, account, "hash", "\"$new\"", why_r);
	case 1:
		return edit_set(edit, account, "user", "\"x\" \"y\"", why_r);
	case 2:
		return edit_unset(edit, account, "disabled", why_r);
	case 3:
		return edit_add_account(edit, "user = \"new\";\nfolder = \"g\";", why_r);
	case 4:
		return edit_remove_account(edit, account, why_r);
	case 5:
		return edit_add_device(edit, account, "name = \"a\"; key = \"b\";", why_r);
	}
	return edit_remove_device(edit, account, 0, why_r);
}

static void check_change(const char *text, size_t size, unsigned kind, size_t account)
{
	struct edit edit = {fuzz_text(text, size), size};
	const char *why = NULL;
	size_t count;

	if (change(&edit, kind, account, &why) != 0) {
		REQUIRE(why != NULL && edit.size == size && memcmp(edit.text, text, size) == 0);
	} else {
		REQUIRE(edit.text[edit.size] == '\0');
		(void)edit_count(&edit, &count, &why);
	}
	free(edit.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct accounts *accounts;
	struct edit edit;
	const char *why = NULL;
	size_t count;

	if (size < 2)
		return 0;
	if (folder[0] == '\0')
		make_folder();
	edit = (struct edit){fuzz_text(data + 2, size - 2), size - 2};
	accounts = read_accounts(edit.text, edit.size);
	if (accounts != NULL) {
		check_accounts(accounts);
		if (edit_count(&edit, &count, &why) == 0)
			REQUIRE(count == accounts->count);
	}
	/* also of what is not sound, though nobody does that */
	check_change(edit.text, edit.size, data[0], data[1] % 4);
	accounts_free(&accounts);
	free(edit.text);
	return 0;
}
