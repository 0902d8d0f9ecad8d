/* control - how the verbs `reload` and `stop` find a running popgate, and learn what became of it: a file in the
 * runtime directory that its supervisor has locked. The lock tells who that is, so a file that was left behind, or
 * that somebody has written to, means nothing. */
#ifndef POPGATE_SUPERVISOR_CONTROL_H
#define POPGATE_SUPERVISOR_CONTROL_H

#include "common/conf.h"

/* The supervisor's side. */
struct control {
	int fd;		 /* -1: none */
	char *directory; /* where it is */
	unsigned reloads;
};

enum control_state { CONTROL_RUNNING, CONTROL_RELOADING, CONTROL_RELOADED, CONTROL_REFUSED };

/* All none. */
void control_init(struct control *control);
/* Takes the file of the configuration's runtime directory, unless it is held already. That it cannot be had is logged;
 * popgate serves without. */
void control_take(struct control *control, const struct conf *conf);
/* What goes on; a new RELOADING counts. */
void control_note(struct control *control, enum control_state state);
/* In a child: the file is the supervisor's. */
void control_forget(struct control *control);
/* At the end. */
void control_release(struct control *control);

/* The verbs' side. Each finds the popgate that runs with this configuration's runtime directory, signals it, waits and
 * says on standard output what became of it, or on standard error why nothing did. Return an enum process_exit. */
int control_reload(struct conf *conf);
int control_stop(struct conf *conf);

#endif
