/* import - the accounts of another file, which is read as the book's own is, and whose text is taken over as it stands.
 * Runs in the verbs that edit accounts. */
#include "accounts/book.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

/* The groups of the list, with their brackets, for the caller to wipe and free. NULL: no memory. */
static char *write_groups(const struct edit *edit, const struct layout *layout, size_t list)
{
	char *groups = NULL;
	size_t size, first = layout->nodes[list].first;
	FILE *stream = open_memstream(&groups, &size);

	if (stream == NULL)
		return NULL;
	for (size_t i = first; i != LAYOUT_NONE; i = layout->nodes[i].next)
		fprintf(stream, "%s%.*s", i == first ? "" : ",\n\t",
			(int)(layout->nodes[i].end - layout->nodes[i].start), edit->text + layout->nodes[i].start);
	if (fclose(stream) == 0)
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

/* Whether the book has the same folder. */
static bool is_beside(const struct book *book, const char *path)
{
	struct stat ours, theirs;
	char *copy = strdup(path);
	bool beside = copy != NULL && stat(dirname(copy), &theirs) == 0 && fstat(book->folder, &ours) == 0 &&
		      ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;

	free(copy);
	return beside;
}

static bool is_relative(const struct edit *edit, const struct layout *layout, size_t group, const char *key)
{
	size_t member = layout_member(layout, edit->text, group, key);
	const char *value = member == LAYOUT_NONE ? "" : edit->text + layout->nodes[member].start;

	return value[0] == '"' && value[1] != '/';
}

/* From another folder a relative name would lead elsewhere. */
static int check_paths(const struct book *book, const char *path, const struct accounts *more, const struct edit *edit,
		       const struct layout *layout, size_t list)
{
	size_t group = is_beside(book, path) ? LAYOUT_NONE : layout->nodes[list].first, found = 0;

	for (size_t i = 0; i < more->count && group != LAYOUT_NONE; i++, group = layout->nodes[group].next) {
		for (const struct popgate_key *key = account_table_keys; key->name != NULL; key++) {
			if (key->type != POPGATE_KEY_FILE || !is_relative(edit, layout, group, key->name))
				continue;
			conf_report_add(book->report, path, more->items[i].line, "`%s` takes an absolute path here",
					key->name);
			found++;
		}
	}
	return found == 0 ? 0 : fail(book, path, "what is relative would start from another folder");
}

static int add(struct book *book, const char *path, struct accounts *more, const struct edit *text,
	       const struct layout *layout)
{
	size_t list = layout_member(layout, text->text, 0, "accounts");
	const char *why = NULL;
	char *groups;
	int result = -1;

	if (check_paths(book, path, more, text, layout, list) != 0)
		return -1;
	groups = write_groups(text, layout, list);
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
	struct layout layout = {0};
	struct accounts *more;
	const char *why = NULL;
	int result = -1;

	conf.accounts_file = (char *)path;
	if (read_text(book, path, &text) != 0)
		return -1;
	more = accounts_read(&conf, book->report);
	if (more != NULL && check_names(book, path, more) == 0) {
		*count_r = more->count;
		result = layout_read(&layout, text.text, text.size, &why) == 0 ? add(book, path, more, &text, &layout)
									       : fail(book, path, why);
	}
	layout_free(&layout);
	secret_wipe(text.text, text.size);
	free(text.text);
	accounts_free(&more);
	return result;
}
