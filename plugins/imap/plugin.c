/* plugin - the imap plugin's table: an IMAP folder as a maildrop.
 *
 * Glue between the contract and the files beside it; it decides nothing.
 * configure() and destroy() run in the spawner, the rest in one session
 * process for each maildrop.
 */
#include <stdlib.h>

#include <popgate/plugin.h>

#include "commit.h"
#include "conf.h"
#include "drop.h"
#include "extension.h"
#include "fetch.h"
#include "list.h"
#include "login.h"
#include "status.h"

static int configure(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
		     struct popgate_error *error)
{
	struct imap_conf *conf;

	if (conf_new(host, settings, &conf, error) != 0)
		return -1;
	if (extension_acquire() != 0) {
		conf_free(&conf);
		return status_fail(error, POPGATE_PERM, "out of memory");
	}
	*instance_r = conf;
	return 0;
}

static void destroy(void *instance)
{
	struct imap_conf *conf = instance;

	if (conf == NULL)
		return;
	extension_release();
	conf_free(&conf);
}

static void close_drop(void *opaque)
{
	struct drop *drop = opaque;

	if (drop == NULL)
		return;
	conn_close(&drop->conn);
	free(drop->messages);
	free(drop);
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	const struct imap_conf *conf = instance;
	struct drop *drop = calloc(1, sizeof(*drop));

	if (drop == NULL)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	drop->conf = conf;
	drop->session = session;
	drop->flags = open->flags;
	conn_init(&drop->conn, conf->host, session);
	if (login_open(drop, true, open->deadline, error) != 0) {
		close_drop(drop);
		return -1;
	}
	*drop_r = drop;
	return 0;
}

static int list(void *drop, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	return list_messages(drop, add, context, deadline, error);
}

static int fetch(void *drop, size_t message, int64_t lines, const struct popgate_sink *sink,
		 const struct popgate_pace *pace, struct popgate_error *error)
{
	return fetch_message(drop, message, lines, sink, pace, error);
}

static int commit(void *drop, const size_t *messages, size_t count, unsigned char *gone, int64_t deadline,
		  struct popgate_error *error)
{
	return commit_messages(drop, messages, count, gone, deadline, error);
}

const struct popgate_plugin popgate_plugin = {
    .magic = POPGATE_PLUGIN_MAGIC,
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .size = sizeof(struct popgate_plugin),
    .key_size = sizeof(struct popgate_key),
    .name = "imap",
    .version = IMAP_VERSION,
    .summary = "a folder of a remote IMAP server",
    .keys = conf_keys,
    .configure = configure,
    .destroy = destroy,
    .open = open_drop,
    .list = list,
    .fetch = fetch,
    .commit = commit,
    .close = close_drop,
};
