/* evil_plugin - a plugin that goes wrong, in the step and in the way that its settings name. Three messages. */
#include <popgate/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct evil {
	const struct popgate_host *host;
	const char *step, *way;
};

struct drop {
	const struct evil *evil;
	struct popgate_session *session;
};

#define LARGE 1000000 /* octets */

static const struct popgate_key keys[] = {
    {.name = "step", .type = POPGATE_KEY_STRING, .flags = POPGATE_KEY_REQUIRED, .help = "open, list, fetch or commit"},
    {.name = "way", .type = POPGATE_KEY_STRING, .flags = POPGATE_KEY_REQUIRED, .help = "what goes wrong there"},
    {.name = NULL}};

static int fail(struct popgate_error *error)
{
	error->status = POPGATE_TEMP;
	snprintf(error->text, sizeof(error->text), "no memory");
	return -1;
}

/* Takes all the memory that there is. */
static int gorge(struct popgate_error *error)
{
	char *block;

	while ((block = malloc(1 << 20)) != NULL)
		memset(block, 1, 1 << 20);
	return fail(error);
}

static int misbehave(const struct drop *drop, const char *step, struct popgate_error *error)
{
	const char *way = drop->evil->way;

	if (strcmp(drop->evil->step, step) != 0)
		return 0;
	if (strcmp(way, "crash") == 0)
		*(volatile int *)8 = 0;
	if (strcmp(way, "abort") == 0)
		abort();
	if (strcmp(way, "exit") == 0)
		exit(0);
	if (strcmp(way, "sleep") == 0)
		for (;;)
			pause();
	if (strcmp(way, "spin") == 0)
		for (volatile int forever = 1; forever;)
			;
	if (strcmp(way, "exec") == 0)
		execl("/bin/true", "true", (char *)NULL);
	return strcmp(way, "memory") == 0 ? gorge(error) : 0;
}

static int configure(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
		     struct popgate_error *error)
{
	struct evil *evil = malloc(sizeof(*evil));

	if (evil == NULL)
		return fail(error);
	evil->host = host;
	evil->step = host->setting_string(settings, "step");
	evil->way = host->setting_string(settings, "way");
	*instance_r = evil;
	return 0;
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	struct drop *drop = malloc(sizeof(*drop));

	if (drop == NULL)
		return fail(error);
	drop->evil = instance;
	drop->session = session;
	if (drop->evil->host->lock(session, open->user, error) < 0 || misbehave(drop, "open", error) != 0)
		return -1;
	*drop_r = drop;
	return 0;
}

static int list(void *context, popgate_list_fn *add, void *add_context, int64_t deadline, struct popgate_error *error)
{
	const struct drop *drop = context;
	const char *way = strcmp(drop->evil->step, "list") == 0 ? drop->evil->way : "";
	int more = 1;
	(void)deadline;

	if (misbehave(drop, "list", error) != 0)
		return -1;
	for (int i = 0; i < 3 || (strcmp(way, "endless") == 0 && more); i++) {
		char uidl[100];
		struct popgate_message message = {.uidl = uidl, .octets = 30};

		snprintf(uidl, sizeof(uidl), "%d", strcmp(way, "double") == 0 ? 1 : i);
		if (strcmp(way, "long") == 0)
			snprintf(uidl, sizeof(uidl), "%080d", i);
		if (strcmp(way, "none") == 0)
			message.uidl = NULL;
		if (strcmp(drop->evil->way, "large") == 0 && i > 0)
			message.octets = LARGE;
		if (strcmp(drop->evil->way, "octets") == 0 && i == 1)
			message.octets++;
		if (strcmp(way, "huge") == 0)
			message.octets = UINT64_MAX;
		if (strcmp(way, "sum") == 0)
			message.octets = INT64_MAX / 2 + 1;
		more = add(add_context, &message) == 0; /* and goes on after a refusal */
	}
	return 0;
}

/* A message of `size` octets, in pieces that leave the host's buffer. */
static int fetch_large(const struct popgate_sink *sink, size_t size)
{
	static const char line[] = "0123456789012345678901234567890123456789012345678901234567890\r\n";
	size_t done = 2;

	if (sink->write(sink->context, "\r\n", 2) < 0)
		return -1;
	for (; size - done >= sizeof(line) - 1; done += sizeof(line) - 1)
		if (sink->write(sink->context, line, sizeof(line) - 1) < 0)
			return -1;
	return sink->write(sink->context, line + (sizeof(line) - 1 - (size - done)), size - done) < 0 ? -1 : 0;
}

static int fetch(void *context, size_t message, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	static const char text[] = "Subject: x\r\n\r\n0123456789abcd\r\n";
	(void)message, (void)lines, (void)pace;

	const struct drop *drop = context;

	if (misbehave(drop, "fetch", error) != 0)
		return -1;
	if (strcmp(drop->evil->way, "large") == 0 && message > 0)
		return fetch_large(sink, message == 1 ? LARGE : LARGE - 1);
	return sink->write(sink->context, text, sizeof(text) - 1) < 0 ? -1 : 0;
}

static int commit(void *context, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	const struct drop *drop = context;
	(void)messages, (void)deadline;

	if (misbehave(drop, "commit", error) != 0)
		return -1;
	if (strcmp(drop->evil->way, "lie") != 0) /* success, and nothing is confirmed */
		memset(gone, 1, count);
	return 0;
}

static void prefetch(void *context, const size_t *messages, size_t count, int64_t lines, uint64_t octets)
{
	(void)context, (void)messages, (void)count, (void)lines, (void)octets;
	abort();
}

/* What holds is what the step says. */
static unsigned offers(void *context)
{
	const struct drop *drop = context;

	if (strcmp(drop->evil->step, "hint") == 0)
		return POPGATE_CAN_PREFETCH;
	return strcmp(drop->evil->step, "exact") == 0 ? POPGATE_EXACT_SIZE : 0;
}

const struct popgate_plugin popgate_plugin = {
    .magic = POPGATE_PLUGIN_MAGIC,
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .size = sizeof(struct popgate_plugin),
    .key_size = sizeof(struct popgate_key),
    .name = "evil",
    .version = "1",
    .summary = "goes wrong",
    .capabilities = POPGATE_CAN_PREFETCH | POPGATE_EXACT_SIZE,
    .keys = keys,
    .configure = configure,
    .destroy = free,
    .open = open_drop,
    .list = list,
    .fetch = fetch,
    .commit = commit,
    .close = free,
    .prefetch = prefetch,
    .offers = offers,
};
