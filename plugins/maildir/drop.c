/* drop - see drop.h.
 *
 * A Maildir that is not there is no empty one: a disk that is not mounted must not look like mail that has gone. Never
 * makes one. Runs in a session process.
 */
#include "drop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status.h"
#include "walk.h"

static int fail(struct popgate_error *error, const char *path, const char *more)
{
	char what[200];

	snprintf(what, sizeof(what), "the Maildir %.150s%s%.30s", path, *more == '\0' ? "" : "/", more);
	return status_errno(error, what);
}

int drop_open(struct drop *drop, struct popgate_error *error)
{
	const struct maildir_conf *conf = drop->conf;
	char path[PATH_ROOM], name[PATH_ROOM] = ".";

	if (strcmp(drop->folder_name, "INBOX") != 0)
		path_folder(drop->folder_name, name);
	if (path_fill(conf->mail.rest, drop->user, path) != 0)
		return status_fail(error, POPGATE_AUTH, "no user can have this name");
	drop->top = walk_folder(conf->mail.base, path, O_RDONLY);
	if (drop->top < 0)
		return fail(error, path, "");
	drop->folder = walk_into(drop->top, name, O_RDONLY);
	if (drop->folder < 0)
		return fail(error, path, name);
	drop->fresh = walk_into(drop->folder, "new", O_RDONLY);
	if (drop->fresh < 0)
		return fail(error, path, "new");
	drop->cur = walk_into(drop->folder, "cur", O_RDONLY);
	return drop->cur < 0 ? fail(error, path, "cur") : 0;
}

void drop_close(struct drop *drop)
{
	int *const open[] = {&drop->top, &drop->folder, &drop->fresh, &drop->cur};

	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		if (*open[i] >= 0)
			close(*open[i]);
		*open[i] = -1;
	}
	messages_clear(&drop->messages);
	free(drop->block);
	drop->block = NULL;
}

int drop_place(const struct drop *drop, const struct message *message)
{
	return message->marks & MESSAGE_CUR ? drop->cur : drop->fresh;
}

int drop_look_up(const struct drop *drop, int64_t deadline, struct popgate_error *error)
{
	const struct popgate_host *host = drop->conf->host;

	/* a folder is always ready; only what else the host sees counts */
	if (host->wait(drop->session, drop->cur, POPGATE_READABLE, host->now()) == POPGATE_CLIENT_GONE)
		return status_fail(error, POPGATE_STOPPED, "the client has gone");
	if (host->now() >= deadline)
		return status_fail(error, POPGATE_TEMP, "reading the Maildir took too long");
	return 0;
}
