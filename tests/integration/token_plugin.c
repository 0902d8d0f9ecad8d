/* token - a plugin for tests of tokens: an empty maildrop that opens for a token that stands in the file `tokens` in
 * the folder `accepts`, one a line. A refused one is renewed once. It writes nothing. */
#include <popgate/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct token {
	const struct popgate_host *host;
	const char *accepts;
};

static const struct popgate_key keys[] = {
    {.name = "accepts",
     .type = POPGATE_KEY_FILE,
     .flags = POPGATE_KEY_REQUIRED,
     .help = "where the file of good tokens is"},
    {.name = NULL},
};

static int fail(struct popgate_error *error, enum popgate_status status, const char *text)
{
	error->status = status;
	snprintf(error->text, sizeof(error->text), "%s", text);
	return -1;
}

static int configure(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
		     struct popgate_error *error)
{
	struct token *token = calloc(1, sizeof(*token));

	if (token == NULL)
		return fail(error, POPGATE_PERM, "out of memory");
	token->host = host;
	token->accepts = host->setting_string(settings, "accepts");
	if (host->use_path(settings, token->accepts, 0) != 0) {
		free(token);
		return fail(error, POPGATE_PERM, "accepts: out of memory");
	}
	*instance_r = token;
	return 0;
}

static void destroy(void *instance)
{
	free(instance);
}

static int is_good(const struct token *token, const struct popgate_credential *credential)
{
	char line[16384];
	FILE *file;
	int found = 0;

	snprintf(line, sizeof(line), "%s/tokens", token->accepts);
	file = fopen(line, "re");
	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strlen(line) == credential->secret_size && memcmp(line, credential->secret, strlen(line)) == 0;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	struct token *token = instance;
	struct popgate_credential credential;

	(void)open;
	if (token->host->secret_kind(session) != POPGATE_TOKEN)
		return fail(error, POPGATE_PERM, "no token has come");
	if (token->host->credential(session, &credential, error) != 0)
		return -1;
	if (!is_good(token, &credential)) {
		if (token->host->renew(session, &credential, error) != 0)
			return -1;
		if (!is_good(token, &credential))
			return fail(error, POPGATE_AUTH, "two tokens are refused");
	}
	if (token->host->lock(session, "INBOX", error) < 0)
		return -1;
	*drop_r = token;
	return 0;
}

static int list(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	(void)drop, (void)add, (void)context, (void)deadline, (void)error;
	return 0;
}

static int fetch(void *drop, size_t message, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	(void)drop, (void)message, (void)lines, (void)sink, (void)pace;
	return fail(error, POPGATE_GONE, "there is none");
}

static int commit(void *drop, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	(void)drop, (void)messages, (void)count, (void)gone, (void)deadline, (void)error;
	return 0;
}

static void close_drop(void *drop)
{
	(void)drop;
}

const struct popgate_plugin popgate_plugin = {
    .magic = POPGATE_PLUGIN_MAGIC,
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .size = sizeof(struct popgate_plugin),
    .key_size = sizeof(struct popgate_key),
    .name = "token",
    .version = "1",
    .summary = "a maildrop that opens for tokens",
    .capabilities = POPGATE_TAKES_TOKEN,
    .keys = keys,
    .configure = configure,
    .destroy = destroy,
    .open = open_drop,
    .list = list,
    .fetch = fetch,
    .commit = commit,
    .close = close_drop,
};
