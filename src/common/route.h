/* route - where a login name leads, and as whom. Pure; runs in the broker and in `popgate session`. */
#ifndef POPGATE_COMMON_ROUTE_H
#define POPGATE_COMMON_ROUTE_H

#include <stddef.h>

#include "common/conf.h"

/* Finds the first route, in the file's order, whose pattern takes the name and which is for all listeners or for this
 * one (index in conf->listeners; CONF_ANY_LISTENER: the login came in by none). Where it has a folder_delimiter, no
 * user's name has that before its domain. Returns 0 with its index in conf->routes, or -1 when there is none. */
int route_find(const struct conf *conf, size_t listener, const char *login_name, size_t *index_r);
/* Makes the name upstream out of the route's template, in one pass: a `%` in the
 * login name is a plain octet. Returns 0 with a NUL-terminated name in
 * buffer; or -1, buffer unspecified, when the result is empty or doesn't fit into
 * `size` octets with its NUL, or when %d is asked of a name without a domain. */
int route_upstream_user(const struct conf_route *route, const char *login_name, char *buffer, size_t size);

#endif
