/* exchange: the broker's side of every mechanism, with what a hostile client may answer to its challenges. The first
 * octet chooses the mechanism, the second what came with LOGIN; messages are cut at 0xff, which no UTF-8 holds. Nobody
 * who does not know the password is right, whatever he says, and each challenge fits into a reply. */
#include "broker/exchange.h"
#include "broker/keyring.h"
#include "broker/login.h"
#include "broker/scram.h"
#include "common/account_table.h"
#include "common/text.h"
#include "pop3/authorization.h"

#include "fuzz.h"

#define STEPS_MAX 8

/* What a broker has, made once. */
static struct broker *the_broker(void)
{
	static struct conf conf;
	static struct process process = {.conf = &conf};
	static struct broker *broker;
	struct account account = {.user = strdup("ann"), .secret = strdup("a password that no input has")};

	if (broker == NULL) {
		broker = calloc(1, sizeof(*broker));
		REQUIRE(broker != NULL && (broker->accounts = account_table_new(1)) != NULL);
		REQUIRE(account_table_add(broker->accounts, &account) == NULL);
		broker->process = &process;
		broker->keyring = keyring_new(broker->accounts, "/accounts");
		broker->scram = scram_library_new();
		REQUIRE(broker->keyring != NULL);
		return broker;
	}
	account_clear(&account);
	return broker;
}

struct input {
	const uint8_t *data;
	size_t size;
};

/* The next message, of its exact size. */
static unsigned char *next(struct input *input, size_t *size_r)
{
	const uint8_t *end = input->size > 0 ? memchr(input->data, 0xff, input->size) : NULL;
	size_t size = end == NULL ? input->size : (size_t)(end - input->data), used = size + (end != NULL);
	unsigned char *copy = (unsigned char *)fuzz_copy(input->data, size);

	input->data += used;
	input->size -= used;
	*size_r = size;
	return copy;
}

static void check_name(const char *name)
{
	REQUIRE(name != NULL && *name != '\0' && text_is_utf8(name, strlen(name)));
	for (; *name != '\0'; name++)
		REQUIRE((unsigned char)*name >= 0x20 && *name != 0x7f);
}

static void judge(struct login *login)
{
	const struct account *account = accounts_find(login->broker->accounts, login->sasl.name);

	check_name(login->sasl.name);
	REQUIRE(login->sasl.password.data != NULL);
	if (exchange_challenges(login))
		REQUIRE(exchange_judge(login, account) != EXCHANGE_RIGHT && login->exchange.last == NULL);
}

static enum sasl_result begin(struct login *login, unsigned flags, struct input *input)
{
	struct message_login message = {.flags =
					    (flags & 1 ? LOGIN_HAS_RESPONSE : 0) | (flags & 2 ? LOGIN_EXPORTER : 0),
					.timestamp = message_text("<1.2@x>")};
	unsigned char *user, *response;
	enum sasl_result result;

	user = next(input, &message.user.size);
	response = next(input, &message.response.size);
	message.user.data = user;
	message.response.data = response;
	if ((flags & 4) != 0)
		message.binding = message_text("0123456789abcdef0123456789abcdef");
	result = exchange_begin(login, &message);
	free(user);
	free(response);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login login = {.broker = the_broker(), .listener = CONF_ANY_LISTENER};
	struct input input = {0};
	enum sasl_result result;

	if (size < 2)
		return 0;
	input = (struct input){data + 2, size - 2};
	snprintf(login.mechanism, sizeof(login.mechanism), "%s",
		 data[0] < MECHANISMS ? mechanism_name((enum mechanism)data[0]) : "NONE");
	result = begin(&login, data[1], &input);
	for (int i = 0; result == SASL_CONTINUE && i < STEPS_MAX; i++) {
		unsigned char *message;
		size_t message_size;

		REQUIRE(login.sasl.challenge != NULL && strlen(login.sasl.challenge) <= AUTHORIZATION_CHALLENGE_MAX);
		message = next(&input, &message_size);
		result = exchange_step(&login, message, message_size);
		free(message);
	}
	REQUIRE(result != SASL_CONTINUE); /* no mechanism takes so many steps */
	if (result == SASL_DONE || result == SASL_REFUSED)
		judge(&login);
	exchange_clear(&login.exchange);
	sasl_clear(&login.sasl);
	return 0;
}
