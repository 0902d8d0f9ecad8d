/* add - see add.h. The text that goes into the file and what it is to say are made here side by side. */
#include "accounts/add.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/edit.h"
#include "common/account_table.h"
#include "common/text.h"

#define NAME_MAX_OCTETS 512

bool add_is_name(const char *text)
{
	size_t size = strlen(text);

	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return size > 0 && size <= NAME_MAX_OCTETS && text_is_utf8(text, size);
}

bool add_asks(const struct accounts_options *options)
{
	return !options->no_password && options->device == NULL;
}

static size_t find_backend(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->backend_count; i++)
		if (strcmp(conf->backends[i].name, name) == 0)
			return i;
	return ACCOUNT_BY_ROUTE;
}

static unsigned sources(const struct accounts_options *options)
{
	return (options->secret_file != NULL) + (options->secret_credential != NULL) + (options->oauth != NULL);
}

const char *add_judge(const struct accounts_options *options, const char *user, const struct conf *conf)
{
	const char *const names[] = {user,
				     options->upstream_user,
				     options->folder,
				     options->auth_user,
				     options->secret_file,
				     options->secret_credential,
				     options->oauth,
				     options->device};
	struct network network;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] != NULL && !add_is_name(names[i]))
			return "a name must be 1 to 512 octets of UTF-8 without control characters";
	if (options->backend != NULL && find_backend(conf, options->backend) == ACCOUNT_BY_ROUTE)
		return "--backend names none of the configuration";
	if (sources(options) > 1)
		return "--secret-file, --secret-credential and --oauth exclude each other";
	if (options->secret_file != NULL && options->secret_file[0] != '/')
		return "--secret-file takes an absolute path";
	if (options->secret_credential != NULL && strchr(options->secret_credential, '/') != NULL)
		return "--secret-credential takes a name, not a path";
	if (sources(options) > 0 && options->no_password && options->device == NULL && !options->disabled)
		return "without a password here anybody could read that mailbox: leave out --no-password, or add "
		       "--device or --disabled";
	if (options->scram && !add_asks(options))
		return "--scram needs a password";
	for (size_t i = 0; i < options->network_count; i++)
		if (network_parse(options->networks[i], &network) != 0)
			return "--network takes 192.0.2.0/24 or 2001:db8::/32, with no bit set behind the prefix";
	return NULL;
}

/* ---- the two sides ---- */

static void write_key(FILE *stream, const char *key, const char *value)
{
	char *quoted = value == NULL ? NULL : edit_quote(value);

	if (quoted != NULL)
		fprintf(stream, "\n%s = %s;", key, quoted);
	free(quoted);
}

static void write_networks(FILE *stream, const struct accounts_options *options)
{
	for (size_t i = 0; i < options->network_count; i++)
		fprintf(stream, "%s\"%s\"", i == 0 ? "\nnetworks = ( " : ", ", options->networks[i]);
	if (options->network_count > 0)
		fputs(" );", stream);
}

static char *write_group(const struct accounts_options *options, const char *user)
{
	char *text = NULL, *quoted = edit_quote(user);
	size_t size;
	FILE *stream = quoted == NULL ? NULL : open_memstream(&text, &size);

	if (stream == NULL) {
		free(quoted);
		return NULL;
	}
	fprintf(stream, "user = %s;", quoted);
	free(quoted);
	if (options->disabled)
		fputs("\ndisabled = true;", stream);
	write_key(stream, "backend", options->backend);
	write_key(stream, "upstream_user", options->upstream_user);
	write_key(stream, "folder", options->folder);
	write_key(stream, "auth_user", options->auth_user);
	write_key(stream, "secret_file", options->secret_file);
	write_key(stream, "secret_credential", options->secret_credential);
	write_key(stream, "oauth", options->oauth);
	write_networks(stream, options);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

static char *copy(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

static void fill_source(const struct accounts_options *options, struct conf_source *source)
{
	const char *text = options->secret_file;

	source->kind = text == NULL ? CONF_SOURCE_CLIENT : CONF_SOURCE_FILE;
	if (options->secret_credential != NULL) {
		text = options->secret_credential;
		source->kind = CONF_SOURCE_CREDENTIAL;
	} else if (options->oauth != NULL) {
		text = options->oauth;
		source->kind = CONF_SOURCE_OAUTH;
	}
	source->text = copy(text);
	source->auth_user = copy(options->auth_user);
}

int add_account(struct book *book, const struct accounts_options *options, const char *user)
{
	struct account account = {.user = copy(user),
				  .disabled = options->disabled,
				  .backend = options->backend == NULL ? ACCOUNT_BY_ROUTE
								      : find_backend(book->conf, options->backend),
				  .upstream_user = copy(options->upstream_user),
				  .folder = copy(options->folder)};
	char *group = write_group(options, user);
	int result;

	fill_source(options, &account.source);
	if (options->network_count > 0)
		account.networks = calloc(options->network_count, sizeof(*account.networks));
	for (; account.networks != NULL && account.network_count < options->network_count; account.network_count++)
		(void)network_parse(options->networks[account.network_count], &account.networks[account.network_count]);
	if (group == NULL || account.user == NULL) {
		conf_report_add(book->report, book->path, 0, "out of memory");
		account_clear(&account);
		result = -1;
	} else {
		result = book_add(book, group, &account); /* what lacks memory does not read back */
	}
	free(group);
	return result;
}
