/* exchange - what a client says to prove its user, by whatever mechanism, up to where it can be judged. Holds no more
 * than a few kB, for as long as its login. Broker process. */
#ifndef POPGATE_BROKER_EXCHANGE_H
#define POPGATE_BROKER_EXCHANGE_H

#include <stdbool.h>

#include "common/account.h"
#include "common/mechanism.h"
#include "common/message.h"
#include "pop3/sasl.h"

#define EXCHANGE_CHALLENGE_MAX 80 /* of APOP and CRAM-MD5, with a NUL */

struct login;
struct scram;

struct exchange {
	char challenge[EXCHANGE_CHALLENGE_MAX];
	struct scram *scram; /* NULL: another mechanism */
	const char *last;    /* what is said to who is proved, and answered with nothing; NULL: nothing is */
};

/* Takes LOGIN and RESPONSE. login->sasl has the name when it is DONE, or REFUSED; and, as its password, what proves it:
 * a password, a token, a digest. */
enum sasl_result exchange_begin(struct login *login, const struct message_login *message);
enum sasl_result exchange_step(struct login *login, const void *data, size_t size);
void exchange_clear(struct exchange *exchange);

/* Whether what proves the name answers a challenge, and is no password; whether it is a token. */
bool exchange_challenges(const struct login *login);
bool exchange_has_token(const struct login *login);

enum exchange_verdict { EXCHANGE_RIGHT, EXCHANGE_WRONG, EXCHANGE_MALFORMED, EXCHANGE_UNABLE };

/* Judges an answer to a challenge. account has what the mechanism needs; NULL: WRONG or MALFORMED, at the same cost.
 * May set exchange->last. */
enum exchange_verdict exchange_judge(struct login *login, const struct account *account);

#endif
