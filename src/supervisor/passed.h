/* passed - sockets that were bound by whoever started this process: systemd's LISTEN_FDS and LISTEN_PID.
 * Supervisor process. */
#ifndef POPGATE_SUPERVISOR_PASSED_H
#define POPGATE_SUPERVISOR_PASSED_H

#include <stddef.h>

#include "common/conf.h"

#define PASSED_MAX 64

struct passed {
	int fds[PASSED_MAX]; /* -1: announced, but not open */
	size_t count;
};

/* Takes what the environment announces, and the announcement out of the environment; before anything else is opened.
 * More than PASSED_MAX are left alone. They stay open, for a reload may need one again. */
void passed_receive(struct passed *passed);
void passed_close(struct passed *passed);
/* A duplicate of the socket with the listener's address and port, which becomes the caller's, close-on-exec and
 * non-blocking; -1: none. */
int passed_find(const struct passed *passed, const struct conf_listener *listener);
/* A fault in report for each that no listener names, or that popgate can't use. */
void passed_judge(const struct passed *passed, const struct conf *conf, struct conf_report *report);

#endif
