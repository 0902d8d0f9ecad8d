/* proving - see proving.h. Compares in constant time; what takes long is done by a helper. */
#include "broker/proving.h"

#include <string.h>

#include "broker/opening.h"
#include "broker/workers.h"

/* No password has it; it costs what a password costs, where no account has a hash. */
static const char dummy[] = "$y$j9T$abcdefghijklmnopqrstu/$GOBj9MnQX2XXRYb4Fyz9668D5epsKc/lpFQOxVhyXjA";

static enum proving ask(struct login *login, const char *hash, const char **why_r)
{
	const struct secret *password = &login->sasl.password;

	if (workers_check(login, hash, password->data, password->size) == 0)
		return PROVING_ASKED;
	*why_r = "no helper can check the password now";
	return PROVING_UNABLE;
}

static enum proving refuse(struct login *login, const char *because, const char **why_r)
{
	const char *usual = login->broker->usual_hash;

	login->lost = because;
	return ask(login, usual != NULL ? usual : dummy, why_r);
}

static bool comes_from_there(const struct account *account, const char *peer)
{
	for (size_t i = 0; i < account->network_count; i++)
		if (network_holds(&account->networks[i], peer))
			return true;
	return account->network_count == 0;
}

/* All are compared, so that their number alone shows. */
static bool is_device(struct login *login)
{
	const struct account *account = login->account;
	const struct secret *password = &login->sasl.password;

	if (account->device_count == 0 || !device_is_form(password->data, password->size))
		return false;
	for (size_t i = 0; i < account->device_count; i++)
		if (device_check(&account->devices[i].key, password->data, password->size))
			login->device = &account->devices[i];
	return login->device != NULL;
}

static bool is_secret(const struct login *login)
{
	const char *secret = login->account->secret;

	return secret != NULL && secret_equal(&login->sasl.password, secret, strlen(secret));
}

/* Else it fits no password, and would say so at once. */
static bool is_hash(const char *hash)
{
	return hash != NULL && *hash == '$';
}

const char *proving_usual_hash(const struct accounts *accounts)
{
	for (size_t i = 0; i < accounts->count; i++)
		if (is_hash(accounts->items[i].hash))
			return accounts->items[i].hash;
	return NULL;
}

/* Why whatever is proved does not count. NULL: it does. */
static const char *barred(const struct login *login, const struct account *account)
{
	if (account != NULL && account->disabled)
		return "the account is disabled";
	if (account != NULL && !comes_from_there(account, login->peer))
		return "the account may not be used from this network";
	return NULL;
}

/* The answer to a challenge. It is judged whoever gave it, so that it costs the same. */
static enum proving prove_answer(struct login *login, const struct account *account, const char **why_r)
{
	const char *why = barred(login, account);

	if (why == NULL && account == NULL)
		why = "there is no account";
	if (why == NULL && (account_proofs(account) & mechanism_proofs(login->sasl.mechanism)) == 0)
		why = "the account has nothing that this mechanism could prove";
	switch (exchange_judge(login, why == NULL ? account : NULL)) {
	case EXCHANGE_RIGHT:
		return PROVING_DONE;
	case EXCHANGE_WRONG:
		*why_r = why != NULL ? why : login->sasl.fault != NULL ? login->sasl.fault : "wrong password";
		return PROVING_WRONG;
	case EXCHANGE_MALFORMED:
		*why_r = login->sasl.fault != NULL ? login->sasl.fault : "malformed answer to the challenge";
		return PROVING_MALFORMED;
	case EXCHANGE_UNABLE:
		break;
	}
	*why_r = "the answer to the challenge cannot be checked now";
	return PROVING_UNABLE;
}

enum proving proving_begin(struct login *login, const char **why_r)
{
	const struct accounts *accounts = login->broker->accounts;
	const struct account *account = login->account;
	const char *because;

	login->device = NULL;
	login->lost = NULL;
	if (exchange_challenges(login))
		return prove_answer(login, account, why_r);
	if ((because = barred(login, account)) != NULL)
		return refuse(login, because, why_r);
	if (account == NULL || account_proofs(account) == 0) {
		*why_r = login->nowhere;
		if (*why_r == NULL && login->place->source->kind == CONF_SOURCE_CLIENT)
			return PROVING_UPSTREAM;
		if (*why_r == NULL)
			*why_r = "there is no account, and the upstream does not ask the client for a password";
		return accounts == NULL ? PROVING_WRONG : refuse(login, *why_r, why_r);
	}
	if (exchange_has_token(login))
		return refuse(login, "a token proves nobody whose password is here", why_r);
	if (is_device(login)) {
		workers_note(login->broker, &login->device->key, login->peer);
		return PROVING_DONE;
	}
	if (is_secret(login))
		return PROVING_DONE;
	return is_hash(account->hash) ? ask(login, account->hash, why_r) : refuse(login, "wrong password", why_r);
}

enum proving proving_end(const struct login *login, enum message_verdict verdict, const char **why_r)
{
	if (verdict == CHECK_FAILED) {
		*why_r = "the password could not be checked";
		return PROVING_UNABLE;
	}
	if (login->lost == NULL && verdict == CHECK_RIGHT)
		return PROVING_DONE;
	*why_r = login->lost != NULL ? login->lost : "wrong password";
	return PROVING_WRONG;
}
