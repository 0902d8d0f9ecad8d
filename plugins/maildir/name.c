/* name - see name.h.
 *
 * Believes a size in a name only where it can be true. Never looks at a file. Runs in session processes.
 */
#include "name.h"

#include <string.h>

#include "digits.h"

#define FLAGS ":2," /* what the flags stand behind */

size_t name_base(const char *name, size_t size)
{
	const char *end = name + size;

	/* clocks have colons too, and some names hold one */
	for (const char *at = name; (at = memchr(at, ':', (size_t)(end - at))) != NULL; at++)
		if (end - at >= 3 && (at[1] == '1' || at[1] == '2') && at[2] == ',')
			return (size_t)(at - name);
	return size;
}

uint64_t name_believe(uint64_t with_crlf, uint64_t on_disk)
{
	if (with_crlf > INT64_MAX)
		return NAME_UNKNOWN;
	/* at most each octet is a bare LF; two more where the last line has no end */
	if (on_disk <= INT64_MAX && (with_crlf < on_disk || with_crlf - on_disk > on_disk + 2))
		return NAME_UNKNOWN;
	return with_crlf;
}

/* The number behind ",X=" in a base name, where the field is nothing but that. */
static uint64_t field(const char *name, size_t size, char letter)
{
	const char *end = name + size;

	for (const char *at = name; (at = memchr(at, ',', (size_t)(end - at))) != NULL;) {
		uint64_t value;

		if (end - ++at < 2 || at[0] != letter || at[1] != '=')
			continue;
		at += 2;
		if (digits_read(&at, end, &value) && (at == end || *at == ','))
			return value;
	}
	return NAME_UNKNOWN;
}

void name_parse(const char *name, size_t size, struct name *name_r)
{
	const char *at = name;

	name_r->base = name_base(name, size);
	name_r->octets = name_believe(field(name, name_r->base, 'W'), field(name, name_r->base, 'S'));
	name_r->seen = name_has_flag(name, size, 'S');
	name_r->time = 0;
	digits_read(&at, name + name_r->base, &name_r->time);
}

/* Where the flags begin; NULL: there is no place for them. */
static const char *flags_of(const char *name, size_t size)
{
	size_t base = name_base(name, size), sign = strlen(FLAGS);

	return size - base >= sign && memcmp(name + base, FLAGS, sign) == 0 ? name + base + sign : NULL;
}

bool name_has_flag(const char *name, size_t size, char flag)
{
	const char *flags = flags_of(name, size);

	return flags != NULL && memchr(flags, flag, (size_t)(name + size - flags)) != NULL;
}

int name_with_flag(const char *name, char flag, char name_r[NAME_ROOM])
{
	size_t size = strlen(name), base = name_base(name, size), used = base + strlen(FLAGS);
	const char *flags = flags_of(name, size);
	bool due = !name_has_flag(name, size, flag);

	if (used + (flags != NULL ? strlen(flags) : 0) + due >= NAME_ROOM)
		return -1;
	memcpy(name_r, name, base);
	memcpy(name_r + base, FLAGS, strlen(FLAGS));
	for (; flags != NULL && *flags != '\0'; flags++) {
		if (due && *flags > flag) {
			name_r[used++] = flag;
			due = false;
		}
		name_r[used++] = *flags;
	}
	if (due)
		name_r[used++] = flag;
	name_r[used] = '\0';
	return 0;
}
