/* sizes - see sizes.h.
 *
 * What is damaged in the file is left out, and a file that cannot be written is none: it only saves time, and keeps
 * unique ids where another server numbers the mail. So it is on the disk before it takes the place of the old one. Runs
 * in session processes.
 */
#include "sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digits.h"
#include "walk.h"

#define HEADER	  "popgate-sizes 1"
#define TEMPORARY "popgate-sizes.tmp"
#define BLOCK	  65536u

bool sizes_take(struct sizes *sizes, const char *line, size_t size, struct sizes_entry *entry_r)
{
	struct sizes_entry entry = {.octets = NAME_UNKNOWN};
	const char *at = line, *end = line + size;

	if (!sizes->begun) {
		sizes->begun = true;
		sizes->sound = size == strlen(HEADER) && memcmp(line, HEADER, size) == 0;
		return false;
	}
	if (!sizes->sound || size == 0)
		return false;
	if (*at == '-')
		at++;
	else if (!digits_read(&at, end, &entry.octets))
		return false;
	if (end - at < 4 || at[0] != ' ' || (at[1] != 's' && at[1] != 'n') || at[2] != ' ')
		return false;
	entry.named = at[1] == 'n';
	entry.base = at + 3;
	entry.base_size = (size_t)(end - entry.base);
	if (entry.base_size >= NAME_ROOM || name_base(entry.base, entry.base_size) != entry.base_size)
		return false;
	*entry_r = entry;
	return true;
}

size_t sizes_line(const struct sizes_entry *entry, char line_r[SIZES_LINE])
{
	char number[24] = "-";

	if (entry->base_size == 0 || entry->base_size >= NAME_ROOM ||
	    memchr(entry->base, '\n', entry->base_size) != NULL)
		return 0;
	if (entry->octets <= INT64_MAX)
		snprintf(number, sizeof(number), "%" PRIu64, entry->octets);
	return (size_t)snprintf(line_r, SIZES_LINE, "%s %c %.*s\n", number, entry->named ? 'n' : 's',
				(int)entry->base_size, entry->base);
}

/* ---- the file ------------------------------------------------------------ */

static void give_up(struct sizes_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
	unlinkat(writer->folder, TEMPORARY, 0);
}

static void flush(struct sizes_writer *writer)
{
	for (size_t done = 0; done < writer->used && writer->fd >= 0;) {
		ssize_t put = write(writer->fd, writer->block + done, writer->used - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			give_up(writer);
		else
			done += (size_t)put;
	}
	writer->used = 0;
}

static void put(struct sizes_writer *writer, const char *text, size_t size)
{
	if (writer->used + size > BLOCK)
		flush(writer);
	memcpy(writer->block + writer->used, text, size);
	writer->used += size;
}

void sizes_begin(struct sizes_writer *writer, int folder)
{
	writer->folder = folder;
	writer->used = 0;
	writer->fd = -1;
	writer->block = malloc(BLOCK);
	if (writer->block == NULL)
		return;
	/* what a session that died has left */
	unlinkat(folder, TEMPORARY, 0);
	writer->fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	put(writer, HEADER "\n", strlen(HEADER "\n"));
}

void sizes_add(struct sizes_writer *writer, const struct sizes_entry *entry)
{
	char line[SIZES_LINE];
	size_t size = sizes_line(entry, line);

	if (writer->fd >= 0 && size > 0)
		put(writer, line, size);
}

void sizes_end(struct sizes_writer *writer)
{
	if (writer->fd >= 0) {
		flush(writer);
		if (writer->fd >= 0 && walk_sync(writer->fd) != 0)
			give_up(writer);
		else if (writer->fd >= 0 && close(writer->fd) == 0 &&
			 renameat(writer->folder, TEMPORARY, writer->folder, SIZES_FILE) != 0)
			unlinkat(writer->folder, TEMPORARY, 0);
	}
	writer->fd = -1;
	free(writer->block);
	writer->block = NULL;
}
