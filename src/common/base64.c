/* base64 - see base64.h. Pure, any process. OpenSSL's decoder takes white
 * space and does not tell padding from data; SASL responses need both told. */
#include "common/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t size, char *text)
{
	const unsigned char *in = data;

	for (; size >= 3; size -= 3, in += 3) {
		*text++ = alphabet[in[0] >> 2];
		*text++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
		*text++ = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
		*text++ = alphabet[in[2] & 63];
	}
	if (size > 0) {
		unsigned second = size == 2 ? in[1] : 0;

		*text++ = alphabet[in[0] >> 2];
		*text++ = alphabet[(in[0] & 3) << 4 | second >> 4];
		*text++ = size == 2 ? alphabet[(second & 15) << 2] : '=';
		*text++ = '=';
	}
	*text = '\0';
}

void base64_encode_url(const void *data, size_t size, char *text)
{
	base64_encode(data, size, text);
	for (; *text != '\0' && *text != '='; text++) {
		if (*text == '+')
			*text = '-';
		else if (*text == '/')
			*text = '_';
	}
	*text = '\0';
}

static int digit_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int)(at - alphabet);
}

/* One group of four; `take` of its octets count. */
static int decode_group(const char *text, size_t take, unsigned char *data)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i > take ? 0 : digit_value(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
	}
	if (take < 3 && (bits & (0xffffffu >> (take * 8))) != 0)
		return -1;
	for (size_t i = 0; i < take; i++)
		data[i] = (unsigned char)(bits >> (16 - 8 * i));
	return 0;
}

int base64_decode(const char *text, size_t size, unsigned char *data, size_t *size_r)
{
	size_t done = 0;

	if (size % 4 != 0)
		return -1;
	for (size_t i = 0; i < size; i += 4) {
		size_t take = 3;

		if (i + 4 == size && text[i + 3] == '=')
			take = text[i + 2] == '=' ? 1 : 2;
		if (decode_group(text + i, take, data + done) != 0)
			return -1;
		done += take;
	}
	*size_r = done;
	return 0;
}
