/* add - see add.h. */
#include "accounts/add.h"

static const char *const proofs[] = {"hash", "scram_sha_1", "scram_sha_256", "secret"};

bool add_asks(const struct accounts_options *options)
{
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
		if (accounts_options_have(options, proofs[i]))
			return false;
	return !options->no_password && options->device == NULL;
}

/* A relative name would start from the file's folder there, and from the current one in the eyes of who types it. */
static int check_paths(const struct accounts_options *options, const char *source, struct conf_report *report)
{
	int result = 0;

	for (size_t i = 0; i < options->value_count; i++) {
		const struct popgate_key *key = account_table_key(options->values[i].key);

		if (key == NULL || key->type != POPGATE_KEY_FILE || options->values[i].text[0] == '/')
			continue;
		conf_report_add(report, source, 0, "`%s` takes an absolute path here", key->name);
		result = -1;
	}
	return result;
}

int add_judge(const struct accounts_options *options, const char *user, const struct conf *conf, const char *source,
	      struct conf_report *report)
{
	struct account account = {0};
	int result;

	if (options->device != NULL && !account_is_name(options->device)) {
		conf_report_add(report, source, 0,
				"a device's name must be 1 to 512 octets of UTF-8 without control characters");
		return -1;
	}
	result = check_paths(options, source, report);
	if (account_table_read(conf, source, user, options->values, options->value_count, &account, report) != 0)
		return -1;
	account_clear(&account);
	return result;
}
