/* import - the accounts of another file, which is read as the book's own is, and whose text is taken over as it stands.
 * Runs in the verbs that edit accounts. */
#include "accounts/book.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/layout.h"
#include "common/secret.h"

static int fail(const struct book *book, const char *path, const char *why)
{
	conf_report_add(book->report, path, 0, "%s; nothing was changed", why == NULL ? "out of memory" : why);
	return -1;
}

static int read_text(const struct book *book, const char *path, struct edit *text_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *why = fd < 0 ? strerror(errno) : "is no regular file";
	struct stat status;
	int result = -1;

	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		result = book_read_text(fd, (size_t)status.st_size, text_r, &why);
	if (fd >= 0)
		close(fd);
	return result == 0 ? 0 : fail(book, path, why);
}

/* The groups of the list, with their brackets, for the caller to wipe and free. */
static char *write_groups(const struct edit *edit, const char **why_r)
{
	struct layout layout = {0};
	char *groups = NULL;
	size_t size, list;
	FILE *stream = NULL;

	*why_r = NULL;
	if (layout_read(&layout, edit->text, edit->size, why_r) == 0)
		stream = open_memstream(&groups, &size);
	list = stream == NULL ? LAYOUT_NONE : layout_member(&layout, edit->text, 0, "accounts");
	for (size_t i = list == LAYOUT_NONE ? LAYOUT_NONE : layout.nodes[list].first; i != LAYOUT_NONE;
	     i = layout.nodes[i].next)
		fprintf(stream, "%s%.*s", i == layout.nodes[list].first ? "" : ",\n\t",
			(int)(layout.nodes[i].end - layout.nodes[i].start), edit->text + layout.nodes[i].start);
	layout_free(&layout);
	if (stream != NULL && fclose(stream) == 0)
		return groups;
	free(groups);
	return NULL;
}

static int check_names(const struct book *book, const char *path, const struct accounts *more)
{
	size_t known = 0;

	for (size_t i = 0; i < more->count; i++) {
		if (accounts_find(book->accounts, more->items[i].user) == NULL)
			continue;
		conf_report_add(book->report, path, more->items[i].line, "there is an account `%.64s` already",
				more->items[i].user);
		known++;
	}
	return known == 0 ? 0 : fail(book, path, "what is there already is not replaced");
}

static int add(struct book *book, const char *path, struct accounts *more, const struct edit *text)
{
	const char *why = NULL;
	char *groups = write_groups(text, &why);
	int result = -1;

	if (groups != NULL && (*groups == '\0' || edit_add_account(&book->edit, groups, &why) == 0))
		result = book_push(book, more->items, more->count);
	if (result == 0)
		more->count = 0; /* they have moved */
	if (groups != NULL)
		secret_wipe(groups, strlen(groups));
	free(groups);
	return result == 0 ? 0 : fail(book, path, why);
}

int book_import(struct book *book, const char *path, size_t *count_r)
{
	struct conf conf = *book->conf;
	struct edit text = {0};
	struct accounts *more;
	int result = -1;

	conf.accounts_file = (char *)path;
	if (read_text(book, path, &text) != 0)
		return -1;
	more = accounts_read(&conf, book->report);
	if (more != NULL && check_names(book, path, more) == 0) {
		*count_r = more->count;
		result = add(book, path, more, &text);
	}
	secret_wipe(text.text, text.size);
	free(text.text);
	accounts_free(&more);
	return result;
}
