/* shaky_plugin - keeps the contract, but for the one way that its settings name: what `popgate plugin-test` must find.
 * Five messages; those that are removed are marked in a file. Links with nothing, so that a test builds it at once. */
#define _GNU_SOURCE
#include <popgate/plugin.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MESSAGES 5
#define PIECE	 16	  /* octets of one write */
#define LARGE	 0x180000 /* of a large message */
#define TEXT_MAX (LARGE + 512)
#define HELD	 40 /* descriptors of a drop that needs many */

#define CAPABILITIES (POPGATE_CAN_PREFETCH | POPGATE_CAN_REFRESH | POPGATE_EXACT_SIZE | DECLARED)
#ifndef DECLARED
#define DECLARED TAKES
#endif

struct shaky {
	const struct popgate_host *host;
	const char *way, *state;
	int owner; /* a file */
};

struct drop {
	const struct shaky *shaky;
	struct popgate_session *session;
	size_t count, messages[MESSAGES], hinted;
	int ready[2]; /* a pipe that can be read from */
	int held[HELD];
	bool refused, refreshed, utf8, fetched[MESSAGES];
};

static const struct popgate_key keys[] = {
    {.name = "way", .type = POPGATE_KEY_STRING, .fallback = "none", .help = "what goes wrong"},
    {.name = "state", .type = POPGATE_KEY_FILE, .flags = POPGATE_KEY_REQUIRED, .help = "which messages are removed"},
    {.name = NULL}};

static unsigned lists; /* calls in this process */

static int fail(struct popgate_error *error, enum popgate_status status, const char *text)
{
	error->status = status;
	snprintf(error->text, sizeof(error->text), "%s", text);
	return -1;
}

static bool is(const struct shaky *shaky, const char *way)
{
	return strcmp(shaky->way, way) == 0;
}

/* The ways that end a process, in the step that the way names behind its hyphen. */
static void end(const struct shaky *shaky, const char *step)
{
	const char *way = strchr(shaky->way, '-');

	if (way == NULL || strcmp(way + 1, step) != 0)
		return;
	if (strncmp(shaky->way, "crash-", 6) == 0)
		*(volatile int *)8 = 0;
	if (strncmp(shaky->way, "abort-", 6) == 0)
		abort();
	if (strncmp(shaky->way, "exit-", 5) == 0)
		exit(0);
	if (strncmp(shaky->way, "spin-", 5) == 0)
		for (volatile int forever = 1; forever;)
			;
}

static int configure(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
		     struct popgate_error *error)
{
	static struct shaky *one;
	struct shaky *shaky = calloc(1, sizeof(*shaky));

	if (shaky == NULL)
		return fail(error, POPGATE_PERM, "no memory");
	shaky->host = host;
	shaky->way = host->setting_string(settings, "way");
	shaky->state = host->setting_string(settings, "state");
	if (is(shaky, "configure-refuses"))
		return fail(error, POPGATE_PERM, "not today");
	if (is(shaky, "configure-temp"))
		return fail(error, POPGATE_TEMP, "not today");
	if (is(shaky, "configure-asks-wrongly"))
		(void)host->setting_int(settings, "way");
	end(shaky, "configure");
	if (is(shaky, "one-session"))
		shaky->owner = memfd_create("owner", MFD_CLOEXEC);
	if (is(shaky, "one-instance"))
		shaky = one = one == NULL ? shaky : one;
	*instance_r = shaky;
	return 0;
}

static void destroy(void *instance)
{
	struct shaky *shaky = instance;

	if (shaky == NULL)
		return;
	if (is(shaky, "one-instance") && shaky->state == NULL)
		abort();
	if (is(shaky, "one-instance"))
		shaky->state = NULL;
	else if (is(shaky, "one-session"))
		close(shaky->owner);
	if (!is(shaky, "one-instance"))
		free(shaky);
}

static void close_drop(void *context)
{
	struct drop *drop = context;

	if (drop == NULL)
		return;
	end(drop->shaky, "close");
	if (!is(drop->shaky, "leak"))
		close(drop->ready[0]);
	close(drop->ready[1]);
	for (size_t i = 0; i < HELD && is(drop->shaky, "needs-descriptors"); i++)
		close(drop->held[i]);
	free(drop);
}

static int secret_in_text(const struct popgate_credential *credential, struct popgate_error *error)
{
	error->status = POPGATE_AUTH;
	snprintf(error->text, sizeof(error->text), "%s is refused", (const char *)credential->secret);
	return -1;
}

/* What a failed open says, sound or not. */
static int refuse(const struct shaky *shaky, struct drop *drop, void **drop_r,
		  const struct popgate_credential *credential, struct popgate_error *error)
{
	if (is(shaky, "secret-in-text"))
		return secret_in_text(credential, error);
	if (is(shaky, "secret-in-log"))
		shaky->host->log(drop->session, POPGATE_LOG_INFO, "%s is refused", (const char *)credential->secret);
	if (is(shaky, "no-text"))
		return -1;
	if (is(shaky, "no-end"))
		memset(error->text, 'a', sizeof(error->text));
	if (is(shaky, "drop-of-failure"))
		*drop_r = drop;
	if (is(shaky, "no-end"))
		return -1;
	if (is(shaky, "two-lines"))
		return fail(error, POPGATE_AUTH, "one\ntwo");
	if (is(shaky, "wrong-status"))
		return fail(error, POPGATE_GONE, "refused");
	if (is(shaky, "no-status"))
		return fail(error, (enum popgate_status)77, "refused");
	return fail(error, is(shaky, "temp-for-auth") ? POPGATE_TEMP : POPGATE_AUTH, "refused");
}

#include "shaky_takes.h"

static int authenticate(struct drop *drop, const struct popgate_open *open, void **drop_r, struct popgate_error *error)
{
	const struct shaky *shaky = drop->shaky;
	struct popgate_credential credential;

	if (is(shaky, "lock-first") && shaky->host->lock(drop->session, "INBOX", error) < 0)
		return -1;
	if (shaky->host->credential(drop->session, &credential, error) != 0)
		return -1;
	if (!take_secret(drop, open, &credential, error))
		return refuse(shaky, drop, drop_r, &credential, error);
	if (is(shaky, "lock-twice") && shaky->host->lock(drop->session, "INBOX", error) < 0)
		return -1;
	return is(shaky, "lock-never") || is(shaky, "lock-first") ? 0
								  : shaky->host->lock(drop->session, "INBOX", error);
}

/* A file that all sessions of an instance share, though each takes it for its own. */
static void own(const struct shaky *shaky)
{
	pid_t self = getpid();

	if (is(shaky, "one-session") && pwrite(shaky->owner, &self, sizeof(self), 0) != sizeof(self))
		abort();
}

static bool is_own(const struct shaky *shaky)
{
	pid_t owner = 0;

	return !is(shaky, "one-session") ||
	       (pread(shaky->owner, &owner, sizeof(owner), 0) == sizeof(owner) && owner == getpid());
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	const struct shaky *shaky = instance;
	struct drop *drop = calloc(1, sizeof(*drop));

	if (shaky->host->now() >= open->deadline && is(shaky, "late-open"))
		sleep(2);
	if (shaky->host->now() >= open->deadline && !is(shaky, "open-ignores-deadline"))
		return fail(error, is(shaky, "late-perm") ? POPGATE_PERM : POPGATE_TEMP, "too late");
	if ((open->flags & POPGATE_OPEN_UTF8) && is(shaky, "utf8-refused"))
		return fail(error, POPGATE_PERM, "no such letters");
	if (drop == NULL || pipe2(drop->ready, O_CLOEXEC) != 0 || write(drop->ready[1], "x", 1) != 1)
		return fail(error, POPGATE_TEMP, "no memory");
	end(shaky, "open");
	drop->shaky = shaky;
	drop->session = session;
	drop->utf8 = (open->flags & POPGATE_OPEN_UTF8) != 0;
	for (size_t i = 0; i < HELD && is(shaky, "needs-descriptors"); i++)
		if ((drop->held[i] = dup(drop->ready[0])) < 0)
			return fail(error, POPGATE_TEMP, "no descriptor");
	if (authenticate(drop, open, drop_r, error) != 0 || take_folder(shaky, open->folder, error) != 0) {
		if (!is(shaky, "open-leaks"))
			close_drop(drop);
		return -1;
	}
	own(shaky);
	if (!is(shaky, "no-drop"))
		*drop_r = drop;
	return 0;
}

/* ---- the messages ---- */

static bool is_removed(const struct shaky *shaky, size_t message)
{
	char flag = 0;
	int fd = open(shaky->state, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread(fd, &flag, 1, (off_t)message) != 1)
		flag = 0;
	close(fd);
	return flag == 'x';
}

static void remove_it(const struct shaky *shaky, size_t message)
{
	int fd = open(shaky->state, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (pwrite(fd, "x", 1, (off_t)message) != 1)
		abort();
	close(fd);
}

static size_t text_of(const struct shaky *shaky, size_t message, char *text, size_t size)
{
	int width = is(shaky, "large") && message == 0 ? LARGE : 60 + 10 * (int)message;

	if (is(shaky, "no-octets"))
		return 0;
	return (size_t)snprintf(text, size, "Subject: %zu\r\n\r\n%0*d\r\n.\r\n", message, width, 0);
}

static void odd_listing(const struct drop *drop, size_t i, char *id, size_t size, struct popgate_message *message)
{
	const struct shaky *shaky = drop->shaky;

	if (is(shaky, "utf8-ids") && drop->utf8)
		snprintf(id, size, "utf8.%zu", i);
	if (is(shaky, "double-id"))
		snprintf(id, size, "id");
	if (is(shaky, "long-id"))
		snprintf(id, size, "%071d", (int)i);
	if (is(shaky, "blank-id"))
		snprintf(id, size, "id %zu", i);
	if (is(shaky, "no-id"))
		message->uidl = NULL;
	if (is(shaky, "huge-size"))
		message->octets = UINT64_MAX;
	if (is(shaky, "unstable-id"))
		snprintf(id, size, "id.%u.%zu", lists, i);
	if (is(shaky, "unstable-size"))
		message->octets += lists;
	if (is(shaky, "wrong-size"))
		message->octets++;
}

static int list(void *context, popgate_list_fn *add, void *add_context, int64_t deadline, struct popgate_error *error)
{
	struct drop *drop = context;
	const struct shaky *shaky = drop->shaky;
	static char text[TEXT_MAX];
	char id[100];
	bool late = shaky->host->now() >= deadline;

	end(shaky, "list");
	if (late && is(shaky, "late-list"))
		sleep(2);
	if (late && is(shaky, "late-list-perm"))
		return fail(error, POPGATE_PERM, "too late");
	lists++;
	drop->count = 0;
	for (size_t i = 0; i < MESSAGES; i++) {
		struct popgate_message message = {.uidl = id, .octets = text_of(shaky, i, text, sizeof(text))};

		if (is_removed(shaky, i) || is(shaky, "empty") || (is(shaky, "unstable-count") && i == lists))
			continue;
		snprintf(id, sizeof(id), "id.%zu", i);
		odd_listing(drop, i, id, sizeof(id), &message);
		drop->messages[drop->count++] = i;
		if (add(add_context, &message) == 0 || is(shaky, "add-ignored"))
			continue;
		return is(shaky, "add-success")
			   ? 0
			   : fail(error, is(shaky, "add-temp") ? POPGATE_TEMP : POPGATE_STOPPED, "no");
	}
	return 0;
}

#include "shaky_waits.h"

static int refused(struct drop *drop, struct popgate_error *error)
{
	drop->refused = true;
	if (is(drop->shaky, "refusal-success"))
		return 0;
	return fail(error, is(drop->shaky, "refusal-temp") ? POPGATE_TEMP : POPGATE_STOPPED, "refused");
}

/* Changes the octets of a message where the way says so. Returns their number. */
static size_t odd_text(struct drop *drop, size_t message, int64_t lines, char *text, size_t size)
{
	const struct shaky *shaky = drop->shaky;

	if (is(shaky, "other-octets") && drop->fetched[message])
		text[size - 6] = '1';
	if (is(shaky, "fewer-octets") && drop->fetched[message])
		size -= 3;
	if (is(shaky, "other-header") && lines == 0)
		text[9] = '*';
	if (is(shaky, "half-header") && lines == 0)
		size = 8;
	if (is(shaky, "refusal-spoils") && drop->refused)
		text[20] = '1';
	if (is(shaky, "forward-only") && message + 1 < MESSAGES && drop->fetched[message + 1])
		text[20] = '2';
	if (is(shaky, "refresh-spoils") && drop->refreshed)
		text[20] = '4';
	if (is(shaky, "hint-confuses") && drop->hinted > 0 && message != drop->hinted - 1)
		text[20] = '3';
	drop->fetched[message] = true;
	return size;
}

static int fetch(void *context, size_t position, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	struct drop *drop = context;
	const struct shaky *shaky = drop->shaky;
	static char text[TEXT_MAX];
	size_t message = drop->messages[position];
	bool again = drop->fetched[message], at_once = is(shaky, "large") || (again && is(shaky, "writes-less"));
	size_t size = odd_text(drop, message, lines, text, text_of(shaky, message, text, sizeof(text)));
	size_t piece = at_once ? size : PIECE;
	int64_t begun = shaky->host->now();

	end(shaky, "fetch");
	if (!is_own(shaky))
		return fail(error, POPGATE_TEMP, "somebody else is here");
	if (is(shaky, "slow-upstream") && wait_long(drop, message, pace, error) != 0)
		return -1;
	for (size_t at = 0; at < size; at += piece) {
		int result;

		if (await(drop, pace, error) != 0)
			return -1;
		result = sink->write(sink->context, text + at, size - at < piece ? size - at : piece);
		if (result == 1)
			return is(shaky, "enough-fails") ? fail(error, POPGATE_STOPPED, "enough") : 0;
		if (result < 0 && !is(shaky, "refusal-ignored"))
			return refused(drop, error);
		if (is(shaky, "sink-counts") && shaky->host->now() - begun >= pace->window)
			return fail(error, POPGATE_TEMP, "too slow");
	}
	return 0;
}

static int commit(void *context, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	const struct drop *drop = context;
	const struct shaky *shaky = drop->shaky;
	bool late = shaky->host->now() >= deadline;

	end(shaky, "commit");
	if (late && is(shaky, "late-lie"))
		memset(gone, 1, count);
	if (late && is(shaky, "late-removal"))
		remove_it(shaky, drop->messages[messages[0]]);
	if (late && is(shaky, "late-commit-perm"))
		return fail(error, POPGATE_PERM, "too late");
	if (late && !is(shaky, "commit-ignores-deadline"))
		return fail(error, is(shaky, "late-auth") ? POPGATE_AUTH : POPGATE_TEMP, "too late");
	for (size_t i = 0; i < count; i++) {
		if (!is(shaky, "commit-lies"))
			remove_it(shaky, drop->messages[messages[i]]);
		gone[i] = is(shaky, "odd-gone") ? 2 : !is(shaky, "commit-silent");
	}
	if (is(shaky, "long-gone"))
		gone[count] = 1;
	if (is(shaky, "commit-neighbour"))
		remove_it(shaky, drop->messages[messages[0] + 1]);
	return is(shaky, "commit-refuses") ? fail(error, POPGATE_PERM, "read-only") : 0;
}

static void prefetch(void *context, const size_t *messages, size_t count, int64_t lines, uint64_t octets)
{
	struct drop *drop = context;
	(void)lines, (void)octets;

	end(drop->shaky, "prefetch");
	drop->hinted = count == 0 ? 0 : drop->messages[messages[0]] + 1;
}

/* A listing of its own, but for what the way says. */
static int refresh(void *context, popgate_list_fn *add, void *add_context, int64_t deadline,
		   struct popgate_error *error)
{
	struct drop *drop = context;
	const struct shaky *shaky = drop->shaky;

	end(shaky, "refresh");
	if (is(shaky, "refresh-late") && shaky->host->now() >= deadline)
		usleep(1500000);
	if (is(shaky, "refresh-auth") && shaky->host->now() >= deadline)
		return fail(error, POPGATE_AUTH, "too late");
	if (is(shaky, "refresh-locks"))
		(void)shaky->host->lock(drop->session, "INBOX", error);
	if (is(shaky, "refresh-fails"))
		return fail(error, POPGATE_TEMP, "never again");
	if (is(shaky, "refresh-stale")) {
		size_t before[MESSAGES];

		memcpy(before, drop->messages, sizeof(before));
		if (list(drop, add, add_context, deadline, error) != 0)
			return -1;
		memcpy(drop->messages, before, sizeof(before)); /* fetch() goes by the old positions */
		return 0;
	}
	drop->refreshed = true;
	return list(drop, add, add_context, deadline, error);
}

static unsigned offers(void *context)
{
	const struct drop *drop = context;

	end(drop->shaky, "offers");
	return is(drop->shaky, "offers-nothing") ? 0 : CAPABILITIES;
}

#ifndef EXPORTED /* or what is wrong with the data */
#define EXPORTED
#endif

const struct popgate_plugin popgate_plugin = {.magic = POPGATE_PLUGIN_MAGIC,
					      .abi_major = POPGATE_ABI_MAJOR,
					      .abi_minor = POPGATE_ABI_MINOR,
					      .size = sizeof(struct popgate_plugin),
					      .key_size = sizeof(struct popgate_key),
					      .name = "shaky",
					      .version = "1",
					      .summary = "keeps the contract, but for one way",
					      .capabilities = CAPABILITIES,
					      .keys = keys,
					      .configure = configure,
					      .destroy = destroy,
					      .open = open_drop,
					      .list = list,
					      .fetch = fetch,
					      .commit = commit,
					      .close = close_drop,
					      .prefetch = prefetch,
					      .refresh = refresh,
					      .offers = offers,
					      .takes = takes,
					      EXPORTED};
