/* conf_tables - the keys of the core's own sections: types, ranges, defaults.
 * popgate.conf(5) says the same in words. */
#ifndef POPGATE_COMMON_CONF_TABLES_H
#define POPGATE_COMMON_CONF_TABLES_H

#include <popgate/plugin.h>

/* Each ends with name NULL. Times are in seconds here. */
extern const struct popgate_key conf_top_keys[];
extern const struct popgate_key conf_listener_keys[];
extern const struct popgate_key conf_tls_keys[];
extern const struct popgate_key conf_backend_keys[]; /* the core's two; the rest is the plugin's */
extern const struct popgate_key conf_route_keys[];
/* What is read beside them. Ends with NULL. */
extern const char *const conf_listener_others[];
extern const char *const conf_route_others[];
extern const struct popgate_key conf_provider_keys[];
extern const struct popgate_key conf_limits_keys[];
extern const struct popgate_key conf_log_keys[];
/* The sections at the top level. Ends with NULL. */
extern const char *const conf_sections[];
/* conf_backend_keys' names, for the plugins' tables to leave alone. Ends with NULL. */
extern const char *const conf_backend_core[];

#endif
