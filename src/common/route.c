/* route - see route.h. No I/O, no memory of its own; broker. */
#include "common/route.h"

#include <string.h>

#include "common/conf_pattern.h"

int route_find(const struct conf *conf, size_t listener, const char *login_name, size_t *index_r)
{
	for (size_t i = 0; i < conf->route_count; i++) {
		const struct conf_route *route = &conf->routes[i];

		if ((route->listener != CONF_ANY_LISTENER && route->listener != listener) ||
		    !conf_pattern_matches(route->users, login_name))
			continue;
		if (route->folder_delimiter != '\0' &&
		    memchr(login_name, route->folder_delimiter, conf_pattern_local(login_name)) != NULL)
			return -1;
		*index_r = i;
		return 0;
	}
	return -1;
}

/* What `%` and a letter stand for. */
static int piece(char letter, const char *login_name, const char **text_r, size_t *size_r)
{
	size_t domain = conf_pattern_domain(login_name), whole = strlen(login_name);
	int has_domain = strchr(login_name, '@') != NULL;

	switch (letter) {
	case 'u':
		*text_r = login_name;
		*size_r = whole;
		return 0;
	case 'n':
		*text_r = login_name;
		*size_r = has_domain ? domain - 1 : whole;
		return 0;
	case 'd':
		*text_r = login_name + domain;
		*size_r = whole - domain;
		return *size_r > 0 ? 0 : -1;
	case '%':
		*text_r = "%";
		*size_r = 1;
		return 0;
	default: /* the template was checked when it was read */
		return -1;
	}
}

int route_upstream_user(const struct conf_route *route, const char *login_name, char *buffer, size_t size)
{
	size_t used = 0, length;
	const char *text;

	for (const char *at = route->upstream_user; *at != '\0'; at++) {
		text = at;
		length = 1;
		if (*at == '%' && piece(*++at, login_name, &text, &length) != 0)
			return -1;
		if (length >= size - used)
			return -1;
		memcpy(buffer + used, text, length);
		used += length;
	}
	if (used == 0)
		return -1;
	buffer[used] = '\0';
	return 0;
}
