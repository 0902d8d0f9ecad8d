/* uidlist - see uidlist.h.
 *
 * Believes nothing behind a header that it does not know, and no UID that does not grow. Runs in session processes.
 */
#include "uidlist.h"

#include <string.h>

#include "digits.h"
#include "name.h"

/* The word at *at, up to a space or the end. */
static size_t word(const char *at, const char *end)
{
	const char *space = memchr(at, ' ', (size_t)(end - at));

	return (size_t)((space == NULL ? end : space) - at);
}

/* A word that is this number and nothing else, from 1 to 2^32 - 1. */
static bool uid_of(const char *at, size_t size, uint32_t *uid_r)
{
	const char *end = at + size;
	uint64_t value;

	if (!digits_read(&at, end, &value) || at != end || value == 0 || value > UINT32_MAX)
		return false;
	*uid_r = (uint32_t)value;
	return true;
}

static void take_header(struct uidlist *list, const char *at, size_t size)
{
	const char *end = at + size;

	list->begun = true;
	if (size < 2 || memcmp(at, "3 ", 2) != 0)
		return;
	for (at += 2; at < end; at++) {
		size = word(at, end);
		if (size > 0 && *at == 'V')
			list->sound = uid_of(at + 1, size - 1, &list->uidvalidity);
		at += size;
	}
}

/* The sizes that the fields tell, until they are weighed. */
struct told {
	uint64_t with_crlf, on_disk;
};

static uint64_t number_of(const char *at, size_t size)
{
	const char *end = at + size;
	uint64_t value;

	return digits_read(&at, end, &value) && at == end ? value : NAME_UNKNOWN;
}

static void take_field(const char *at, size_t size, struct uidlist_record *record, struct told *sizes)
{
	if (size == 0)
		return;
	if (*at == 'P') {
		record->uidl = at + 1;
		record->uidl_size = size - 1;
	} else if (*at == 'W') {
		sizes->with_crlf = number_of(at + 1, size - 1);
	} else if (*at == 'S') {
		sizes->on_disk = number_of(at + 1, size - 1);
	}
}

bool uidlist_take(struct uidlist *list, const char *line, size_t size, struct uidlist_record *record_r)
{
	const char *at = line, *end = line + size;
	struct uidlist_record record = {.uidl = NULL};
	struct told sizes = {NAME_UNKNOWN, NAME_UNKNOWN};

	if (!list->begun) {
		take_header(list, line, size);
		return false;
	}
	size = word(at, end);
	if (!list->sound || !uid_of(at, size, &record.uid) || record.uid <= list->last)
		return false;
	for (at += size; at < end; at += size) {
		if (++at == end || *at == ':')
			break;
		size = word(at, end);
		take_field(at, size, &record, &sizes);
	}
	if (at >= end)
		return false;
	record.base = at + 1;
	record.base_size = name_base(record.base, (size_t)(end - record.base));
	if (record.base_size == 0)
		return false;
	record.octets = name_believe(sizes.with_crlf, sizes.on_disk);
	list->last = record.uid;
	*record_r = record;
	return true;
}
