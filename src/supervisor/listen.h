/* listen - bound sockets. Supervisor process. */
#ifndef POPGATE_SUPERVISOR_LISTEN_H
#define POPGATE_SUPERVISOR_LISTEN_H

#include "common/conf.h"

/* Binds and listens. Returns a non-blocking socket, or -1 with a fault in report. */
int listen_open(const struct conf_listener *listener, struct conf_report *report);
/* Another descriptor of a socket, close-on-exec; -1 when fd is -1. */
int listen_duplicate(int fd);
/* The port that a socket is bound to; 0 when it cannot be told. */
unsigned listen_port(int fd);
/* Tells the log that clients may come here, and what the administrator should know of it. */
void listen_log(const struct conf_listener *listener, int fd);
/* Tells on standard output what to enter into the POP3 program; of a listener that this machine alone can reach. */
void listen_announce(const struct conf_listener *listener, int fd);

#endif
