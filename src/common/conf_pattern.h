/* conf_pattern - patterns on login names, and templates of upstream names.
 * Pure; conf checks with it, the broker's routes match with it. */
#ifndef POPGATE_COMMON_CONF_PATTERN_H
#define POPGATE_COMMON_CONF_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Where a name's domain starts: after its last '@'. The name's length when it has none. */
size_t conf_pattern_domain(const char *name);
/* How many octets stand before the last '@'; all of them where there is none. */
size_t conf_pattern_local(const char *name);
/* Whether a name is one of the pattern's: '*' stands for any run of octets, the empty one
 * too, everything else for itself; in the name's domain ASCII case doesn't matter. */
bool conf_pattern_matches(const char *pattern, const char *name);
/* Whether `pattern` surely takes every name that `other`, a pattern too, takes. */
bool conf_pattern_covers(const char *pattern, const char *other);
/* Whether a template holds only %u, %n, %d, %% and plain text. *bad_r is the first
 * faulty octet pair ("%x", or "%" at the end), within the template. */
bool conf_template_valid(const char *template, const char **bad_r);

#endif
