/* workers - the broker's way to the processes that do what it must not wait for: helpers, who check passwords, and the
 * agent, who fetches credentials. Broker process. */
#ifndef POPGATE_BROKER_WORKERS_H
#define POPGATE_BROKER_WORKERS_H

#include "common/channel.h"
#include "common/conf.h"
#include "common/device.h"
#include "common/process.h"

struct broker;
struct login;
struct worker;

struct workers {
	struct worker *first; /* helpers, and the agent */
};

/* A new neighbour. What it answers goes to login_checked, login_fetched and login_not_fetched, unless the login has
 * ended or asked for something else since. */
void workers_add(struct broker *broker, enum process_role role, int fd);
/* Has a helper compare. 0, or -1: nobody can. */
int workers_check(struct login *login, const char *hash, const void *password, size_t size);
/* Has the agent note that a device's password was used, from that address. What cannot be noted now is not. */
void workers_note(const struct broker *broker, const struct device_key *device, const char *peer);
/* Has the agent fetch. refused: another than the token of that serial, which the upstream has refused; NULL: any. 0, or
 * -1. */
int workers_fetch(struct login *login, const char *user, const struct conf_source *source, const uint64_t *refused);

#endif
