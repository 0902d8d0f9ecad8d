/* plugin_test_check - what the parts of `popgate plugin-test` share: the checks, and what one of them works with.
 * Everything here runs in the check's own process, and a failed demand ends that process. */
#ifndef POPGATE_SESSION_PLUGIN_TEST_CHECK_H
#define POPGATE_SESSION_PLUGIN_TEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <popgate/plugin.h>

#include "common/conf.h"
#include "common/secret.h"
#include "session/plugin_child.h"

/* How far a plugin has got: a check that needs more than that is not tried. */
enum plugin_stage {
	STAGE_NOTHING,
	STAGE_MODULE,	  /* the loader takes it */
	STAGE_CONFIGURED, /* an instance can be made */
	STAGE_OPEN,	  /* a drop can be opened */
	STAGE_LISTED,	  /* and listed */
	STAGE_FETCHED,	  /* and its messages read */
	STAGES
};

/* What one check works with. The process is its own, and nothing is given back. */
struct plugin_test {
	struct plugin_child *child;
	const struct plugin_test_options *options;
	const char *directory, *name;
	const struct secret *password;
	const struct popgate_plugin *plugin; /* from STAGE_MODULE on */
	struct conf *conf;
	struct popgate_settings *settings;
	void *instance; /* from STAGE_CONFIGURED on, where the check needs that */
};

struct plugin_check {
	const char *name;
	enum plugin_stage needs, gives; /* gives STAGE_NOTHING: nothing else hangs on it */
	bool destroys;			/* removes messages */
	void (*run)(struct plugin_test *test);
};

/* Tables, each ends with name NULL. */
extern const struct plugin_check plugin_checks_data[], plugin_checks_open[], plugin_checks_list[],
    plugin_checks_fetch[], plugin_checks_stop[], plugin_checks_prefetch[], plugin_checks_close[],
    plugin_checks_commit[], plugin_checks_refresh[], plugin_checks_refresh_commit[], plugin_checks_takes[],
    plugin_checks_sessions[];

/* Loads, reads the settings and configures, as far as the check needs it. */
void plugin_test_prepare(struct plugin_test *test, const struct plugin_check *check);

/* ---- verdicts: none of these returns ---- */

/* "expected ..., came ..." */
void plugin_test_fail(const struct plugin_test *test, const char *format, ...)
    __attribute__((__noreturn__, format(printf, 2, 3)));
void plugin_test_skip(const struct plugin_test *test, const char *format, ...)
    __attribute__((__noreturn__, format(printf, 2, 3)));
/* Passed, with something to say. */
void plugin_test_note(const struct plugin_test *test, const char *format, ...)
    __attribute__((__noreturn__, format(printf, 2, 3)));

/* ---- instances and errors ---- */

/* An error as a plugin finds it before a call: nothing in it may be left by a call that fails. */
void plugin_test_soil(struct popgate_error *error);
/* STATUS as the header writes it. */
const char *plugin_test_status(enum popgate_status status);
/* Demands that an error which a call has filled in is sound: a status out of the set (bits 1 << status), a text of one
 * line that ends, and without the secret in it (NULL: none was given). */
void plugin_test_judge(const struct plugin_test *test, const char *call, const struct popgate_error *error,
		       unsigned statuses, const struct secret *secret);
/* Makes an instance; demands success. */
void *plugin_test_configure(struct plugin_test *test);
/* Open descriptors of this process. */
size_t plugin_test_descriptors(void);

#endif
