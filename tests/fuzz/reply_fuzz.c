/* reply: what the imap plugin reads out of a server's lines by itself, and what it writes into commands. */
#include "../../plugins/imap/folder.h"
#include "../../plugins/imap/line.h"
#include "../../plugins/imap/status.h"
#include "../../plugins/imap/uidset.h"

#include "fuzz.h"

static void check_status(const char *line, size_t size)
{
	struct line_status status;

	line_read_status(line, size, &status);
	REQUIRE(strnlen(status.code, sizeof(status.code)) < sizeof(status.code));
	REQUIRE(strnlen(status.text, sizeof(status.text)) < sizeof(status.text));
	for (const char *at = status.text; *at != '\0'; at++)
		REQUIRE(*at >= 0x20 && *at < 0x7f);
	for (unsigned place = 0; place < STATUS_PLACES; place++) {
		enum popgate_status means = status_of_line(&status, (enum status_place)place);

		REQUIRE(means >= POPGATE_AUTH && means <= POPGATE_STOPPED && means != POPGATE_STOPPED);
		REQUIRE(means != POPGATE_AUTH || place == STATUS_AT_LOGIN);
	}
}

static void check_fetch(const char *line, size_t size)
{
	struct line_fetch fetch;

	if (line_read_fetch(line, size, &fetch) != 0)
		return;
	REQUIRE(fetch.sequence > 0 && size > 2 && line[0] == '*');
	REQUIRE(!fetch.has_literal || line[size - 1] == '\n');
}

static void check_last(const char *text, size_t size)
{
	const char *last = line_last(text, size);

	REQUIRE(last >= text && last <= text + size);
	REQUIRE(last == text || last[-1] == '\n');
}

/* A set names nothing that was not given, and all that it says it does. */
static void check_uidset(const uint8_t *data, size_t size)
{
	uint32_t uids[64];
	size_t count = 0, written, named = 0;
	char set[80];

	for (; count < 64 && (count + 1) * 2 <= size; count++) {
		uint32_t step = data[count * 2] < 128 ? 1 + data[count * 2] % 3u : 1 + data[count * 2 + 1] * 16777u;

		uids[count] = count == 0 ? step : uids[count - 1] + step;
		if (count > 0 && uids[count] <= uids[count - 1])
			break;
	}
	if (count == 0)
		return;
	written = uidset_write(uids, count, set, UIDSET_MIN + data[0] % (sizeof(set) - UIDSET_MIN + 1));
	REQUIRE(written >= 1 && written <= count);
	for (char *at = set; *at != '\0'; at += *at == ',') {
		unsigned long low = strtoul(at, &at, 10), high = *at == ':' ? strtoul(at + 1, &at, 10) : low;

		REQUIRE(low > 0 && low <= high && (*at == ',' || *at == '\0'));
		for (unsigned long uid = low; uid <= high; uid++, named++)
			REQUIRE(named < written && uids[named] == uid);
	}
	REQUIRE(named == written);
}

static void check_folder(const char *name)
{
	char *quoted = folder_quote(name), *encoded;

	REQUIRE(quoted != NULL && strlen(quoted) >= strlen(name) + 2);
	free(quoted);
	if (!folder_is_clean(name))
		return;
	encoded = folder_encode(name);
	REQUIRE(encoded != NULL && folder_is_ascii(encoded) && folder_is_clean(encoded));
	REQUIRE((strlen(encoded) == 0) == (*name == '\0'));
	free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_copy(data, size), *text = fuzz_text(data, size);

	check_status(line, size);
	check_fetch(line, size);
	check_last(line, size);
	check_uidset(data, size);
	check_folder(text);
	(void)status_of_libetpan((int)size);
	free(line);
	free(text);
	return 0;
}
