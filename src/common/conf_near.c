/* conf_near - see conf_near.h. Pure, any process. */
#include "common/conf_near.h"

#include <string.h>

#define LONGEST 63

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment, three rows. */
size_t conf_near_distance(const char *a, const char *b)
{
	size_t rows[3][LONGEST + 1], *before = rows[0], *above = rows[1], *here = rows[2];
	size_t a_size = strnlen(a, LONGEST), b_size = strnlen(b, LONGEST);

	for (size_t j = 0; j <= b_size; j++)
		here[j] = before[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t *spare = before;

		before = above;
		above = here;
		here = spare;
		here[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			here[j] = least(above[j], here[j - 1]) + 1;
			here[j] = least(here[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				here[j] = least(here[j], before[j - 2] + 1);
		}
	}
	return here[b_size];
}

void conf_near_offer(struct conf_near *near, const char *candidate)
{
	size_t size = strnlen(near->word, LONGEST);
	size_t distance = conf_near_distance(near->word, candidate);

	if (distance > 1 + size / 3 || distance >= size || (near->best != NULL && distance >= near->distance))
		return;
	near->best = candidate;
	near->distance = distance;
}
