/* maildir: names of files, dovecot-uidlist and popgate-sizes. What is read of a line lies in it, sizes are possible,
 * ids are what POP3 allows and none comes twice; where reads end changes nothing; what is remembered is read back. */
#include "../../plugins/maildir/count.h"
#include "../../plugins/maildir/ids.h"
#include "../../plugins/maildir/lines.h"
#include "../../plugins/maildir/name.h"
#include "../../plugins/maildir/path.h"
#include "../../plugins/maildir/sizes.h"
#include "../../plugins/maildir/uidlist.h"

#include "fuzz.h"

struct world {
	struct uidlist uidlist;
	struct sizes sizes;
	struct messages messages;
	struct text given;
	uint64_t sum; /* of all that was read */
};

static void check_name(const char *line, size_t size)
{
	char text[NAME_ROOM], flagged[NAME_ROOM];
	struct name name, after;

	name_parse(line, size, &name);
	REQUIRE(name.base <= size && (name.octets <= INT64_MAX || name.octets == NAME_UNKNOWN) &&
		name.time <= INT64_MAX);
	if (size >= sizeof(text) || memchr(line, '\0', size) != NULL)
		return;
	memcpy(text, line, size);
	text[size] = '\0';
	if (name_with_flag(text, 'T', flagged) != 0)
		return;
	name_parse(flagged, strlen(flagged), &after);
	REQUIRE(after.base == name.base && memcmp(text, flagged, name.base) == 0 && after.octets == name.octets);
	REQUIRE(after.seen == name.seen && name_has_flag(flagged, strlen(flagged), 'T'));
	REQUIRE(name_with_flag(flagged, 'T', text) == 0 && strcmp(text, flagged) == 0);
}

static bool is_within(const char *part, size_t size, const char *line, size_t whole)
{
	return part >= line && size <= whole && (size_t)(part - line) <= whole - size;
}

static void check_uidlist(struct world *world, const char *line, size_t size)
{
	struct uidlist_record record;
	uint32_t last = world->uidlist.last;

	if (!uidlist_take(&world->uidlist, line, size, &record))
		return;
	REQUIRE(world->uidlist.sound && world->uidlist.uidvalidity > 0 && record.uid > last);
	REQUIRE(record.base_size > 0 && is_within(record.base, record.base_size, line, size));
	REQUIRE(record.uidl == NULL || is_within(record.uidl, record.uidl_size, line, size));
	REQUIRE(record.octets <= INT64_MAX || record.octets == NAME_UNKNOWN);
	world->sum += record.uid + record.base_size + record.octets;
}

static void check_sizes(struct world *world, const char *line, size_t size)
{
	struct sizes_entry entry, again;
	char text[SIZES_LINE];
	size_t written;

	if (!sizes_take(&world->sizes, line, size, &entry))
		return;
	REQUIRE(entry.base_size > 0 && is_within(entry.base, entry.base_size, line, size));
	REQUIRE(entry.octets <= INT64_MAX || entry.octets == NAME_UNKNOWN);
	world->sum += entry.octets + entry.base_size;
	if (memchr(entry.base, '\0', entry.base_size) != NULL)
		return;
	written = sizes_line(&entry, text);
	REQUIRE(written > 1 && written < sizeof(text) && text[written - 1] == '\n');
	REQUIRE(sizes_take(&world->sizes, text, written - 1, &again));
	REQUIRE(again.octets == entry.octets && again.named == entry.named && again.base_size == entry.base_size &&
		memcmp(again.base, entry.base, entry.base_size) == 0);
}

/* Each line is a message's name too, and what stands before its first space an id on record. */
static void add_message(struct world *world, const char *line, size_t size)
{
	char *name = fuzz_text(line, size);
	size_t before = world->messages.count;

	REQUIRE(messages_add(&world->messages, &(struct found){.name = name, .in_cur = size % 2 != 0}) == 0);
	if (world->messages.count > before) {
		struct message *message = &world->messages.all[before];

		message->uid = size % 3 == 0 ? 0 : (uint32_t)size;
		if (size % 3 == 2)
			message->given = text_keep(&world->given, name, strcspn(name, " "));
	}
	free(name);
}

static void take(void *context, const char *line, size_t size)
{
	char *copy = fuzz_copy(line, size);

	REQUIRE(size <= LINES_MAX && memchr(line, '\n', size) == NULL);
	check_name(copy, size);
	check_uidlist(context, copy, size);
	check_sizes(context, copy, size);
	add_message(context, copy, size);
	free(copy);
}

static void check_ids(struct world *world)
{
	struct messages *messages = &world->messages;
	const struct ids ids = {.messages = messages, .given = &world->given, .format = "%08Xu%08Xv", .uidvalidity = 7};

	REQUIRE(messages_index(messages) == 0);
	messages_sort(messages);
	REQUIRE(ids_choose(&ids) == 0);
	for (size_t i = 0; i < messages->count; i++) {
		char one[UIDL_ROOM], other[UIDL_ROOM];

		ids_write(&ids, &messages->all[i], one);
		REQUIRE(uidl_literal(one, strlen(one), other) == 0);
		for (size_t j = 0; j < i && i < 50; j++) {
			ids_write(&ids, &messages->all[j], other);
			REQUIRE(strcmp(one, other) != 0);
		}
	}
}

static void check_path(const uint8_t *data, size_t size)
{
	char *user = fuzz_text(data, size), path[PATH_ROOM];

	if (path_fill("%d/x%n/%u", user, path) == 0) {
		REQUIRE(path[0] != '.' && path[0] != '/' && strstr(path, "/.") == NULL && strstr(path, "//") == NULL);
		REQUIRE(strchr(strchr(strchr(path, '/') + 1, '/') + 1, '/') == NULL);
	}
	if (path_folder_fault(user) == NULL) {
		path_folder(user, path);
		REQUIRE(path[0] == '.' && path[1] != '.' && path[1] != '\0' && strchr(path, '/') == NULL);
	}
	free(user);
}

static void run(struct world *world, const uint8_t *data, size_t size, struct fuzz_pieces *pieces)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	REQUIRE(lines != NULL);
	for (size_t at = 0, piece; at < size; at += piece) {
		char *copy;

		piece = pieces == NULL ? size : fuzz_piece(pieces, size - at);
		copy = fuzz_copy(data + at, piece);
		lines_feed(lines, copy, piece, take, world);
		free(copy);
	}
	check_ids(world);
	messages_clear(&world->messages);
	text_clear(&world->given);
	free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_pieces pieces = fuzz_pieces(data, size);
	struct world whole = {.sum = 0}, cut = {.sum = 0};
	struct count count = {.octets = 0};

	run(&whole, data, size, NULL);
	run(&cut, data, size, &pieces);
	REQUIRE(whole.sum == cut.sum && whole.uidlist.last == cut.uidlist.last);
	count_feed(&count, (const char *)data, size);
	REQUIRE(count_total(&count) >= size && count_total(&count) <= 2 * size + 2);
	check_path(data, size);
	return 0;
}
