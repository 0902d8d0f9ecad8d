/* notify - tells systemd, or whoever set NOTIFY_SOCKET, how far the service is. Supervisor process. */
#ifndef POPGATE_SUPERVISOR_NOTIFY_H
#define POPGATE_SUPERVISOR_NOTIFY_H

enum notify_state { NOTIFY_READY, NOTIFY_RELOADING, NOTIFY_STOPPING };

/* Takes the address out of the environment, so that children don't have it. */
void notify_begin(void);
/* Does nothing where nobody asked. Never blocks; what can't be sent is lost. */
void notify_say(enum notify_state state);

#endif
