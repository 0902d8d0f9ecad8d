/* trash - see trash.h.
 *
 * Never follows a link, and never writes over a file. Runs in a session process.
 */
#include "trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "status.h"
#include "walk.h"

/* A folder that is there, or is made. */
static int make_and_open(int folder, const char *name, bool *made)
{
	if (mkdirat(folder, name, 0700) == 0)
		*made = true;
	else if (errno != EEXIST)
		return -1;
	return walk_into(folder, name, O_RDONLY);
}

/* By this file Maildir++ knows that the folder belongs to a Maildir. */
static void mark_folder(int folder)
{
	int fd = openat(folder, "maildirfolder", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
}

int trash_open(struct trash *trash, int top, const char *name, struct popgate_error *error)
{
	bool made = false;
	int folder = make_and_open(top, name, &made), temporary = -1;

	*trash = (struct trash){-1, -1};
	if (folder >= 0) {
		mark_folder(folder);
		temporary = make_and_open(folder, "tmp", &made);
		trash->fresh = make_and_open(folder, "new", &made);
		trash->cur = make_and_open(folder, "cur", &made);
	}
	/* what is moved there must not be lost with it */
	if (temporary < 0 || trash->fresh < 0 || trash->cur < 0 ||
	    (made && (walk_sync(folder) != 0 || walk_sync(top) != 0))) {
		status_errno(error, name);
		trash_close(trash);
		if (temporary >= 0)
			close(temporary);
		if (folder >= 0)
			close(folder);
		return -1;
	}
	close(temporary);
	close(folder);
	return 0;
}

void trash_close(struct trash *trash)
{
	if (trash->fresh >= 0)
		close(trash->fresh);
	if (trash->cur >= 0)
		close(trash->cur);
	*trash = (struct trash){-1, -1};
}

/* Some file systems know no renaming that spares what is there. */
int trash_rename(int from, const char *name, int to, const char *new_name)
{
	if (renameat2(from, name, to, new_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(from, name, to, new_name, 0) != 0)
		return -1;
	return unlinkat(from, name, 0);
}
