/* wrong_plugin - a plugin that plugin_test builds again and again, each time
 * with one thing wrong: a macro on the command line says which. */
#include <popgate/plugin.h>

#include <stdio.h>
#include <stdlib.h>

#ifndef NAME
#define NAME "wrong"
#endif
#ifndef MAGIC
#define MAGIC POPGATE_PLUGIN_MAGIC
#endif
#ifndef MAJOR
#define MAJOR POPGATE_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR POPGATE_ABI_MINOR
#endif
#ifndef SIZE
#define SIZE sizeof(struct popgate_plugin)
#endif
#ifndef KEY_SIZE
#define KEY_SIZE sizeof(struct popgate_key)
#endif
#ifndef KEYS
#define KEYS keys
#endif
#ifndef CAPABILITIES
#define CAPABILITIES 0
#endif
#ifndef CONFIGURE
#define CONFIGURE configure
#endif
#ifndef OPEN
#define OPEN open_drop
#endif
#ifndef COMMIT
#define COMMIT commit
#endif
#ifndef OFFERS
#define OFFERS NULL
#endif
#ifndef SYMBOL
#define SYMBOL popgate_plugin
#endif

/* What a macro above leaves out of the table is not used. */
#define MAYBE __attribute__((unused)) static

MAYBE const struct popgate_key keys[] = {{.name = "greeting", .type = POPGATE_KEY_STRING, .help = "what to say"},
					 {.name = NULL}};

/* Only a module in which nothing is wrong may get as far as to be called. */
MAYBE int configure(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
		    struct popgate_error *error)
{
#ifdef NEVER
	abort();
#endif
	if (host->setting_string(settings, "greeting") == NULL) {
		error->status = POPGATE_PERM;
		snprintf(error->text, sizeof(error->text), "no greeting");
		return -1;
	}
	*instance_r = malloc(1);
	return 0;
}

static void destroy(void *instance)
{
	free(instance);
}

MAYBE int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		    struct popgate_error *error)
{
	(void)instance, (void)session, (void)open, (void)drop_r, (void)error;
	return -1;
}

static int list(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	(void)drop, (void)add, (void)context, (void)deadline, (void)error;
	return -1;
}

static int fetch(void *drop, size_t message, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	(void)drop, (void)message, (void)lines, (void)sink, (void)pace, (void)error;
	return -1;
}

MAYBE int commit(void *drop, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		 struct popgate_error *error)
{
	(void)drop, (void)messages, (void)count, (void)gone, (void)deadline, (void)error;
	return -1;
}

/* Of a version that has no such function. */
MAYBE unsigned never_offers(void *drop)
{
	(void)drop;
	abort();
}

MAYBE unsigned some_offers(void *drop)
{
	(void)drop;
	return POPGATE_STABLE_ID | POPGATE_CAN_PREFETCH;
}

static void close_drop(void *drop)
{
	(void)drop;
}

extern POPGATE_EXPORT const struct popgate_plugin SYMBOL;
const struct popgate_plugin SYMBOL = {
    .magic = MAGIC,
    .abi_major = MAJOR,
    .abi_minor = MINOR,
    .size = SIZE,
    .key_size = KEY_SIZE,
    .name = NAME,
    .version = "1",
    .summary = "not as it should be",
    .capabilities = CAPABILITIES,
    .keys = KEYS,
    .configure = CONFIGURE,
    .destroy = destroy,
    .open = OPEN,
    .list = list,
    .fetch = fetch,
    .commit = COMMIT,
    .close = close_drop,
    .offers = OFFERS,
};
