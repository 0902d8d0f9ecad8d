/* course - what becomes of a login whose name and password are there: proved, given what opens its mailbox, opened.
 * Broker process. */
#ifndef POPGATE_BROKER_COURSE_H
#define POPGATE_BROKER_COURSE_H

#include "broker/login.h"

/* Begins, once the login may be tried. */
void course_begin(struct login *login);
/* Goes on, once the client has taken the proof that we know it too. */
void course_confirmed(struct login *login);

#endif
