/* shaky_takes - what shaky_plugin.c can do since ABI 1.3, and how it goes wrong. */

#define TAKES (POPGATE_TAKES_FOLDER | POPGATE_TAKES_TOKEN | POPGATE_TAKES_MASTER | POPGATE_TAKES_NONE)

static int take_folder(const struct shaky *shaky, const char *folder, struct popgate_error *error)
{
	if (folder == NULL || strcmp(folder, "INBOX") == 0 || is(shaky, "any-folder"))
		return 0;
	if (is(shaky, "crash-folder"))
		abort();
	return fail(error, is(shaky, "folder-is-auth") ? POPGATE_AUTH : POPGATE_PERM, "no such folder");
}

/* Whether the credential proves this user. */
static bool take_secret(struct drop *drop, const struct popgate_open *open, struct popgate_credential *credential,
			struct popgate_error *error)
{
	const struct shaky *shaky = drop->shaky;

	switch (shaky->host->secret_kind(drop->session)) {
	case POPGATE_NONE:
		return !is(shaky, "none-refused");
	case POPGATE_TOKEN:
		(void)shaky->host->renew(drop->session, credential, error);
		if (is(shaky, "renews-on"))
			(void)shaky->host->renew(drop->session, credential, error);
		return is(shaky, "any-token");
	case POPGATE_PASSWORD:
		break;
	}
	if (strcmp(credential->user, open->user) != 0 && !is(shaky, "any-master"))
		return false;
	return is(shaky, "any-password") || (credential->secret_size == 0 && is(shaky, "empty-is-none")) ||
	       strcmp((const char *)credential->secret, "open sesame") == 0;
}

static unsigned takes(void *instance)
{
	/* the other ways go wrong where these checks would stumble over it too */
	static const char *const ways[] = {"none",	"any-folder", "crash-folder", "folder-is-auth", "any-token",
					   "renews-on", "any-master", "none-refused", "empty-is-none"};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (is(instance, ways[i]))
			return TAKES;
	return 0;
}
