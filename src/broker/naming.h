/* naming - who a login's name means, in whatever form the client gave it. Broker process. */
#ifndef POPGATE_BROKER_NAMING_H
#define POPGATE_BROKER_NAMING_H

#include "broker/login.h"
#include "common/login_name.h"

/* Puts the user's one name into login->sasl.name, and the folder that was asked for with it into login->folder. DONE,
 * MALFORMED or NO_MEMORY. */
enum sasl_result naming_settle(struct login *login);
/* What a name means that the client has said before it is settled. 0, or -1: too long with its domain. */
int naming_read(const struct login *login, const char *given, struct login_name *name_r);

#endif
