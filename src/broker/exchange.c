/* exchange - see exchange.h. An answer to a challenge is judged only when the login may be tried. */
#include "broker/exchange.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "broker/keyring.h"
#include "broker/login.h"
#include "broker/md5_proof.h"
#include "broker/naming.h"
#include "broker/scram.h"
#include "common/secret.h"
#include "pop3/authorization.h"

bool exchange_challenges(const struct login *login)
{
	return (MECHANISM_BIT(login->sasl.mechanism) & mechanism_challenging()) != 0;
}

bool exchange_has_token(const struct login *login)
{
	return login->sasl.mechanism == MECHANISM_OAUTHBEARER || login->sasl.mechanism == MECHANISM_XOAUTH2;
}

void exchange_clear(struct exchange *exchange)
{
	scram_free(&exchange->scram);
	exchange->last = NULL;
}

static enum sasl_result keep_proof(struct login *login, const void *proof, size_t size)
{
	return secret_set(&login->sasl.password, proof, size) == 0 ? SASL_DONE : SASL_NO_MEMORY;
}

/* ---- APOP and CRAM-MD5 ---- */

static enum sasl_result begin_apop(struct login *login, const struct message_login *message)
{
	struct exchange *exchange = &login->exchange;
	enum sasl_result result;

	if (message->timestamp.size == 0 || message->timestamp.size >= sizeof(exchange->challenge) ||
	    message->response.size != MD5_PROOF_TEXT)
		return SASL_MALFORMED;
	memcpy(exchange->challenge, message->timestamp.data, message->timestamp.size);
	exchange->challenge[message->timestamp.size] = '\0';
	result = sasl_name(&login->sasl, message->user.data, message->user.size);
	return result == SASL_DONE ? keep_proof(login, message->response.data, message->response.size) : result;
}

static enum sasl_result begin_cram(struct login *login, bool has_response)
{
	uint64_t chance[2];

	if (has_response) /* the server speaks first */
		return SASL_MALFORMED;
	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return SASL_NO_MEMORY;
	snprintf(login->exchange.challenge, sizeof(login->exchange.challenge), "<%016llx.%016llx@popgate>",
		 (unsigned long long)chance[0], (unsigned long long)chance[1]);
	login->sasl.challenge = login->exchange.challenge;
	return SASL_CONTINUE;
}

/* "NAME DIGEST"; the name may have blanks. */
static enum sasl_result take_cram(struct login *login, const unsigned char *data, size_t size)
{
	size_t name = size < MD5_PROOF_TEXT + 2 ? 0 : size - MD5_PROOF_TEXT - 1;
	enum sasl_result result;

	if (name == 0 || data[name] != ' ')
		return SASL_MALFORMED;
	result = sasl_name(&login->sasl, data, name);
	return result == SASL_DONE ? keep_proof(login, data + name + 1, MD5_PROOF_TEXT) : result;
}

static enum exchange_verdict judge_digest(const struct login *login, const char *secret)
{
	const struct secret *given = &login->sasl.password;
	const char *known = secret == NULL ? "" : secret;
	uint8_t due[MD5_PROOF_SIZE], proof[MD5_PROOF_SIZE];
	bool right;

	if (md5_proof_read(given->data, given->size, proof) != 0)
		return EXCHANGE_MALFORMED;
	if ((login->sasl.mechanism == MECHANISM_APOP ? md5_proof_apop(login->exchange.challenge, known, due)
						     : md5_proof_cram(login->exchange.challenge, known, due)) != 0)
		return EXCHANGE_UNABLE;
	right = md5_proof_equal(due, proof);
	secret_wipe(due, sizeof(due));
	return right && secret != NULL ? EXCHANGE_RIGHT : EXCHANGE_WRONG;
}

/* ---- SCRAM ---- */

static int find_keys(void *context, const char *name, bool whole, struct scram_keys *keys_r)
{
	const struct login *login = context;
	const struct broker *broker = login->broker;
	struct login_name meant;

	if (naming_read(login, name, &meant) == 0)
		name = meant.user;
	return keyring_find(broker->keyring, accounts_find(broker->accounts, name), name,
			    scram_kind_of(login->sasl.mechanism), whole, keys_r);
}

static enum sasl_result begin_scram(struct login *login, const struct message_login *message)
{
	const struct scram_binding binding = {.data = message->binding.data,
					      .size = message->binding.size,
					      .exporter = (message->flags & LOGIN_EXPORTER) != 0};

	if (login->broker->keyring == NULL) /* there are no accounts: fronts don't offer it */
		return SASL_MALFORMED;
	login->exchange.scram = scram_new(login->broker->scram, login->sasl.mechanism, &binding, find_keys, login);
	if (login->exchange.scram == NULL)
		return SASL_NO_MEMORY;
	if ((message->flags & LOGIN_HAS_RESPONSE) != 0)
		return exchange_step(login, message->response.data, message->response.size);
	login->sasl.challenge = "";
	return SASL_CONTINUE;
}

static enum sasl_result take_first(struct login *login, const void *data, size_t size)
{
	const char *authzid;
	enum sasl_result result;
	const enum scram_event event = scram_step(login->exchange.scram, data, size, &login->sasl.challenge);

	login->sasl.fault = scram_fault(login->exchange.scram);
	switch (event) {
	case SCRAM_MORE:
		break;
	case SCRAM_WRONG: /* of the binding, before a name is known to be anybody's */
	case SCRAM_MALFORMED:
	case SCRAM_PROVED:
		return SASL_MALFORMED;
	case SCRAM_NO_MEMORY:
		return SASL_NO_MEMORY;
	}
	if (strlen(login->sasl.challenge) > AUTHORIZATION_CHALLENGE_MAX) /* most of it is the client's own nonce */
		return SASL_MALFORMED;
	result = sasl_name(&login->sasl, scram_name(login->exchange.scram), strlen(scram_name(login->exchange.scram)));
	authzid = scram_authzid(login->exchange.scram);
	login->foreign = authzid != NULL && *authzid != '\0' && strcmp(authzid, scram_name(login->exchange.scram)) != 0;
	return result == SASL_DONE ? SASL_CONTINUE : result;
}

static enum exchange_verdict judge_scram(struct login *login, const struct account *account)
{
	const struct secret *proof = &login->sasl.password;
	const char *last = NULL;
	const enum scram_event event = scram_step(login->exchange.scram, proof->data, proof->size, &last);

	login->sasl.fault = scram_fault(login->exchange.scram);
	switch (event) {
	case SCRAM_PROVED:
		login->exchange.last = account != NULL ? last : NULL;
		return account != NULL ? EXCHANGE_RIGHT : EXCHANGE_WRONG;
	case SCRAM_WRONG:
		return EXCHANGE_WRONG;
	case SCRAM_MORE:
	case SCRAM_MALFORMED:
		return EXCHANGE_MALFORMED;
	case SCRAM_NO_MEMORY:
		return EXCHANGE_UNABLE;
	}
	return EXCHANGE_UNABLE;
}

/* ---- any of them ---- */

enum sasl_result exchange_begin(struct login *login, const struct message_login *message)
{
	bool has_response = (message->flags & LOGIN_HAS_RESPONSE) != 0;
	enum mechanism mechanism;

	if (!mechanism_find(login->mechanism, strlen(login->mechanism), &mechanism))
		return SASL_MALFORMED;
	sasl_init(&login->sasl, mechanism);
	if (mechanism == MECHANISM_USER)
		return sasl_userpass(&login->sasl, message->user.data, message->user.size, message->response.data,
				     message->response.size);
	if (mechanism == MECHANISM_APOP)
		return begin_apop(login, message);
	if (mechanism == MECHANISM_CRAM_MD5)
		return begin_cram(login, has_response);
	if (exchange_challenges(login))
		return begin_scram(login, message);
	return sasl_step(&login->sasl, has_response ? message->response.data : NULL, message->response.size);
}

enum sasl_result exchange_step(struct login *login, const void *data, size_t size)
{
	if (login->sasl.mechanism == MECHANISM_CRAM_MD5)
		return take_cram(login, data, size);
	if (login->exchange.scram == NULL)
		return sasl_step(&login->sasl, data, size);
	return login->sasl.name == NULL ? take_first(login, data, size) : keep_proof(login, data, size);
}

enum exchange_verdict exchange_judge(struct login *login, const struct account *account)
{
	if (login->exchange.scram != NULL)
		return judge_scram(login, account);
	return judge_digest(login, account == NULL ? NULL : account->secret);
}
