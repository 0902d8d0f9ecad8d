/* policy - what a user may whose password is right: how soon after his last login, how many sessions at a time, how
 * many octets a day. Broker process.
 *
 * Nothing of it is told before the password is proved, be it here or upstream: whoever guesses learns nothing. */
#ifndef POPGATE_BROKER_POLICY_H
#define POPGATE_BROKER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"

struct broker;
struct login;
struct opening_place;

/* A login's part in it; begins as all zero. */
struct policy {
	uint64_t key;	      /* whom common/usage counts; 0: he has no limits */
	unsigned login_delay; /* seconds; 0: none */
	unsigned max_sessions;
	uint64_t max_octets; /* a day (UTC) */
	bool counted;	     /* its session is one of the open ones */
};

enum policy_time {
	POLICY_PROVED, /* nothing is open yet: what another session may still end for is not looked at */
	POLICY_OPENED
};

/* What holds for the login, which leads to the place: its account's limits, else its route's. */
void policy_find(struct login *login, const struct opening_place *place);
/* 0, or what it is refused with (enum message_refusal); *why_r tells the operator. */
unsigned policy_judge(const struct login *login, enum policy_time time, const char **why_r);
/* How many octets the session may send; 0: any number. */
uint64_t policy_allowance(const struct login *login);
/* The login's session is open. */
void policy_enter(struct login *login);
/* It has sent so many octets, and is over; only the first call counts. */
void policy_leave(struct login *login, uint64_t octets);
/* What clients may be told before they log in: the longest delay of any user, and whether there are others. */
void policy_announce(const struct broker *broker, struct message_features *features);

#endif
