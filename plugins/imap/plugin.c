/* plugin - the imap plugin's table: an IMAP folder as a maildrop.
 *
 * Glue between the contract and the files beside it; it decides nothing.
 * configure() and destroy() run in the spawner, the rest in one session
 * process for each maildrop.
 */
#include <stdlib.h>
#include <string.h>

#include <popgate/plugin.h>

#include "ahead.h"
#include "auth.h"
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
	ahead_free(drop);
	conn_close(&drop->conn);
	place_clear(&drop->own);
	place_clear(&drop->own_trash);
	free(drop->user);
	free(drop->messages);
	free(drop);
}

/* What is found out about a folder belongs to the drop. */
static const char *choose_folders(struct drop *drop, const char *wished)
{
	const struct imap_conf *conf = drop->conf;
	const char *fault = NULL;

	drop->folder = &conf->folder;
	drop->trash = &conf->trash;
	if (wished == NULL)
		wished = conf->folder.alias;
	if (wished != NULL) {
		fault = place_set(&drop->own, wished);
		drop->folder = &drop->own;
	}
	if (conf->trash.alias != NULL) {
		drop->own_trash.alias = conf->trash.alias;
		drop->trash = &drop->own_trash;
	}
	return fault;
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	const struct imap_conf *conf = instance;
	struct drop *drop = calloc(1, sizeof(*drop));
	const char *fault;

	if (drop == NULL)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	drop->conf = conf;
	drop->session = session;
	drop->flags = open->flags;
	conn_init(&drop->conn, conf->host, session, &conf->bounds, &conf->small);
	drop->user = strdup(open->user);
	fault = drop->user != NULL ? choose_folders(drop, open->folder) : "out of memory";
	if (fault != NULL || login_open(drop, true, open->deadline, error) != 0) {
		if (fault != NULL)
			status_fail(error, POPGATE_PERM, "the folder that the login asks for %s", fault);
		close_drop(drop);
		return -1;
	}
	*drop_r = drop;
	return 0;
}

static unsigned takes(void *instance)
{
	return auth_takes(instance);
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
    .capabilities = POPGATE_CAN_PREFETCH | POPGATE_CAN_REFRESH | POPGATE_TAKES_FOLDER | POPGATE_TAKES_TOKEN |
		    POPGATE_TAKES_MASTER | POPGATE_TAKES_NONE,
    .keys = conf_keys,
    .configure = configure,
    .destroy = destroy,
    .open = open_drop,
    .list = list_messages,
    .fetch = fetch_message,
    .commit = commit_messages,
    .close = close_drop,
    .prefetch = fetch_ahead,
    .refresh = list_again,
    .takes = takes,
};
