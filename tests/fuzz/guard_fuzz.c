/* guard: what a server may send. The verdict, and what is left of the octets, does not depend on where reads end;
 * nothing grows or shrinks; nothing beyond the limits passes. */
#include "../../plugins/imap/guard.h"

#include "fuzz.h"

static const struct guard_limits limits[] = {
    {.octets = 4096, .lines = 50, .body = 1000, .bodies = 2},
    {.octets = 1024 * 1024, .lines = 10000},
    {.octets = 1024 * 1024, .lines = 10000, .body = UINT32_MAX, .bodies = 5},
    {.octets = 64, .lines = 3, .body = 16, .bodies = 1},
};

static const struct guard_bounds bounds = {.line = 1000, .literal = 500, .depth = 20};

/* Feeds a copy up to the first verdict; *passed_r: octets of the pieces before it. */
static enum guard_verdict feed(const struct guard_limits *most, char *copy, size_t size, struct fuzz_pieces *pieces,
			       size_t *passed_r, struct guard *g)
{
	enum guard_verdict verdict = GUARD_FINE;

	guard_init(g, &bounds);
	guard_command(g, most);
	*passed_r = 0;
	for (size_t i = 0, piece; i < size && verdict == GUARD_FINE; i += piece) {
		piece = pieces == NULL ? size : fuzz_piece(pieces, size - i);
		verdict = guard_feed(g, copy + i, piece);
		if (verdict == GUARD_FINE)
			*passed_r = i + piece;
	}
	return verdict;
}

static void check_passed(const uint8_t *data, size_t size, const struct guard *g)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	REQUIRE(g->octets <= g->limits.octets && g->lines <= g->limits.lines && g->lines <= lines);
	REQUIRE(g->bodies <= g->limits.bodies && g->depth <= bounds.depth && g->line <= bounds.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct guard_limits *most = &limits[size % (sizeof(limits) / sizeof(limits[0]))];
	struct fuzz_pieces pieces = fuzz_pieces(data, size);
	char *whole = fuzz_copy(data, size), *cut = fuzz_copy(data, size), *single = fuzz_copy(data, size);
	struct guard g, other;
	size_t passed, parts;
	enum guard_verdict verdict = feed(most, whole, size, NULL, &passed, &g), second;

	REQUIRE(feed(most, cut, size, &pieces, &parts, &other) == verdict);
	REQUIRE(memcmp(whole, cut, parts) == 0);
	if (verdict == GUARD_FINE) {
		REQUIRE(passed == size && parts == size && memcmp(&g, &other, sizeof(g)) == 0);
		check_passed(data, size, &g);
	} else {
		/* once it is over it is over */
		char more[] = "* OK fine\r\n";

		REQUIRE(guard_feed(&g, more, sizeof(more) - 1) == verdict && *guard_text(verdict) != '\0');
	}
	second = GUARD_FINE;
	guard_init(&other, &bounds);
	guard_command(&other, most);
	for (size_t i = 0; i < size && second == GUARD_FINE; i++)
		second = guard_feed(&other, single + i, 1);
	REQUIRE(second == verdict);
	REQUIRE(memcmp(single, cut, parts) == 0);
	free(whole);
	free(cut);
	free(single);
	return 0;
}
