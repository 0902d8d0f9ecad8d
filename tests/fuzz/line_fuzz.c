/* line: a client's octets cut into lines, and the lines into commands. Wherever reads end the lines are the same; none
 * is made of two, and none of a part of one. */
#include "common/number.h"
#include "pop3/command.h"
#include "pop3/line.h"

#include "fuzz.h"

#define EVENTS_MAX 4096

struct record {
	enum line_event event;
	size_t size;
	uint64_t hash;
};

static uint64_t hash_of(const char *data, size_t size)
{
	return fuzz_pieces((const uint8_t *)data, size).state;
}

/* What stands in a line: the line of the input without its end, as the rule in line.h has it. */
static void check_line(const char *start, const char *end, const struct line_reader *reader)
{
	size_t size = (size_t)(end - start);

	if (size > 0 && start[size - 1] == '\r')
		size--;
	REQUIRE(reader->size == size && memcmp(reader->data, start, size) == 0 && reader->data[size] == '\0');
	REQUIRE(memchr(reader->data, '\n', size) == NULL && memchr(reader->data, '\0', size) == NULL);
}

static void check_command(const char *line, size_t size, unsigned state)
{
	char *text = fuzz_text(line, size);
	struct command_call call = {0};

	if (command_parse(text, size, state, &call) == COMMAND_OK) {
		REQUIRE(call.command != NULL && (call.command->flags & state) != 0);
		REQUIRE(memchr(text, '\r', size) == NULL);
		REQUIRE(!call.has_message || (call.message >= 1 && call.message <= UINT32_MAX));
		REQUIRE(call.text == NULL || (call.text >= text && call.text + call.text_size == text + size));
		REQUIRE(call.lines >= 0 || call.command->verb != VERB_TOP);
	}
	free(text);
}

static size_t bound_of(const char *line, size_t size, bool response)
{
	bool wide = response || (size >= 5 && strncasecmp(line, "AUTH ", 5) == 0);

	return wide ? LINE_AUTH_MAX : LINE_COMMAND_MAX;
}

/* Feeds all of it and notes the events; `whole`: in one piece, and every line is looked at. */
static size_t split(const uint8_t *data, size_t size, bool response, bool whole, struct record *records)
{
	struct line_reader reader = {.response = response};
	struct fuzz_pieces pieces = fuzz_pieces(data, size);
	const char *at = (const char *)data, *end = at + size, *start = at;
	size_t count = 0;
	enum line_event event = LINE_MORE;

	while (at < end && count < EVENTS_MAX && event != LINE_FLOOD) {
		size_t piece = whole ? (size_t)(end - at) : fuzz_piece(&pieces, (size_t)(end - at)), used;
		char *copy = fuzz_copy(at, piece);

		event = line_feed(&reader, copy, piece, &used);
		free(copy);
		REQUIRE(used > 0 && used <= piece);
		at += used;
		if (event == LINE_MORE) {
			REQUIRE(used == piece && at[-1] != '\n');
			continue;
		}
		REQUIRE(event == LINE_FLOOD || at[-1] == '\n');
		records[count] = (struct record){.event = event};
		if (event == LINE_COMPLETE) {
			REQUIRE((size_t)(at - start) <= bound_of(start, (size_t)(at - start), response));
			check_line(start, at - 1, &reader);
			records[count].size = reader.size;
			records[count].hash = hash_of(reader.data, reader.size);
			if (whole) {
				check_command(reader.data, reader.size, COMMAND_AUTHORIZATION);
				check_command(reader.data, reader.size, COMMAND_TRANSACTION);
			}
		}
		count++;
		start = at;
	}
	line_clear(&reader);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record whole[EVENTS_MAX], pieces[EVENTS_MAX];
	size_t count, lines = 0;
	bool response;

	if (size == 0)
		return 0;
	response = (data[0] & 1) != 0;
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	count = split(data, size, response, true, whole);
	REQUIRE(count <= lines + 1);
	/* where the flood is noticed depends on the pieces, what came before it does not */
	REQUIRE(count >= split(data, size, response, false, pieces) || whole[count - 1].event == LINE_FLOOD);
	for (size_t i = 0; i < count && whole[i].event != LINE_FLOOD && pieces[i].event != LINE_FLOOD; i++)
		REQUIRE(whole[i].event == pieces[i].event && whole[i].size == pieces[i].size &&
			whole[i].hash == pieces[i].hash);
	return 0;
}
