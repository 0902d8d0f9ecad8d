/* proxy: what a proxy says first. In whatever pieces it comes it means the same, not an octet of what follows is taken,
 * and nothing is taken without end. */
#include <netinet/in.h>

#include "front/proxy_header.h"

#include "fuzz.h"

struct outcome {
	enum proxy_event event;
	size_t used;
	struct sockaddr_storage address;
};

static struct outcome run(const uint8_t *data, size_t size, bool whole)
{
	struct fuzz_pieces pieces = fuzz_pieces(data, size);
	struct outcome outcome = {.event = PROXY_MORE};
	struct proxy_header header = {0};
	const char *why = NULL;

	while (outcome.event == PROXY_MORE && outcome.used < size) {
		size_t left = size - outcome.used, piece = whole ? left : fuzz_piece(&pieces, left), used;
		char *copy = fuzz_copy(data + outcome.used, piece);

		outcome.event = proxy_header_take(&header, (unsigned char *)copy, piece, &used, &outcome.address, &why);
		free(copy);
		REQUIRE(used > 0 && used <= piece);
		REQUIRE(outcome.event != PROXY_MORE || used == piece);
		outcome.used += used;
		REQUIRE(header.size == outcome.used && outcome.used <= PROXY_HEADER_MAX);
	}
	REQUIRE((outcome.event == PROXY_MALFORMED) == (why != NULL));
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = run(data, size, true), pieces = run(data, size, false);
	int family = whole.address.ss_family;

	REQUIRE(whole.event == pieces.event && (whole.used == pieces.used || whole.event == PROXY_MALFORMED));
	REQUIRE(memcmp(&whole.address, &pieces.address, sizeof(whole.address)) == 0);
	REQUIRE(whole.event == PROXY_CLIENT ? family == AF_INET || family == AF_INET6 : family == 0);
	if (whole.event == PROXY_CLIENT || whole.event == PROXY_OWN)
		REQUIRE(whole.used >= 15 && (data[whole.used - 1] == '\n' || data[0] == '\r'));
	return 0;
}
