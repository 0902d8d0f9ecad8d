/* conf_tree - from libconfig's tree to a configuration; shared by the two ways
 * of making one, from a file and from the command line. Internal to conf. */
#ifndef POPGATE_COMMON_CONF_TREE_H
#define POPGATE_COMMON_CONF_TREE_H

#include "common/conf_reader.h"

/* An empty configuration with an empty tree. NULL without memory. */
struct conf *conf_tree_new(const char *source);
/* Fills conf out of conf->config, which has been parsed. Faults go to the report. */
void conf_tree_read(const struct conf_reader *reader, struct conf *conf);
/* Makes conf->config of the file conf->source, and sets conf->folder. secret: it is one that nobody else may read, and
 * neither may they what it includes. Returns 0, or -1 with a fault in report. */
int conf_tree_parse(struct conf *conf, bool secret, struct conf_report *report);

#endif
