/* text - see text.h. Pure, any process. */
#include "common/text.h"

#include <string.h>

/* Octets of the sequence that starts at text, 0 when it is ill-formed. */
static size_t utf8_sequence(const unsigned char *text, size_t size)
{
	size_t length;
	unsigned low = 0x80, high = 0xbf;

	if (text[0] < 0x80)
		return text[0] != 0;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		length = 2;
	else if ((text[0] & 0xf0) == 0xe0)
		length = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (size < length || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool text_is_utf8(const char *text, size_t size)
{
	size_t step;

	for (size_t i = 0; i < size; i += step)
		if ((step = utf8_sequence((const unsigned char *)text + i, size - i)) == 0)
			return false;
	return true;
}

void text_harmless(const char *text, size_t size, char *out, size_t out_size)
{
	static const char hex[] = "0123456789abcdef";
	size_t done = 0;

	if (out_size < 8) {
		if (out_size > 0)
			*out = '\0';
		return;
	}
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (done + 8 > out_size) {
			memcpy(out + done, "...", 3);
			done += 3;
			break;
		}
		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			out[done++] = (char)c;
			continue;
		}
		out[done++] = '\\';
		out[done++] = 'x';
		out[done++] = hex[c >> 4];
		out[done++] = hex[c & 15];
	}
	out[done] = '\0';
}

char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_same_case(const char *a, size_t a_size, const char *b)
{
	for (size_t i = 0; i < a_size; i++)
		if (b[i] == '\0' || text_lower(a[i]) != text_lower(b[i]))
			return false;
	return b[a_size] == '\0';
}
