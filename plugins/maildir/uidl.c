/* uidl - see uidl.h.
 *
 * Depends on nothing but what it is given: the same message has the same id for ever. Runs in the spawner (the check
 * of a format) and in session processes.
 */
#include "uidl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "name.h"

#define WIDTH_MAX   60u
#define DIGEST_HALF 20u /* octets of the digest that count */

/* One % of a format. */
struct item {
	bool zero, hex;
	unsigned width;
	char letter;
};

static const char *read_item(const char *at, struct item *item_r)
{
	memset(item_r, 0, sizeof(*item_r));
	for (at++; *at == '0'; at++)
		item_r->zero = true;
	for (; *at >= '0' && *at <= '9' && item_r->width <= WIDTH_MAX; at++)
		item_r->width = item_r->width * 10 + (unsigned)(*at - '0');
	for (; *at == 'X' || *at == 'x'; at++)
		item_r->hex = true;
	item_r->letter = *at;
	return *at == '\0' ? at : at + 1;
}

static const char *item_fault(const struct item *item)
{
	if (item->letter == '\0' || strchr("uvf%", item->letter) == NULL)
		return "takes %u, %v and %f alone, with 0, a width and X in between; %m and %g are not known here";
	if (item->width > WIDTH_MAX)
		return "has a width beyond 60";
	if (item->hex && item->letter == 'f')
		return "has X before %f, which is no number";
	if (item->width > 0 && !item->zero)
		return "has a width without 0 before it, which would cut";
	return NULL;
}

const char *uidl_format_fault(const char *format)
{
	bool unique = false;
	struct item item;

	for (const char *at = format; *at != '\0';) {
		const char *fault = NULL;

		if ((unsigned char)*at < 0x21 || (unsigned char)*at > 0x7e)
			return "holds an octet that no UIDL may have";
		if (*at != '%') {
			at++;
			continue;
		}
		at = read_item(at, &item);
		if ((fault = item_fault(&item)) != NULL)
			return fault;
		unique = unique || item.letter == 'u' || item.letter == 'f';
	}
	return unique ? NULL : "must hold %u or %f, or all messages had the same";
}

/* Octets of the value, padded as the item says, or those that there would be; writes them where they fit. */
static size_t write_item(const struct item *item, const char *value, size_t size, char *at, size_t room)
{
	size_t pad = item->width > size ? item->width - size : 0;

	if (pad + size > room)
		return room + 1;
	memset(at, '0', pad);
	memcpy(at + pad, value, size);
	return pad + size;
}

/* What an item stands for; `number` is room for one. */
static const char *value_of(const struct item *item, const struct uidl_parts *parts, char number[16], size_t *size_r)
{
	uint32_t value = item->letter == 'u' ? parts->uid : parts->uidvalidity;

	if (item->letter == 'f') {
		*size_r = parts->size;
		return parts->base;
	}
	if (item->letter == '%') {
		*size_r = 1;
		return "%";
	}
	*size_r = (size_t)snprintf(number, 16, item->hex ? "%" PRIx32 : "%" PRIu32, value);
	return number;
}

int uidl_by_format(const char *format, const struct uidl_parts *parts, char uidl_r[UIDL_ROOM])
{
	char text[UIDL_ROOM], number[16];
	size_t used = 0, size;

	while (*format != '\0') {
		struct item item = {.letter = 0};
		const char *value = format;

		size = 1;
		if (*format == '%') {
			format = read_item(format, &item);
			value = value_of(&item, parts, number, &size);
		} else {
			format++;
		}
		used += write_item(&item, value, size, text + used, sizeof(text) - 1 - used);
		if (used >= sizeof(text))
			return -1;
	}
	return uidl_literal(text, used, uidl_r);
}

int uidl_literal(const char *octets, size_t size, char uidl_r[UIDL_ROOM])
{
	if (size == 0 || size >= UIDL_ROOM)
		return -1;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)octets[i] < 0x21 || (unsigned char)octets[i] > 0x7e)
			return -1;
	memcpy(uidl_r, octets, size);
	uidl_r[size] = '\0';
	return 0;
}

void uidl_by_name(const char *base, size_t size, char uidl_r[UIDL_ROOM])
{
	if (uidl_literal(base, size, uidl_r) != 0)
		uidl_digest(base, size, 0, uidl_r);
}

void uidl_digest(const char *base, size_t size, unsigned turn, char uidl_r[UIDL_ROOM])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	char text[NAME_ROOM + 16];
	int used = snprintf(text, sizeof(text), "%.*s", (int)size, base);

	if (turn > 0)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "/%u", turn);
	EVP_Digest(text, (size_t)used, digest, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < DIGEST_HALF; i++)
		snprintf(uidl_r + 2 * i, 3, "%02x", digest[i]);
}
