/* base64 - see base64.h. Runs in a session process. */
#include "base64.h"

#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *octets, size_t size)
{
	const unsigned char *data = octets;
	char *text = malloc((size + 2) / 3 * 4 + 1), *at = text;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		unsigned a = data[i], b = i + 1 < size ? data[i + 1] : 0, c = i + 2 < size ? data[i + 2] : 0;

		*at++ = digits[a >> 2];
		*at++ = digits[(a & 3) << 4 | b >> 4];
		*at++ = i + 1 < size ? digits[(b & 15) << 2 | c >> 6] : '=';
		*at++ = i + 2 < size ? digits[c & 63] : '=';
	}
	*at = '\0';
	return text;
}

/* How many of the last four are padding; -1: more than may be. */
static int padding_of(const char *text, size_t size)
{
	if (size == 0 || text[size - 1] != '=')
		return 0;
	return text[size - 2] != '=' ? 1 : text[size - 3] != '=' ? 2 : -1;
}

char *base64_decode(const char *text, size_t size, size_t *size_r)
{
	int padding = size % 4 == 0 ? padding_of(text, size) : -1;
	char *data = padding >= 0 ? malloc(size / 4 * 3 + 1) : NULL;
	size_t used = 0;

	if (data == NULL)
		return NULL;
	for (size_t i = 0; i < size; i += 4) {
		unsigned long bits = 0;

		for (size_t n = i; n < i + 4; n++) {
			/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the NUL is no digit */
			const char *digit = n >= size - (size_t)padding ? digits : memchr(digits, text[n], 64);

			if (digit == NULL) {
				free(data);
				return NULL;
			}
			bits = bits << 6 | (unsigned long)(digit - digits);
		}
		data[used++] = (char)(bits >> 16 & 0xff);
		data[used++] = (char)(bits >> 8 & 0xff);
		data[used++] = (char)(bits & 0xff);
	}
	used -= (size_t)padding;
	data[used] = '\0';
	*size_r = used;
	return data;
}

void base64_wipe(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}
