/* body - see body.h. Pure; copies nothing: runs of octets that need no change leave in one piece. */
#include "session/body.h"

#include <string.h>

void body_init(struct body *body, int64_t lines)
{
	memset(body, 0, sizeof(*body));
	body->lines = lines;
	body->line_start = true;
	body->line_empty = true;
}

/* A line has ended. Returns true when the reply has all the lines it wants. */
static bool count_line(struct body *body)
{
	if (body->in_body) {
		if (body->lines != INT64_MAX)
			body->lines--;
	} else if (body->line_empty) {
		body->in_body = true;
	}
	body->enough = body->in_body && body->lines <= 0;
	body->line_start = true;
	body->line_empty = true;
	return body->enough;
}

/* What comes of the line now, after an octet `last`. */
static bool nothing_but_cr(char last, const char *data, size_t size)
{
	return size == 0 || (size == 1 && data[0] == '\r' && last != '\r');
}

static int put(struct body *body, const char *data, size_t size, body_emit_fn *emit, void *context)
{
	body->octets += size;
	return size == 0 ? 0 : emit(context, data, size);
}

int body_feed(struct body *body, const char *data, size_t size, body_emit_fn *emit, void *context)
{
	const char *end = data + size, *run = data, *at = data;

	if (body->enough)
		return 1;
	body->any = body->any || size > 0;
	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		const char *line_end = lf == NULL ? end : lf;

		if (body->line_start && *at == '.') {
			if (put(body, run, (size_t)(at - run), emit, context) != 0 || emit(context, ".", 1) != 0)
				return -1;
			run = at;
		}
		body->line_empty = body->line_empty && nothing_but_cr(body->last, at, (size_t)(line_end - at));
		if (line_end > at) {
			body->line_start = false;
			body->last = line_end[-1];
		}
		if (lf == NULL)
			break;
		if (body->last != '\r') {
			if (put(body, run, (size_t)(lf - run), emit, context) != 0 ||
			    put(body, "\r\n", 2, emit, context) != 0)
				return -1;
			run = lf + 1;
		}
		body->last = '\n';
		at = lf + 1;
		if (count_line(body)) {
			end = at;
			break;
		}
	}
	if (put(body, run, (size_t)(end - run), emit, context) != 0)
		return -1;
	return body->enough ? 1 : 0;
}

uint64_t body_octets(const struct body *body)
{
	if (body->last == '\r')
		return body->octets + 1;
	return body->octets + (body->any && body->last != '\n' ? 2 : 0);
}

int body_finish(struct body *body, body_emit_fn *emit, void *context)
{
	if (body->last == '\r') /* the CR has left; its LF completes the line */
		return emit(context, "\n.\r\n", 4);
	if (body->any && body->last != '\n')
		return emit(context, "\r\n.\r\n", 5);
	return emit(context, ".\r\n", 3);
}
