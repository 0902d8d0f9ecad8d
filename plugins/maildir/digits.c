/* digits - see digits.h. Never reads beyond the end. Runs in session processes. */
#include "digits.h"

bool digits_read(const char **at, const char *end, uint64_t *value_r)
{
	const char *here = *at;
	uint64_t value = 0;

	for (; here < end && *here >= '0' && *here <= '9'; here++) {
		unsigned digit = (unsigned)(*here - '0');

		if (value > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (here == *at)
		return false;
	*at = here;
	*value_r = value;
	return true;
}
