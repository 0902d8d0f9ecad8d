/* conf_pattern - see conf_pattern.h. Pure, supervisor and broker. */
#include "common/conf_pattern.h"

#include <string.h>

#include "common/text.h"

size_t conf_pattern_domain(const char *name)
{
	const char *at = strrchr(name, '@');

	return at == NULL ? strlen(name) : (size_t)(at + 1 - name);
}

size_t conf_pattern_local(const char *name)
{
	const char *at = strrchr(name, '@');

	return at == NULL ? strlen(name) : (size_t)(at - name);
}

static bool same(char pattern, char name, bool fold)
{
	return pattern == name || (fold && text_lower(pattern) == text_lower(name));
}

/* Whether what follows the pattern's last '*' fits the name's end: settles most cases at once. */
static bool tail_fits(const char *pattern, const char *name, size_t domain)
{
	const char *star = strrchr(pattern, '*');
	size_t size = strlen(name), tail, from;

	if (star == NULL)
		return true;
	tail = strlen(star + 1);
	if (tail > size)
		return false;
	from = size - tail;
	for (size_t i = 0; i < tail; i++)
		if (!same(star[1 + i], name[from + i], from + i >= domain))
			return false;
	return true;
}

/* Tries the latest '*' only, with ever more octets: an earlier one need never
 * be tried again, so the cost is at most the product of both lengths. */
static bool matches(const char *pattern, const char *name, size_t domain)
{
	const char *star = NULL, *start = name, *resume = name;

	if (!tail_fits(pattern, name, domain))
		return false;
	while (*name != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			resume = name;
		} else if (*pattern != '\0' && same(*pattern, *name, (size_t)(name - start) >= domain)) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star + 1;
			name = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool conf_pattern_matches(const char *pattern, const char *name)
{
	return matches(pattern, name, conf_pattern_domain(name));
}

/* Read as a name, the other pattern's '*' is an octet that only a '*' takes. Case is
 * folded where the octet is in the domain of every name the other takes: after an '@'
 * behind which no '*' stands. */
bool conf_pattern_covers(const char *pattern, const char *other)
{
	size_t domain = conf_pattern_domain(other);

	return matches(pattern, other, strchr(other + domain, '*') == NULL ? domain : strlen(other));
}

bool conf_template_valid(const char *template, const char **bad_r)
{
	for (const char *at = template; (at = strchr(at, '%')) != NULL; at += 2) {
		if (at[1] != '\0' && strchr("und%", at[1]) != NULL)
			continue;
		*bad_r = at;
		return false;
	}
	return true;
}
