/* conf_sections - reads the core's sections out of libconfig's tree, one
 * function a section. Internal to conf. */
#ifndef POPGATE_COMMON_CONF_SECTIONS_H
#define POPGATE_COMMON_CONF_SECTIONS_H

#include <stddef.h>

#include "common/conf_keys.h"
#include "common/conf_tables.h"

/* Each fills its part of *conf with what is sound and reports the rest. An
 * absent section has its defaults. Order: tls before listeners, backends before routes. */
void conf_read_top(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
void conf_read_tls(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
void conf_read_listeners(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
void conf_read_backends(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
/* After the top level. */
void conf_read_providers(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
void conf_read_routes(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
void conf_read_limits(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);
void conf_read_log(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf);

/* The key default_domain of a section, which `what` names (NULL: the top level). *domain_r is NULL where there is none.
 * 0, or -1 with a fault. */
int conf_domain(const struct conf_reader *reader, struct config_setting_t *group, const char *what,
		struct popgate_settings *settings, char **domain_r);

/* Each frees what it points to. */
void conf_listener_clear(struct conf_listener *listener);
void conf_provider_clear(struct conf_provider *provider);
void conf_route_clear(struct conf_route *route);

/* The section `name` when it is a group. *group_r is NULL when it is absent. Returns -1 with a
 * fault when it is something else. */
int conf_section_group(const struct conf_reader *reader, struct config_setting_t *root, const char *name,
		       struct config_setting_t **group_r);
/* The same for a list of groups, of which there must be one at least; `example` shows one
 * in the fault's remedy. Returns NULL with a fault. */
struct config_setting_t *conf_section_list(const struct conf_reader *reader, struct config_setting_t *root,
					   const char *name, const char *example);
/* The i-th group of a list; NULL with a fault when it is no group. */
struct config_setting_t *conf_section_element(const struct conf_reader *reader, struct config_setting_t *list, int i);

#endif
