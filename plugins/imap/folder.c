/* folder - modified UTF-7 and quoted strings.
 *
 * Never does I/O. Runs in the spawner (configure) and in session processes.
 */
#include "folder.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* One character; *text is moved past it. 0: malformed. */
static uint32_t next_character(const unsigned char **text)
{
	static const struct {
		unsigned char mask, lead;
		unsigned more;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 0, 1}, {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};
	const unsigned char *at = *text;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		uint32_t c = *at & (unsigned char)~forms[i].mask;

		if ((*at & forms[i].mask) != forms[i].lead)
			continue;
		for (unsigned n = 1; n <= forms[i].more; n++) {
			if ((at[n] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (at[n] & 0x3f);
		}
		*text = at + 1 + forms[i].more;
		return c < forms[i].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : c;
	}
	return 0;
}

bool folder_is_clean(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at != '\0') {
		uint32_t c = next_character(&at);

		if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
	}
	return true;
}

bool folder_is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* Base64 over 16-bit units, as it grows. */
struct shift {
	char *at;
	uint32_t bits;
	unsigned count; /* of bits that wait */
	bool open;
};

static void put_unit(struct shift *s, uint32_t unit)
{
	if (!s->open)
		*s->at++ = '&';
	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->count += 16;
	while (s->count >= 6) {
		s->count -= 6;
		*s->at++ = digits[s->bits >> s->count & 0x3f];
	}
}

static void close_shift(struct shift *s)
{
	if (!s->open)
		return;
	if (s->count > 0)
		*s->at++ = digits[s->bits << (6 - s->count) & 0x3f];
	*s->at++ = '-';
	s->open = false;
	s->bits = 0;
	s->count = 0;
}

char *folder_encode(const char *name)
{
	const unsigned char *at = (const unsigned char *)name;
	/* a unit of two octets becomes "&xxx-" at most, "&" becomes "&-" */
	char *encoded = malloc(strlen(name) * 5 + 1);
	struct shift s = {.at = encoded};

	if (encoded == NULL)
		return NULL;
	while (*at != '\0') {
		uint32_t c = next_character(&at);

		if (c >= 0x10000) {
			put_unit(&s, 0xd800 + ((c - 0x10000) >> 10));
			put_unit(&s, 0xdc00 + ((c - 0x10000) & 0x3ff));
		} else if (c >= 0x7f) {
			put_unit(&s, c);
		} else if (c != 0) {
			close_shift(&s);
			*s.at++ = (char)c;
			if (c == '&')
				*s.at++ = '-';
		} else {
			break;
		}
	}
	close_shift(&s);
	*s.at = '\0';
	return encoded;
}

/* One character as UTF-8. */
static char *put_utf8(char *at, uint32_t c)
{
	if (c < 0x80) {
		*at++ = (char)c;
		return at;
	}
	if (c >= 0x10000) {
		*at++ = (char)(0xf0 | c >> 18);
		*at++ = (char)(0x80 | (c >> 12 & 0x3f));
	} else if (c >= 0x800) {
		*at++ = (char)(0xe0 | c >> 12);
	} else {
		*at++ = (char)(0xc0 | c >> 6);
	}
	if (c >= 0x800)
		*at++ = (char)(0x80 | (c >> 6 & 0x3f));
	*at++ = (char)(0x80 | (c & 0x3f));
	return at;
}

/* Joins the two halves of a character beyond 16 bits. -1: they don't match. */
static int take_unit(char **at, uint32_t *high, uint32_t unit)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;

	if (low != (*high != 0))
		return -1;
	if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
		return 0;
	}
	*at = put_utf8(*at, low ? 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00) : unit);
	*high = 0;
	return 0;
}

/* What stands between "&" and "-"; *text is moved past that. */
static int decode_shift(const char **text, char **at)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (; **text != '-'; ++*text) {
		const char *digit = **text != '\0' ? strchr(digits, **text) : NULL;

		if (digit == NULL)
			return -1;
		bits = (bits << 6 | (uint32_t)(digit - digits)) & 0xffffff;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		if (take_unit(at, &high, bits >> count & 0xffff) != 0)
			return -1;
	}
	++*text;
	return high == 0 && count < 6 && (bits & ((1u << count) - 1)) == 0 ? 0 : -1;
}

char *folder_decode(const char *encoded)
{
	/* three digits make an octet or two, or a half of four */
	char *name = malloc(strlen(encoded) * 2 + 1), *at = name;

	while (name != NULL && *encoded != '\0') {
		if (*encoded != '&') {
			*at++ = *encoded++;
		} else if (encoded[1] == '-') {
			*at++ = '&';
			encoded += 2;
		} else if (encoded++, decode_shift(&encoded, &at) != 0) {
			free(name);
			return NULL;
		}
	}
	if (name != NULL)
		*at = '\0';
	return name;
}

char *folder_quote(const char *text)
{
	char *quoted = malloc(strlen(text) * 2 + 3), *at = quoted;

	if (quoted == NULL)
		return NULL;
	*at++ = '"';
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			*at++ = '\\';
		*at++ = *text;
	}
	*at++ = '"';
	*at = '\0';
	return quoted;
}
