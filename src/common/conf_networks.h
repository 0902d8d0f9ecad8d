/* conf_networks - keys that hold networks: key = "192.0.2.1"; or key = ( "192.0.2.0/24", "2001:db8::/32" ). Internal to
 * conf. */
#ifndef POPGATE_COMMON_CONF_NETWORKS_H
#define POPGATE_COMMON_CONF_NETWORKS_H

#include "common/conf_reader.h"

/* The networks of a key that may be absent; the caller's to free, NULL where there are none. 0, or -1 with a fault in
 * the report. `what` names the section. */
int conf_networks(const struct conf_reader *reader, struct config_setting_t *group, const char *key, const char *what,
		  struct network **networks_r, size_t *count_r);

#endif
