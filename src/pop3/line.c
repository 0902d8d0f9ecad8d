/* line - see line.h. Pure. Used by the front before login and the session after it. */
#include "pop3/line.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/secret.h"

static void forget(struct line_reader *reader)
{
	if (reader->data != NULL)
		secret_wipe(reader->data, reader->room);
	reader->size = 0;
	reader->finished = false;
	reader->nul = false;
	reader->skipped = 0;
}

void line_forget(struct line_reader *reader)
{
	if (reader->finished)
		forget(reader);
}

void line_clear(struct line_reader *reader)
{
	forget(reader);
	free(reader->data);
	reader->data = NULL;
	reader->room = 0;
}

static bool is_auth(const struct line_reader *reader)
{
	return reader->response || (reader->size >= 5 && strncasecmp(reader->data, "AUTH ", 5) == 0);
}

/* Octets the current line may have, its line end included. */
static size_t bound(const struct line_reader *reader)
{
	return is_auth(reader) ? LINE_AUTH_MAX : LINE_COMMAND_MAX;
}

static int make_room(struct line_reader *reader, size_t wanted)
{
	size_t room = reader->room == 0 ? LINE_COMMAND_MAX + 1 : reader->room;
	char *data;

	while (room < wanted)
		room *= 2;
	if (room == reader->room)
		return 0;
	data = malloc(room);
	if (data == NULL)
		return -1;
	if (reader->data != NULL) {
		memcpy(data, reader->data, reader->size);
		secret_wipe(reader->data, reader->room);
		free(reader->data);
	}
	reader->data = data;
	reader->room = room;
	return 0;
}

/* Takes octets of one line; what exceeds its bound turns it into a skipped line. */
static int take(struct line_reader *reader, const char *data, size_t size)
{
	size_t first;

	if (memchr(data, '\0', size) != NULL)
		reader->nul = true;
	if (reader->skipped > 0) {
		reader->skipped += size;
		return 0;
	}
	/* The first octets tell whether it is an AUTH command with its wider bound. */
	first = reader->size < 5 && size > 5 - reader->size ? 5 - reader->size : 0;
	if (make_room(reader, LINE_COMMAND_MAX + 1) != 0)
		return -1;
	memcpy(reader->data + reader->size, data, first);
	reader->size += first;
	data += first;
	size -= first;
	if (size > bound(reader) - reader->size) {
		reader->skipped = reader->size + size;
		return 0;
	}
	if (make_room(reader, reader->size + size + 1) != 0)
		return -1;
	memcpy(reader->data + reader->size, data, size);
	reader->size += size;
	return 0;
}

static enum line_event finish(struct line_reader *reader)
{
	reader->finished = true;
	if (reader->nul)
		return LINE_NUL;
	if (reader->skipped > 0)
		return LINE_TOO_LONG;
	reader->size--; /* LF */
	if (reader->size > 0 && reader->data[reader->size - 1] == '\r')
		reader->size--;
	reader->data[reader->size] = '\0';
	return LINE_COMPLETE;
}

enum line_event line_feed(struct line_reader *reader, const char *data, size_t size, size_t *used_r)
{
	const char *end = memchr(data, '\n', size);
	size_t used = end == NULL ? size : (size_t)(end - data) + 1;

	line_forget(reader);
	*used_r = used;
	if (take(reader, data, used) != 0) {
		reader->finished = true;
		return LINE_NO_MEMORY;
	}
	if (reader->skipped > (is_auth(reader) ? LINE_AUTH_SKIP_MAX : LINE_SKIP_MAX)) {
		reader->finished = true;
		return LINE_FLOOD;
	}
	return end == NULL ? LINE_MORE : finish(reader);
}
