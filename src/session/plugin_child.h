/* plugin_child - runs a plugin's code in a process of its own with a deadline, so that a module that crashes, exits
 * or hangs costs one verdict. `popgate plugins` and `popgate plugin-test`. */
#ifndef POPGATE_SESSION_PLUGIN_CHILD_H
#define POPGATE_SESSION_PLUGIN_CHILD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define PLUGIN_VERDICT_TEXT 1200

enum plugin_verdict {
	PLUGIN_OK,
	PLUGIN_FAILED,
	PLUGIN_NOT_TRIED,
	PLUGIN_UNUSABLE /* what was given to it is wrong, not the plugin */
};

/* Shared by the two processes; the child writes it. */
struct plugin_child {
	const char *call; /* the plugin's function that runs, a literal; NULL: none */
	bool told;
	enum plugin_verdict verdict;
	char text[PLUGIN_VERDICT_TEXT]; /* the reason, one line; may be empty */
};

/* What the child runs; returning is PLUGIN_OK without a word. */
typedef void plugin_child_fn(struct plugin_child *child, void *context);

/* Forks, runs and waits, `milliseconds` at most. Returns the verdict, which is FAILED with a reason where the child
 * told none. The child ends with this process. The result is the caller's to end with plugin_child_free; NULL without
 * memory or processes. */
struct plugin_child *plugin_child_run(plugin_child_fn *run, void *context, int64_t milliseconds);
void plugin_child_free(struct plugin_child **child);

/* In the child: ends it with a verdict. */
void plugin_child_tell(struct plugin_child *child, enum plugin_verdict verdict, const char *format, ...)
    __attribute__((__noreturn__, format(printf, 3, 4)));
/* The same in two steps. */
void plugin_child_write(struct plugin_child *child, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void plugin_child_end(struct plugin_child *child, enum plugin_verdict verdict) __attribute__((__noreturn__));

#endif
