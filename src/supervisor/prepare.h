/* prepare - everything of a start or a reload that can be checked and taken
 * before anything is forked. Supervisor process. */
#ifndef POPGATE_SUPERVISOR_PREPARE_H
#define POPGATE_SUPERVISOR_PREPARE_H

#include "supervisor/generation.h"

/* Opens the log that the configuration names. Returns a descriptor, or -1 for syslog;
 * a file that cannot be opened is -1 with a fault in report. */
int prepare_log(const struct conf_log *log, struct conf_report *report);

/* Opens a generation's log file anew, if it has one, for all its processes; one that starts or drains may log elsewhere
 * than the current one. A file that cannot be opened is logged, and the old one stays. */
void prepare_new_log(struct generation *generation);

/* Reads the configuration, finds the user, makes the runtime directory, raises
 * the descriptor limit, opens the log, binds the listeners (sharing those of
 * previous, which may be NULL). Returns a generation in which nothing runs
 * yet, or NULL with faults in report. */
struct generation *prepare_generation(const struct supervisor_plan *plan, const struct generation *previous,
				      struct conf_report *report);

#endif
