/* number - see number.h. Pure, any process. */
#include "common/number.h"

int number_parse(const char *text, size_t size, uint64_t most, uint64_t *value_r)
{
	uint64_t value = 0;

	if (size == 0)
		return -1;
	for (size_t i = 0; i < size; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';

		if (digit > 9 || digit > most || value > (most - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	*value_r = value;
	return 0;
}
