/* add - see add.h. */
#include "accounts/add.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define NAME_MAX_OCTETS 512

static const char *const proofs[] = {"hash", "scram_sha_1", "scram_sha_256", "secret"};

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
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
		if (accounts_options_have(options, proofs[i]))
			return false;
	return !options->no_password && options->device == NULL;
}

static bool is_file(const char *key)
{
	for (const struct popgate_key *known = account_table_keys; known->name != NULL; known++)
		if (strcmp(known->name, key) == 0)
			return known->type == POPGATE_KEY_FILE;
	return false;
}

/* A relative name would start from the file's folder there, and from the current one in the eyes of who types it. */
static int check_paths(const struct accounts_options *options, const char *source, struct conf_report *report)
{
	int result = 0;

	for (size_t i = 0; i < options->value_count; i++) {
		if (!is_file(options->values[i].key) || options->values[i].text[0] == '/')
			continue;
		conf_report_add(report, source, 0, "`%s` takes an absolute path here", options->values[i].key);
		result = -1;
	}
	return result;
}

/* Those that are there already; secrets are asked for later. */
static int check_values(const struct accounts_options *options, const char *user, const struct conf *conf,
			const char *source, struct conf_report *report)
{
	struct account_value *values = calloc(options->value_count + 1, sizeof(*values));
	struct account account = {0};
	size_t count = 0;
	int result;

	if (values == NULL) {
		conf_report_add(report, source, 0, "out of memory");
		return -1;
	}
	for (size_t i = 0; i < options->value_count; i++)
		if (options->values[i].text != NULL)
			values[count++] = options->values[i];
	result = account_table_read(conf, source, user, values, count, &account, report);
	account_clear(&account);
	free(values);
	return result;
}

int add_judge(const struct accounts_options *options, const char *user, const struct conf *conf, const char *source,
	      struct conf_report *report)
{
	if (options->device != NULL && !add_is_name(options->device)) {
		conf_report_add(report, source, 0,
				"a device's name must be 1 to 512 octets of UTF-8 without control characters");
		return -1;
	}
	return check_paths(options, source, report) | check_values(options, user, conf, source, report);
}
