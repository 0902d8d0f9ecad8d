/* plugin - the maildir plugin's table: a folder of a local Maildir as a maildrop.
 *
 * Glue between the contract and the files beside it. configure() and destroy() run in the spawner, the rest in one
 * session process for each maildrop.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <popgate/plugin.h>

#include "commit.h"
#include "conf.h"
#include "drop.h"
#include "fetch.h"
#include "list.h"
#include "proof.h"
#include "status.h"

static int configure(const struct popgate_host *host, const struct popgate_settings *settings, void **instance_r,
		     struct popgate_error *error)
{
	struct maildir_conf *conf;

	if (conf_new(host, settings, &conf, error) != 0)
		return -1;
	*instance_r = conf;
	return 0;
}

static void destroy(void *instance)
{
	struct maildir_conf *conf = instance;

	conf_free(&conf);
}

static void close_drop(void *opaque)
{
	struct drop *drop = opaque;

	if (drop == NULL)
		return;
	drop_close(drop);
	free(drop->user);
	free(drop->folder_name);
	free(drop);
}

/* The folder's canonical name. */
static int choose_folder(struct drop *drop, const char *wished, struct popgate_error *error)
{
	const char *fault = NULL;

	if (wished == NULL)
		wished = drop->conf->folder;
	else if (strcasecmp(wished, "INBOX") == 0)
		wished = "INBOX";
	else
		fault = path_folder_fault(wished);
	if (fault != NULL)
		return status_fail(error, POPGATE_PERM, "the folder that the login asks for %s", fault);
	drop->folder_name = strdup(wished);
	return drop->folder_name != NULL ? 0 : status_fail(error, POPGATE_TEMP, "out of memory");
}

/* Either the host has proved the user, or the password does. */
static int prove(struct drop *drop, struct popgate_error *error)
{
	const struct maildir_conf *conf = drop->conf;

	drop->proved = conf->host->secret_kind(drop->session) == POPGATE_NONE;
	if (drop->proved)
		return 0;
	return proof_check(conf, drop->session, drop->user, &drop->proof, error);
}

/* The proof first, then the lock; only then anything of the mail is looked at. */
static int enter(struct drop *drop, const struct popgate_open *open, struct popgate_error *error)
{
	const struct maildir_conf *conf = drop->conf;

	if (conf->host->now() >= open->deadline)
		return status_fail(error, POPGATE_TEMP, "the time for the login was over before it began");
	if (choose_folder(drop, open->folder, error) != 0 || prove(drop, error) != 0)
		return -1;
	if (conf->host->lock(drop->session, drop->folder_name, error) < 0)
		return -1;
	return drop_open(drop, error);
}

static int open_drop(void *instance, struct popgate_session *session, const struct popgate_open *open, void **drop_r,
		     struct popgate_error *error)
{
	struct drop *drop = calloc(1, sizeof(*drop));

	if (drop == NULL)
		return status_fail(error, POPGATE_TEMP, "out of memory");
	*drop = (struct drop){.conf = instance, .session = session, .top = -1, .folder = -1, .fresh = -1, .cur = -1};
	drop->user = strdup(open->user);
	if (drop->user == NULL) {
		close_drop(drop);
		return status_fail(error, POPGATE_TEMP, "out of memory");
	}
	if (enter(drop, open, error) != 0) {
		close_drop(drop);
		return -1;
	}
	*drop_r = drop;
	return 0;
}

/* The Maildir may be another one by now, and the password too. */
static int refresh(void *opaque, popgate_list_fn *add, void *context, int64_t deadline, struct popgate_error *error)
{
	struct drop *drop = opaque;

	if (!drop->proved && !proof_lasts(drop->conf, drop->user, &drop->proof))
		return status_fail(error, POPGATE_TEMP, "the user's password file has changed");
	drop_close(drop);
	return drop_open(drop, error) != 0 ? -1 : list_messages(drop, add, context, deadline, error);
}

const struct popgate_plugin popgate_plugin = {
    .magic = POPGATE_PLUGIN_MAGIC,
    .abi_major = POPGATE_ABI_MAJOR,
    .abi_minor = POPGATE_ABI_MINOR,
    .size = sizeof(struct popgate_plugin),
    .key_size = sizeof(struct popgate_key),
    .name = "maildir",
    .version = MAILDIR_VERSION,
    .summary = "a folder of a local Maildir",
    .capabilities = POPGATE_CAN_REFRESH | POPGATE_TAKES_FOLDER | POPGATE_TAKES_NONE,
    .keys = conf_keys,
    .configure = configure,
    .destroy = destroy,
    .open = open_drop,
    .list = list_messages,
    .fetch = fetch_message,
    .commit = commit_messages,
    .close = close_drop,
    .refresh = refresh,
};
