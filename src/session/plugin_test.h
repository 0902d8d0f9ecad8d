/* plugin_test - `popgate plugin-test`: runs the contract of plugin.h against one module and reports. */
#ifndef POPGATE_SESSION_PLUGIN_TEST_H
#define POPGATE_SESSION_PLUGIN_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct plugin_test_options {
	const char *module;	   /* a path to a .so, or a name in the directory */
	const char *directory;	   /* NULL: the built-in one */
	const char *settings;	   /* a file with what the backend's section would hold; NULL: nothing */
	const char *user;	   /* the name upstream; NULL: nothing is opened */
	const char *password_file; /* its first line; NULL: standard input's, if that is no terminal */
	int64_t patience;	   /* milliseconds that a check may take */
	bool destructive;	   /* removes messages for good */
};

/* Prints a line for each check. Returns an enum process_exit: FAILURE where one has failed, CONF where what was given
 * is wrong. */
int plugin_test_run(const struct plugin_test_options *options);

#endif
