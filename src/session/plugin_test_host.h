/* plugin_test_host - one drop as `popgate plugin-test` opens it, and the host that its plugin sees: the real one's
 * functions, watched, and with a script where the world outside shall fail. The check's own process. */
#ifndef POPGATE_SESSION_PLUGIN_TEST_HOST_H
#define POPGATE_SESSION_PLUGIN_TEST_HOST_H

#include "session/host.h"
#include "session/plugin_test_check.h"

/* What wait() says, instead of what is. */
enum probe_script { PROBE_TRUTH, PROBE_GONE, PROBE_TIMEOUT };

struct probe {
	struct popgate_session session; /* first: all that the plugin has */
	struct plugin_test *test;
	/* What the plugin has asked for. */
	unsigned credentials, locks, waits, renewals;
	bool locked_first; /* the lock before the credential */
	/* What becomes of wait(). */
	enum probe_script script;
	bool scripted;	   /* it has been told so */
	int64_t since;	   /* when first */
	bool after_octets; /* only once the sink has got something */
	bool octets;	   /* it has */
};

extern const struct popgate_host plugin_test_host;

/* A probe with the right password. */
struct probe *probe_new(struct plugin_test *test);
/* open() as it comes: 0 or -1 with error; judges nothing but the error. */
int probe_try(struct probe *probe, int64_t deadline, struct popgate_error *error);
/* A drop that is open; demands success. */
struct probe *probe_open(struct plugin_test *test);
/* The listing, into session.maildrop; demands success and a sound one. */
void probe_list(struct probe *probe);
/* The listing made anew by refresh(), as probe_list. */
void probe_refresh(struct probe *probe);
/* Demands that two listings are the same. */
void probe_compare(const struct plugin_test *test, const struct maildrop *before, const struct maildrop *after);
/* open() and list(), and a maildrop of `least` messages; else the check is not tried. */
struct probe *probe_listed(struct plugin_test *test, size_t least);
/* close(), and what the probe has. */
void probe_close(struct probe **probe);

/* When calls must be through. */
int64_t probe_deadline(const struct probe *probe);

#endif
