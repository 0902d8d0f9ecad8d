/* conf_near - the nearest of some words, for "did you mean". Pure. */
#ifndef POPGATE_COMMON_CONF_NEAR_H
#define POPGATE_COMMON_CONF_NEAR_H

#include <stddef.h>

/* Start with {.word = what was written}. */
struct conf_near {
	const char *word;
	const char *best; /* NULL: nothing near enough yet */
	size_t distance;
};

/* Edits between two words: insert, delete, change, swap two neighbours. Only
 * the first 63 octets of each count. */
size_t conf_near_distance(const char *a, const char *b);
/* Offers one candidate, which the caller keeps alive. Keeps it when it is nearer than
 * what it has, and near enough not to be a mere guess. */
void conf_near_offer(struct conf_near *near, const char *candidate);

#endif
