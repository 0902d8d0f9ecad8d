/* book_file - the file behind a book: the folder's lock keeps other editors away, and a file of another name in the
 * same folder becomes the new one once it has been read back. Runs in the verbs that edit accounts. */
#include "accounts/book.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "accounts/same.h"
#include "common/secret.h"

#define LOCK_WAIT  100 /* looks at a lock that somebody has */
#define LOCK_PAUSE 100 /* milliseconds between them */

static const char empty[] = "# Local accounts of popgate; popgate-accounts(5) explains them. Nobody else may read this "
			    "file.\n\naccounts = (\n);\n";

static int fault(const struct book *book, const char *what, int error)
{
	conf_report_add(book->report, book->path == NULL ? book->conf->accounts_file : book->path, 0, "%s%s%s", what,
			error == 0 ? "" : ": ", error == 0 ? "" : strerror(error));
	return -1;
}

/* ---- finding it ---- */

/* A link is followed, so that the file it leads to is replaced, and not the link. */
static int find_path(struct book *book, bool make)
{
	const char *given = book->conf->accounts_file;
	char *copy, *folder;
	struct stat status;

	book->path = realpath(given, NULL);
	if (book->path != NULL)
		return 0;
	if (errno != ENOENT || !make)
		return fault(book, make ? "cannot be read" : "the accounts file cannot be read", errno);
	if (lstat(given, &status) == 0)
		return fault(book, "is a link that leads nowhere: remove it, or make what it leads to", 0);
	copy = strdup(given);
	folder = copy == NULL ? NULL : realpath(dirname(copy), NULL);
	if (folder == NULL || asprintf(&book->path, "%s/%s", folder, strrchr(given, '/') + 1) < 0)
		book->path = NULL;
	free(copy);
	free(folder);
	book->fresh = true;
	return book->path == NULL ? fault(book, "its folder is not there", 0) : 0;
}

/* Of the folder: it stays, while the file is replaced. */
static int lock(struct book *book)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE * 1000000L};
	char *copy = strdup(book->path);

	book->folder = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (book->folder < 0)
		return fault(book, "its folder cannot be opened", errno);
	for (int i = 0; flock(book->folder, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK)
			return fault(book, "its folder cannot be locked", errno);
		if (i >= LOCK_WAIT)
			return fault(book, "somebody else is editing it: try again later", 0);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static const char *base_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static const char *name_of(const struct book *book)
{
	return base_of(book->path);
}

/* ---- reading ---- */

int book_read_text(int fd, size_t size, struct edit *text_r, const char **why_r)
{
	char *text = malloc(size + 1);
	ssize_t got = 0;

	*why_r = "out of memory";
	if (text == NULL)
		return -1;
	for (size_t at = 0; at < size; at += (size_t)got) {
		got = read(fd, text + at, size - at);
		if (got <= 0) {
			*why_r = got < 0 ? strerror(errno) : "changed while it was being read: try again";
			free(text);
			return -1;
		}
	}
	text[size] = '\0';
	*text_r = (struct edit){text, size};
	return 0;
}

/* Whether the file is the one that was read. */
static bool is_unchanged(const struct book *book)
{
	const struct stat *old = &book->status;
	struct stat now;

	if (fstatat(book->folder, name_of(book), &now, AT_SYMLINK_NOFOLLOW) != 0)
		return book->fresh && errno == ENOENT;
	return !book->fresh && now.st_dev == old->st_dev && now.st_ino == old->st_ino && now.st_size == old->st_size &&
	       now.st_mtim.tv_sec == old->st_mtim.tv_sec && now.st_mtim.tv_nsec == old->st_mtim.tv_nsec &&
	       now.st_ctim.tv_sec == old->st_ctim.tv_sec && now.st_ctim.tv_nsec == old->st_ctim.tv_nsec;
}

/* What a file of the book's folder says. */
static struct accounts *read_as(const struct book *book, const char *path, struct conf_report *report)
{
	struct conf conf = *book->conf;

	conf.accounts_file = (char *)path;
	return accounts_read(&conf, report);
}

static int check_kind(const struct book *book)
{
	if (!S_ISREG(book->status.st_mode))
		return fault(book, "is no regular file", 0);
	if (book->status.st_nlink > 1)
		return fault(book, "has other names (hard links), which would keep the old content: remove those", 0);
	return 0;
}

static int read_file(struct book *book)
{
	int fd = openat(book->folder, name_of(book), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *why;
	int result;

	if (fd < 0)
		return fault(book, "cannot be read", errno);
	result = fstat(fd, &book->status) != 0 ? fault(book, "cannot be read", errno) : check_kind(book);
	if (result == 0 && book_read_text(fd, (size_t)book->status.st_size, &book->edit, &why) != 0)
		result = fault(book, why, 0);
	close(fd);
	if (result != 0)
		return -1;
	book->accounts = read_as(book, book->path, book->report);
	if (book->accounts == NULL)
		return -1;
	return is_unchanged(book) ? 0 : fault(book, "changed while it was being read: try again", 0);
}

static int begin_file(struct book *book)
{
	book->edit.text = strdup(empty);
	book->edit.size = strlen(empty);
	book->accounts = calloc(1, sizeof(*book->accounts)); /* nobody is in it */
	return book->edit.text == NULL || book->accounts == NULL ? fault(book, "out of memory", 0) : 0;
}

int book_open(struct book *book, const struct conf *conf, bool make, struct conf_report *report)
{
	*book = (struct book){.conf = conf, .report = report, .folder = -1};
	if (conf->accounts_file == NULL) {
		conf_report_add(report, conf->source, 0,
				"there are no local accounts: add accounts = \"FILE\"; to it first");
		return -1;
	}
	if (find_path(book, make) != 0 || lock(book) != 0)
		return -1;
	return book->fresh ? begin_file(book) : read_file(book);
}

void book_close(struct book *book)
{
	if (book->edit.text != NULL)
		secret_wipe(book->edit.text, book->edit.size);
	free(book->edit.text);
	accounts_free(&book->accounts);
	free(book->path);
	if (book->next != NULL)
		(void)unlinkat(book->folder, base_of(book->next), 0);
	free(book->next);
	if (book->folder >= 0)
		close(book->folder);
	*book = (struct book){.folder = -1};
}

/* ---- writing ---- */

static int check_unchanged(const struct book *book)
{
	return is_unchanged(book) ? 0 : fault(book, "somebody else has changed it meanwhile: try again", 0);
}

static int write_text(const struct book *book, int fd)
{
	ssize_t done;

	for (size_t at = 0; at < book->edit.size; at += (size_t)done)
		if ((done = write(fd, book->edit.text + at, book->edit.size - at)) <= 0)
			return -1;
	return fsync(fd);
}

/* With the owner of the old one; of a first one, with the folder's, who is the one to have secrets there. */
static int give(const struct book *book, int fd)
{
	struct stat owner = book->status;

	if (book->fresh && fstat(book->folder, &owner) != 0)
		return -1;
	if (owner.st_uid == geteuid() && owner.st_gid == getegid())
		return 0;
	/* the group has no right to the file anyway */
	return fchown(fd, owner.st_uid, owner.st_gid) == 0 || (book->fresh && geteuid() != 0) ||
		       (owner.st_uid == geteuid())
		   ? 0
		   : -1;
}

static int write_new(const struct book *book, const char *name)
{
	int fd, error;

	(void)unlinkat(book->folder, name, 0); /* what one that was interrupted has left */
	fd = openat(book->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault(book, "cannot be replaced: its folder cannot be written to", errno);
	if (fchmod(fd, 0600) != 0 || give(book, fd) != 0) {
		error = errno;
		close(fd);
		return fault(book, "cannot be replaced: its owner could not be kept", error);
	}
	error = write_text(book, fd) != 0 ? errno : 0;
	if (close(fd) != 0 && error == 0)
		error = errno;
	return error == 0 ? 0 : fault(book, "cannot be replaced", error);
}

/* Tells the first fault of a file that is not to be: without its name and line. */
static int tell_fault(const struct book *book, const char *path, const struct conf_report *report)
{
	const char *text = report->first == NULL ? "out of memory" : report->first->text;

	if (strncmp(text, path, strlen(path)) == 0 && strstr(text, ": ") != NULL)
		text = strstr(text + strlen(path), ": ") + 2;
	conf_report_add(book->report, book->path, 0, "nothing was changed, because then: %s", text);
	return -1;
}

/* What was written must say what it is to say, in the eyes of who will read it. */
static int read_back(const struct book *book, const char *path)
{
	struct conf_report report = {0};
	struct accounts *accounts = read_as(book, path, &report);
	int result = 0;

	if (accounts == NULL)
		result = tell_fault(book, path, &report);
	else if (!accounts_same(accounts, book->accounts))
		result = fault(
		    book, "the change does not read back as it was meant, so nothing was changed: edit it by hand", 0);
	accounts_free(&accounts);
	conf_report_free(&report);
	return result;
}

int book_write(struct book *book)
{
	const char *name = name_of(book);

	if (asprintf(&book->next, "%.*s.%s.new", (int)(name - book->path), book->path, name) < 0) {
		book->next = NULL;
		return fault(book, "out of memory", 0);
	}
	return write_new(book, base_of(book->next)) != 0 || read_back(book, book->next) != 0 ? -1
											     : check_unchanged(book);
}

int book_replace(struct book *book)
{
	if (check_unchanged(book) != 0)
		return -1;
	if (renameat(book->folder, base_of(book->next), book->folder, name_of(book)) != 0)
		return fault(book, "cannot be replaced", errno);
	free(book->next);
	book->next = NULL;
	if (fsync(book->folder) != 0)
		(void)fault(book, "was replaced, but may be the old one again after a loss of power", errno);
	return 0;
}
