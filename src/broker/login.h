/* login - one login, from LOGIN to the end of the session it opens. Broker process. */
#ifndef POPGATE_BROKER_LOGIN_H
#define POPGATE_BROKER_LOGIN_H

#include "broker/broker.h"

/* A front's LOGIN, RESPONSE and CANCEL. LOGIN's descriptors are taken out of inbox. */
void login_begin(struct broker *broker, struct broker_front *front, struct ipc_inbox *inbox);
void login_respond(struct broker *broker, const struct broker_front *front, const struct message_response *response);
void login_cancel(struct broker *broker, const struct broker_front *front, uint64_t id);
/* The front has gone: logins under way end, open sessions are merely counted on. */
void login_front_lost(struct broker *broker, const struct broker_front *front);

#endif
