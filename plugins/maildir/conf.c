/* conf - settings of a maildir backend, checked once.
 *
 * Settings that contradict each other are refused rather than ignored. Opens no file of a user, holds no credential.
 * Runs in the spawner and in `popgate check`.
 */
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "status.h"
#include "uidl.h"

static const char *const deletes[] = {"expunge", "flag", "move", "keep", NULL};

const struct popgate_key conf_keys[] = {
    {.name = "path",
     .type = POPGATE_KEY_STRING,
     .flags = POPGATE_KEY_REQUIRED,
     .help = "the users' Maildirs, such as /var/mail/%d/%n/Maildir: %u the name, %n without domain, %d the domain"},
    {.name = "password_file",
     .type = POPGATE_KEY_STRING,
     .help = "a file for each user, named like path, that holds one line, the password's hash as mkpasswd prints it; "
	     "without it local accounts alone log in"},
    {.name = "folder",
     .type = POPGATE_KEY_STRING,
     .fallback = "INBOX",
     .help = "folder that is the maildrop: INBOX, or a Maildir++ folder by its name on the disk"},
    {.name = "delete",
     .type = POPGATE_KEY_CHOICE,
     .fallback = "expunge",
     .choices = deletes,
     .help = "what a deleted message's fate is: expunge, flag (only mark T), move (to trash_folder) or keep"},
    {.name = "trash_folder", .type = POPGATE_KEY_STRING, .help = "where delete = \"move\" puts messages"},
    {.name = "dovecot_uidl_format",
     .type = POPGATE_KEY_STRING,
     .fallback = "%08Xu%08Xv",
     .help = "pop3_uidl_format of the Dovecot that served this mail; empty: pay no attention to dovecot-uidlist"},
    {.name = NULL},
};

static int refuse(struct popgate_error *error, const char *key, const char *why)
{
	return status_fail(error, POPGATE_PERM, "%s: %s", key, why);
}

static int check_base(const char *key, const char *base, struct popgate_error *error)
{
	struct stat status;

	if (stat(base, &status) != 0)
		return status_fail(error, POPGATE_PERM, "%s: %.150s: %s", key, base, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return status_fail(error, POPGATE_PERM, "%s: %.150s is no folder", key, base);
	return 0;
}

static int read_path(struct maildir_conf *conf, const struct popgate_settings *settings, const char *key,
		     unsigned flags, struct conf_path *path, struct popgate_error *error)
{
	const char *template = conf->host->setting_string(settings, key), *fault;
	size_t base;

	if (template == NULL)
		return refuse(error, key, "is required");
	if ((fault = path_fault(template)) != NULL)
		return refuse(error, key, fault);
	base = path_base(template);
	path->rest = template + base + 1;
	path->base = strndup(template, base);
	if (path->base == NULL)
		return status_fail(error, POPGATE_PERM, "out of memory");
	if (check_base(key, path->base, error) != 0)
		return -1;
	if (conf->host->use_path(settings, path->base, flags) != 0)
		return refuse(error, key, "its folder could not be added to the sandbox");
	return 0;
}

static int read_folder(struct maildir_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	const char *folder = conf->host->setting_string(settings, "folder"), *fault;

	if (folder == NULL || strcasecmp(folder, "INBOX") == 0) {
		conf->folder = "INBOX";
		return 0;
	}
	if ((fault = path_folder_fault(folder)) != NULL)
		return refuse(error, "folder", fault);
	conf->folder = folder;
	return 0;
}

static int read_delete(struct maildir_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	const char *trash = conf->host->setting_string(settings, "trash_folder"), *fault;

	conf->delete = (enum conf_delete)conf->host->setting_choice(settings, "delete");
	if (conf->delete != CONF_MOVE)
		return trash == NULL ? 0 : refuse(error, "trash_folder", "has a meaning only with delete = \"move\"");
	if (trash == NULL)
		return refuse(error, "trash_folder", "is required with delete = \"move\"");
	if (strcasecmp(trash, "INBOX") == 0)
		return refuse(error, "trash_folder", "must not be INBOX");
	if ((fault = path_folder_fault(trash)) != NULL)
		return refuse(error, "trash_folder", fault);
	path_folder(trash, conf->trash_name);
	if (path_is_named(conf->folder, conf->trash_name))
		return refuse(error, "trash_folder", "must not be the maildrop's own folder");
	return 0;
}

static int read_format(struct maildir_conf *conf, const struct popgate_settings *settings, struct popgate_error *error)
{
	const char *format = conf->host->setting_string(settings, "dovecot_uidl_format"), *fault;

	conf->uidl_format = format == NULL ? "" : format;
	fault = *conf->uidl_format == '\0' ? NULL : uidl_format_fault(conf->uidl_format);
	return fault == NULL ? 0 : refuse(error, "dovecot_uidl_format", fault);
}

/* What the system's mkpasswd makes if nobody asks for another kind. */
static int make_dummy(struct maildir_conf *conf, struct popgate_error *error)
{
	if (crypt_gensalt_rn(NULL, 0, NULL, 0, conf->dummy, sizeof(conf->dummy)) != NULL)
		return 0;
	return status_fail(error, POPGATE_PERM, "no hash of passwords can be made: %s", strerror(errno));
}

int conf_new(const struct popgate_host *host, const struct popgate_settings *settings, struct maildir_conf **conf_r,
	     struct popgate_error *error)
{
	struct maildir_conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return status_fail(error, POPGATE_PERM, "out of memory");
	conf->host = host;
	if (read_path(conf, settings, "path", POPGATE_PATH_WRITE, &conf->mail, error) != 0 ||
	    (host->setting_string(settings, "password_file") != NULL &&
	     read_path(conf, settings, "password_file", 0, &conf->passwords, error) != 0) ||
	    read_folder(conf, settings, error) != 0 || read_delete(conf, settings, error) != 0 ||
	    read_format(conf, settings, error) != 0 || make_dummy(conf, error) != 0) {
		conf_free(&conf);
		return -1;
	}
	*conf_r = conf;
	return 0;
}

void conf_free(struct maildir_conf **conf)
{
	if (*conf == NULL)
		return;
	free((*conf)->mail.base);
	free((*conf)->passwords.base);
	free(*conf);
	*conf = NULL;
}
