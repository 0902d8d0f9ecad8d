/* plugin_list - `popgate plugins`: what is installed, as the modules tell it themselves. */
#ifndef POPGATE_SESSION_PLUGIN_LIST_H
#define POPGATE_SESSION_PLUGIN_LIST_H

/* Prints each module of the directory (NULL: the built-in one), or the one of that name. Returns an enum
 * process_exit: CONF where one cannot be loaded. */
int plugin_list_run(const char *directory, const char *name);

#endif
