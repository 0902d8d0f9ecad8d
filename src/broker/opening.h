/* opening - the session of a login: where its name leads, and who opens the maildrop there. Broker process. */
#ifndef POPGATE_BROKER_OPENING_H
#define POPGATE_BROKER_OPENING_H

#include "broker/login.h"

/* A mailbox upstream. */
struct opening_place {
	size_t number; /* index in conf.backends */
	const struct conf_backend *backend;
	char user[MESSAGE_NAME_MAX];
	const char *folder;		/* NULL: the backend's */
	const struct conf_route *route; /* NULL: the account has led here */
	bool denied;			/* the login asks for a folder that is not for it: who is proved is refused */
	const struct conf_source *source;
};

/* Finds out where the login's account leads, or its name: login->place, or login->nowhere. 0, or -1: no memory. */
int opening_find(struct login *login);
/* Has a session open login->place with the login's secret: one that has it open already, or a new one. What becomes of
 * it comes to login_take_report and login_lose_session. 0, or -1. */
int opening_start(struct login *login);
/* Gives back what was for the session. */
void opening_close_ends(struct login *login);

#endif
