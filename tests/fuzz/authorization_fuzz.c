/* authorization: everything that a client may say before it is logged in, with a broker that runs the mechanisms. The
 * first octet of the input says what the listener offers. No reply is torn, no credential comes out of a connection
 * that may not carry one, and what comes out was in the input. */
#include <strings.h>

#include "common/mechanism.h"
#include "pop3/authorization.h"
#include "pop3/sasl.h"

#include "fuzz.h"

#define LINES_MAX 2000

struct stage {
	struct authorization authorization;
	struct line_reader reader;
	struct sasl sasl;
	bool exchange;	 /* sasl is in use */
	unsigned refuse; /* status of the next refusal */
	bool over;
};

static void check_reply(const struct authorization_step *step)
{
	REQUIRE(step->reply_size <= sizeof(step->reply));
	if (step->reply_size == 0) {
		REQUIRE(step->action != AUTHORIZATION_REPLY && step->action != AUTHORIZATION_STLS);
		return;
	}
	REQUIRE(step->reply_size >= 3 && memcmp(step->reply + step->reply_size - 2, "\r\n", 2) == 0);
	REQUIRE(step->reply[0] == '+' || step->reply[0] == '-');
	for (size_t i = 0; i < step->reply_size; i++)
		REQUIRE(step->reply[i] == '\r' || step->reply[i] == '\n' ||
			(step->reply[i] >= 0x20 && step->reply[i] < 0x7f));
}

static void end_exchange(struct stage *stage)
{
	if (stage->exchange)
		sasl_clear(&stage->sasl);
	stage->exchange = false;
}

static void refuse(struct stage *stage, unsigned status)
{
	struct authorization_step step;

	end_exchange(stage);
	authorization_refused(&stage->authorization, status, &step);
	check_reply(&step);
	REQUIRE(step.reply[0] == '-' && !stage->authorization.in_sasl);
	stage->over = step.action == AUTHORIZATION_CLOSE;
}

static void conclude(struct stage *stage, enum sasl_result result)
{
	struct authorization_step step;

	switch (result) {
	case SASL_CONTINUE:
		authorization_challenge(&stage->authorization, (const unsigned char *)stage->sasl.challenge,
					strlen(stage->sasl.challenge), &step);
		check_reply(&step);
		REQUIRE(step.reply[0] == '+' && step.reply[1] == ' ' && stage->authorization.in_sasl);
		return;
	case SASL_DONE:
		stage->refuse = stage->refuse % (POPGATE_STOPPED + 3) + 1;
		refuse(stage, stage->refuse); /* also what is no status */
		return;
	case SASL_MALFORMED:
		refuse(stage, 0);
		return;
	case SASL_REFUSED:
		refuse(stage, POPGATE_AUTH);
		return;
	case SASL_NO_MEMORY:
		refuse(stage, POPGATE_TEMP);
		return;
	}
}

static void start_login(struct stage *stage, const struct authorization_step *step)
{
	enum mechanism mechanism = MECHANISM_USER;

	REQUIRE(step->mechanism != NULL && step->reply_size == 0);
	REQUIRE(mechanism_find(step->mechanism, strlen(step->mechanism), &mechanism));
	REQUIRE((authorization_offers(&stage->authorization) & MECHANISM_BIT(mechanism)) != 0);
	REQUIRE(stage->authorization.tls || stage->authorization.cleartext_login ||
		(mechanism_revealing() & MECHANISM_BIT(mechanism)) == 0);
	end_exchange(stage);
	if (mechanism == MECHANISM_USER) {
		REQUIRE(step->user != NULL && step->user_size > 0 && step->response_size > 0);
		sasl_init(&stage->sasl, mechanism);
		stage->exchange = true;
		conclude(stage,
			 sasl_userpass(&stage->sasl, step->user, step->user_size, step->response, step->response_size));
		return;
	}
	REQUIRE(mechanism != MECHANISM_APOP || (step->user_size > 0 && step->response_size == AUTHORIZATION_DIGEST));
	sasl_init(&stage->sasl, mechanism);
	stage->exchange = true;
	conclude(stage, sasl_step(&stage->sasl, step->response, step->response_size));
}

static void take(struct stage *stage, enum line_event event)
{
	struct authorization_step step;
	bool closed = event == LINE_NUL || event == LINE_FLOOD;

	authorization_line(&stage->authorization, event, stage->reader.data, stage->reader.size, &step);
	check_reply(&step);
	REQUIRE(!closed || step.action == AUTHORIZATION_CLOSE);
	switch (step.action) {
	case AUTHORIZATION_REPLY:
		break;
	case AUTHORIZATION_LOGIN:
		REQUIRE(event == LINE_COMPLETE);
		start_login(stage, &step);
		break;
	case AUTHORIZATION_RESPONSE:
		REQUIRE(stage->exchange && event == LINE_COMPLETE && step.response != NULL);
		conclude(stage, sasl_step(&stage->sasl, step.response, step.response_size));
		break;
	case AUTHORIZATION_CANCEL:
		REQUIRE(stage->exchange);
		end_exchange(stage);
		break;
	case AUTHORIZATION_STLS:
		REQUIRE(stage->authorization.stls && !stage->authorization.tls);
		REQUIRE(stage->authorization.user == NULL && !stage->authorization.utf8);
		stage->authorization.tls = true;
		line_clear(&stage->reader); /* what came behind it is thrown away */
		break;
	case AUTHORIZATION_CLOSE:
		stage->over = true;
		break;
	}
	stage->reader.response = stage->authorization.in_sasl;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stage stage = {.refuse = 0};
	struct fuzz_pieces pieces = fuzz_pieces(data, size);
	const char *at = (const char *)data + 1;
	unsigned lines = 0;

	if (size < 2)
		return 0;
	stage.authorization.tls = (data[0] & 1) != 0;
	stage.authorization.stls = (data[0] & 2) != 0;
	stage.authorization.cleartext_login = (data[0] & 4) != 0;
	stage.authorization.binding = (data[0] & 8) != 0;
	stage.authorization.proofs = (data[0] & 16) != 0 ? ~0u : 0;
	stage.authorization.mechanisms = (data[0] & 32) != 0 ? ~0u : 0;
	if ((data[0] & 64) != 0)
		snprintf(stage.authorization.timestamp, sizeof(stage.authorization.timestamp), "<1@x>");
	for (size_t left = size - 1, used; left > 0 && !stage.over && lines < LINES_MAX; left -= used, at += used) {
		enum line_event event = line_feed(&stage.reader, at, fuzz_piece(&pieces, left), &used);

		if (event == LINE_MORE)
			continue;
		take(&stage, event);
		lines++;
	}
	end_exchange(&stage);
	authorization_reset(&stage.authorization);
	line_clear(&stage.reader);
	return 0;
}
