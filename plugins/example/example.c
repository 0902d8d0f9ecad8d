/* example - a maildrop in memory, to learn the plugin contract from and to
 * test against: every user whose password is `password` finds the same few
 * messages in it. Setting `messages` says how many; `fail` makes a call go wrong.
 * What is removed comes back, unless `removed` names a folder to note it in.
 *
 * Runs in the spawner (configure) and in the session (everything else). */
#include <popgate/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct example {
	const struct popgate_host *host;
	const char *password, *fail;
	const char *removed; /* a folder; NULL: nothing is remembered */
	size_t messages;
};

struct drop {
	const struct example *example;
	struct popgate_session *session;
	unsigned char *removed; /* one flag a message */
	size_t *listed;		/* the message at each position of the listing */
	char *notes;		/* this user's file; NULL: none */
};

static const char *const failures[] = {"none", "temp", "perm", "protocol", "gone", "torn", "commit", "crash", NULL};

static const struct popgate_key keys[] = {
    {.name = "password",
     .type = POPGATE_KEY_STRING,
     .flags = POPGATE_KEY_SECRET,
     .fallback = "password",
     .help = "what every user logs in with"},
    {.name = "messages", .type = POPGATE_KEY_INT, .fallback = "3", .max = 1000000, .help = "how many there are"},
    {.name = "fail",
     .type = POPGATE_KEY_CHOICE,
     .fallback = "none",
     .choices = failures,
     .help = "how fetching (torn, gone, ...), opening (temp, perm) or removing (commit) goes wrong"},
    {.name = "removed",
     .type = POPGATE_KEY_FILE,
     .help = "a folder where removals are noted, a file for each user; without it what is removed comes back"},
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
	struct example *example = calloc(1, sizeof(*example));

	if (example == NULL)
		return fail(error, POPGATE_PERM, "out of memory");
	example->host = host;
	example->password = host->setting_string(settings, "password");
	example->fail = host->setting_string(settings, "fail");
	example->messages = (size_t)host->setting_int(settings, "messages");
	example->removed = host->setting_string(settings, "removed");
	/* without this the sandbox would let no session look there */
	if (example->removed != NULL && host->use_path(settings, example->removed, POPGATE_PATH_WRITE) != 0) {
		free(example);
		return fail(error, POPGATE_PERM, "removed: out of memory");
	}
	*instance_r = example;
	return 0;
}

static void destroy(void *instance)
{
	free(instance);
}

static void close_drop(void *context)
{
	struct drop *drop = context;

	if (drop == NULL)
		return;
	free(drop->removed);
	free(drop->listed);
	free(drop->notes);
	free(drop);
}

/* A plugin proves the credential, then takes the lock. */
static int authenticate(const struct drop *drop, struct popgate_error *error)
{
	const struct example *example = drop->example;
	struct popgate_credential credential;

	if (example->host->credential(drop->session, &credential, error) != 0)
		return -1;
	if (credential.secret_size != strlen(example->password) ||
	    memcmp(credential.secret, example->password, credential.secret_size) != 0)
		return fail(error, POPGATE_AUTH, "wrong password");
	return example->host->lock(drop->session, "INBOX", error) < 0 ? -1 : 0;
}

/* ---- what is removed ---- */

/* A file whose name no user can choose freely: hex digits. */
static char *name_notes(const char *folder, const char *user)
{
	size_t size = strlen(folder) + 1 + 2 * strlen(user) + 1, used;
	char *name = malloc(size);

	if (name == NULL)
		return NULL;
	used = (size_t)snprintf(name, size, "%s/", folder);
	for (; *user != '\0'; user++)
		used += (size_t)snprintf(name + used, size - used, "%02x", (unsigned char)*user);
	return name;
}

/* A file that is not there says that nothing has been removed. */
static int read_notes(struct drop *drop)
{
	int fd = drop->notes == NULL ? -1 : open(drop->notes, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0)
		return drop->notes == NULL || errno == ENOENT ? 0 : -1;
	got = read(fd, drop->removed, drop->example->messages);
	close(fd);
	return got < 0 ? -1 : 0;
}

static int note(const struct drop *drop, size_t message)
{
	const unsigned char flag = 1;
	int fd, result;

	if (drop->notes == NULL)
		return 0;
	fd = open(drop->notes, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	result = pwrite(fd, &flag, 1, (off_t)message) == 1 && fsync(fd) == 0 ? 0 : -1;
	close(fd);
	return result;
}

/* ---- the drop ---- */

static struct drop *drop_new(const struct example *example, const struct popgate_open *open)
{
	struct drop *drop = calloc(1, sizeof(*drop));

	if (drop == NULL)
		return NULL;
	drop->example = example;
	drop->removed = calloc(example->messages + 1, 1);
	drop->listed = calloc(example->messages + 1, sizeof(*drop->listed));
	if (example->removed != NULL)
		drop->notes = name_notes(example->removed, open->user);
	if (drop->removed != NULL && drop->listed != NULL && (example->removed == NULL || drop->notes != NULL))
		return drop;
	close_drop(drop);
	return NULL;
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	struct example *example = instance;
	struct drop *drop;

	if (example->host->now() >= open->deadline)
		return fail(error, POPGATE_TEMP, "the deadline has passed");
	if (strcmp(example->fail, "temp") == 0)
		return fail(error, POPGATE_TEMP, "told to fail");
	if (strcmp(example->fail, "perm") == 0)
		return fail(error, POPGATE_PERM, "told to fail");
	drop = drop_new(example, open);
	if (drop == NULL)
		return fail(error, POPGATE_TEMP, "out of memory");
	drop->session = session;
	if (authenticate(drop, error) != 0) {
		close_drop(drop);
		return -1;
	}
	if (read_notes(drop) != 0) { /* under the lock: nobody else writes them */
		close_drop(drop);
		return fail(error, POPGATE_TEMP, "what was removed cannot be read");
	}
	*drop_r = drop;
	return 0;
}

/* Message n has n body lines; the second line of each begins with a dot. Returns its octets, as snprintf does. */
static int text_of(size_t message, char *text, size_t size)
{
	int used = snprintf(text, size, "From: example@example.org\r\nSubject: message %zu\r\n\r\n", message + 1);

	for (size_t line = 0; line <= message % 50; line++)
		used += snprintf(text + used, size - (size_t)used, "%sline %zu\r\n", line == 1 ? "." : "", line + 1);
	return used;
}

#define TEXT_MAX 2048

static int list(void *context, popgate_list_fn *add, void *add_context, int64_t deadline, struct popgate_error *error)
{
	const struct drop *drop = context;
	char text[TEXT_MAX], uidl[32];
	size_t count = 0;

	(void)deadline;
	for (size_t i = 0; i < drop->example->messages; i++) {
		const struct popgate_message message = {.uidl = uidl,
							.octets = (uint64_t)text_of(i, text, sizeof(text))};

		if (drop->removed[i])
			continue;
		drop->listed[count++] = i;
		snprintf(uidl, sizeof(uidl), "example.%zu", i + 1);
		if (add(add_context, &message) != 0)
			return fail(error, POPGATE_STOPPED, "the host wants no more");
	}
	return 0;
}

/* Everything of it is still there; only another session may have removed something. */
static int refresh(void *context, popgate_list_fn *add, void *add_context, int64_t deadline,
		   struct popgate_error *error)
{
	struct drop *drop = context;

	if (drop->example->host->now() >= deadline)
		return fail(error, POPGATE_TEMP, "the deadline has passed");
	if (read_notes(drop) != 0)
		return fail(error, POPGATE_TEMP, "what was removed cannot be read");
	return list(drop, add, add_context, deadline, error);
}

static int fetch(void *context, size_t message, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	const struct drop *drop = context;
	const char *way = drop->example->fail;
	char text[TEXT_MAX];
	size_t size = (size_t)text_of(drop->listed[message], text, sizeof(text));

	(void)lines; /* the host cuts */
	(void)pace;
	if (strcmp(way, "gone") == 0)
		return fail(error, POPGATE_GONE, "told to fail");
	if (strcmp(way, "protocol") == 0)
		return fail(error, POPGATE_PROTOCOL, "told to fail");
	if (strcmp(way, "crash") == 0)
		abort();
	if (sink->write(sink->context, text, size / 2) < 0)
		return fail(error, POPGATE_STOPPED, "the client has gone");
	if (strcmp(way, "torn") == 0)
		return fail(error, POPGATE_TEMP, "told to fail");
	if (sink->write(sink->context, text + size / 2, size - size / 2) < 0)
		return fail(error, POPGATE_STOPPED, "the client has gone");
	return 0;
}

static int commit(void *context, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	const struct drop *drop = context;

	if (drop->example->host->now() >= deadline)
		return fail(error, POPGATE_TEMP, "the deadline has passed");
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && strcmp(drop->example->fail, "commit") == 0)
			return fail(error, POPGATE_TEMP, "told to fail after the first");
		if (note(drop, drop->listed[messages[i]]) != 0)
			return fail(error, POPGATE_TEMP, "a removal cannot be noted");
		gone[i] = 1;
	}
	return 0;
}

const struct popgate_plugin popgate_plugin = {
    .magic = POPGATE_PLUGIN_MAGIC,
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .size = sizeof(struct popgate_plugin),
    .key_size = sizeof(struct popgate_key),
    .name = "example",
    .version = "1",
    .summary = "a maildrop in memory",
    .capabilities = POPGATE_CAN_REFRESH | POPGATE_EXACT_SIZE | POPGATE_STABLE_ID,
    .keys = keys,
    .configure = configure,
    .destroy = destroy,
    .open = open_drop,
    .list = list,
    .fetch = fetch,
    .commit = commit,
    .close = close_drop,
    .refresh = refresh,
};
