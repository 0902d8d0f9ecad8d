/* authorization - see authorization.h. Pure; never sees a file, a socket or a clock. */
#include "pop3/authorization.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/mechanism.h"
#include "common/message.h"
#include "common/secret.h"
#include "common/text.h"
#include "pop3/capability.h"
#include "pop3/command.h"
#include "pop3/language.h"

#define UNKNOWN_MAX 3  /* unknown keywords before the connection is closed */
#define REFUSED_MAX 10 /* refused credentials, likewise */

static void reply(struct authorization_step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void reply(struct authorization_step *step, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(step->reply, sizeof(step->reply) - 2, format, arguments);
	va_end(arguments);
	if (size < 0 || (size_t)size > sizeof(step->reply) - 3)
		size = size < 0 ? 0 : (int)sizeof(step->reply) - 3;
	memcpy(step->reply + size, "\r\n", 2);
	step->reply_size = (size_t)size + 2;
	step->action = AUTHORIZATION_REPLY;
}

static bool credentials_allowed(const struct authorization *authorization)
{
	return authorization->tls || authorization->cleartext_login;
}

unsigned authorization_offers(const struct authorization *authorization)
{
	const struct mechanism_facts facts = {.listed = authorization->mechanisms,
					      .cleartext = credentials_allowed(authorization),
					      .binding = authorization->tls && authorization->binding,
					      .proofs = authorization->proofs};
	unsigned offers = mechanism_offered(&facts);

	return authorization->timestamp[0] != '\0' ? offers : offers & ~MECHANISM_BIT(MECHANISM_APOP);
}

static bool offers(const struct authorization *authorization, enum mechanism mechanism)
{
	return (authorization_offers(authorization) & MECHANISM_BIT(mechanism)) != 0;
}

static void refuse_cleartext(struct authorization_step *step)
{
	reply(step, "-ERR TLS is needed before a password may be sent: use STLS");
}

static void forget_user(struct authorization *authorization)
{
	free(authorization->user);
	authorization->user = NULL;
}

void authorization_forget_response(struct authorization *authorization)
{
	if (authorization->response != NULL)
		secret_wipe(authorization->response, authorization->response_room);
	free(authorization->response);
	authorization->response = NULL;
	authorization->response_room = 0;
}

void authorization_reset(struct authorization *authorization)
{
	forget_user(authorization);
	authorization_forget_response(authorization);
	authorization->utf8 = false;
	authorization->in_sasl = false;
	authorization->unknown = 0;
}

/* Decodes a base64 response into authorization->response. `=` alone is the empty one (RFC 5034 section 4). */
static int decode_response(struct authorization *authorization, const char *text, size_t size,
			   struct authorization_step *step)
{
	authorization_forget_response(authorization);
	authorization->response_room = size / 4 * 3 + 1;
	authorization->response = malloc(authorization->response_room);
	if (authorization->response == NULL) {
		reply(step, "-ERR [SYS/TEMP] out of memory");
		return -1;
	}
	if (base64_decode(text, size, authorization->response, &step->response_size) != 0) {
		authorization_forget_response(authorization); /* it is decoded up to its fault */
		reply(step, "-ERR the response is not base64");
		return -1;
	}
	step->response = authorization->response;
	return 0;
}

/* ---- handlers ---- */

typedef void handler_fn(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step);

static void list_mechanisms(const struct authorization *authorization, struct authorization_step *step)
{
	unsigned bits = authorization_offers(authorization) & mechanism_sasl();
	char names[MECHANISM_LIST_MAX];

	mechanism_list(bits, "", "\r\n", names);
	if (bits == 0 && !credentials_allowed(authorization))
		reply(step, "+OK no mechanism without TLS\r\n.");
	else
		reply(step, "+OK mechanisms follow\r\n%s.", names);
}

/* A mechanism that TLS would make possible is no secret, and how to come by it is of use. */
static void refuse_mechanism(const struct authorization *authorization, enum mechanism mechanism,
			     struct authorization_step *step)
{
	unsigned listed = authorization->mechanisms != 0 ? authorization->mechanisms : mechanism_default();

	if (!credentials_allowed(authorization) &&
	    (listed & mechanism_revealing() & mechanism_sasl() & MECHANISM_BIT(mechanism)) != 0)
		refuse_cleartext(step);
	else
		reply(step, "-ERR this mechanism is not offered");
}

static void handle_auth(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	enum mechanism mechanism = MECHANISMS;
	size_t size;
	const char *initial;

	if (call->text == NULL) {
		list_mechanisms(authorization, step);
		return;
	}
	size = strcspn(call->text, " ");
	if (!mechanism_find(call->text, size, &mechanism) || !offers(authorization, mechanism) ||
	    (MECHANISM_BIT(mechanism) & mechanism_sasl()) == 0) {
		refuse_mechanism(authorization, mechanism, step);
		return;
	}
	if (call->text[size] == ' ') {
		initial = call->text + size + 1;
		size = call->text_size - size - 1;
		if (size == 1 && initial[0] == '=')
			size = 0;
		if (decode_response(authorization, initial, size, step) != 0)
			return;
	}
	forget_user(authorization);
	step->action = AUTHORIZATION_LOGIN;
	step->mechanism = mechanism_name(mechanism);
}

/* APOP name digest (RFC 1939 section 7). */
static void handle_apop(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	size_t name_size = strcspn(call->text, " ");
	const char *digest = call->text + name_size + (name_size < call->text_size);

	forget_user(authorization);
	if (!offers(authorization, MECHANISM_APOP)) {
		reply(step, "-ERR APOP is not offered here");
		return;
	}
	if (name_size == 0 || strlen(digest) != AUTHORIZATION_DIGEST ||
	    strspn(digest, "0123456789abcdefABCDEF") != AUTHORIZATION_DIGEST || !text_is_utf8(call->text, name_size)) {
		reply(step, "-ERR malformed arguments");
		return;
	}
	step->action = AUTHORIZATION_LOGIN;
	step->mechanism = mechanism_name(MECHANISM_APOP);
	step->user = call->text;
	step->user_size = name_size;
	step->response = (const unsigned char *)digest;
	step->response_size = AUTHORIZATION_DIGEST;
}

static void handle_capa(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	struct capability_facts facts = {.stls = authorization->stls && !authorization->tls,
					 .delays = authorization->login_delay > 0,
					 .login_delay = authorization->login_delay,
					 .delay_varies = authorization->delay_varies,
					 .mechanisms = authorization_offers(authorization)};

	(void)call;
	step->action = AUTHORIZATION_REPLY;
	step->reply_size = capability_reply(&facts, step->reply);
}

static void handle_lang(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	(void)authorization;
	step->action = AUTHORIZATION_REPLY;
	step->reply_size = language_reply(call->text, step->reply);
}

static void handle_quit(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	(void)authorization;
	(void)call;
	reply(step, "+OK goodbye");
	step->action = AUTHORIZATION_CLOSE;
}

static void handle_stls(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	(void)call;
	if (authorization->tls || !authorization->stls) {
		reply(step, authorization->tls ? "-ERR TLS is active already" : "-ERR STLS is not offered here");
		return;
	}
	authorization_reset(authorization);
	reply(step, "+OK begin TLS negotiation now");
	step->action = AUTHORIZATION_STLS;
}

static void handle_user(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	forget_user(authorization);
	if (!offers(authorization, MECHANISM_USER)) {
		reply(step, "-ERR USER is not offered here");
		return;
	}
	if (!text_is_utf8(call->text, call->text_size)) {
		reply(step, "-ERR the name is not UTF-8");
		return;
	}
	authorization->user = strdup(call->text);
	reply(step, authorization->user == NULL ? "-ERR [SYS/TEMP] out of memory" : "+OK send PASS");
}

static void handle_pass(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	if (authorization->user == NULL) {
		reply(step, "-ERR USER comes first");
		return;
	}
	step->action = AUTHORIZATION_LOGIN;
	step->mechanism = mechanism_name(MECHANISM_USER);
	step->user = authorization->user;
	step->user_size = strlen(authorization->user);
	step->response = (const unsigned char *)call->text;
	step->response_size = call->text_size;
}

static void handle_utf8(struct authorization *authorization, const struct command_call *call,
			struct authorization_step *step)
{
	(void)call;
	authorization->utf8 = true;
	reply(step, "+OK UTF-8 from now on");
}

static handler_fn *const handlers[VERB_COUNT] = {
    [VERB_APOP] = handle_apop, [VERB_AUTH] = handle_auth, [VERB_CAPA] = handle_capa,
    [VERB_LANG] = handle_lang, [VERB_QUIT] = handle_quit, [VERB_STLS] = handle_stls,
    [VERB_USER] = handle_user, [VERB_PASS] = handle_pass, [VERB_UTF8] = handle_utf8,
};

/* ---- lines ---- */

/* Other protocols' first words: nothing they could make use of is answered. */
static bool is_foreign(const char *line)
{
	static const char *const words[] = {"GET ",  "POST ", "PUT ",	 "HEAD ", "OPTIONS ", "CONNECT ",
					    "EHLO ", "HELO ", "DELETE ", "PRI ",  "SSH-"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_same_case(line, strnlen(line, strlen(words[i])), words[i]))
			return true;
	return false;
}

static void take_response(struct authorization *authorization, const char *line, size_t size,
			  struct authorization_step *step)
{
	authorization->in_sasl = false;
	if (size == 1 && line[0] == '*') {
		reply(step, "-ERR authentication cancelled");
		step->action = AUTHORIZATION_CANCEL;
	} else if (decode_response(authorization, line, size, step) != 0) {
		step->action = AUTHORIZATION_CANCEL;
	} else {
		step->action = AUTHORIZATION_RESPONSE;
	}
}

static void take_unknown(struct authorization *authorization, struct authorization_step *step)
{
	step->malformed = true;
	reply(step, "-ERR unknown command");
	if (++authorization->unknown >= UNKNOWN_MAX)
		step->action = AUTHORIZATION_CLOSE;
}

static void take_command(struct authorization *authorization, const char *line, size_t size,
			 struct authorization_step *step)
{
	struct command_call call;

	switch (command_parse(line, size, COMMAND_AUTHORIZATION, &call)) {
	case COMMAND_OK:
		if ((call.command->flags & COMMAND_NEEDS_TLS) != 0 && !credentials_allowed(authorization))
			refuse_cleartext(step);
		else
			handlers[call.command->verb](authorization, &call, step);
		return;
	case COMMAND_UNKNOWN:
		take_unknown(authorization, step);
		return;
	case COMMAND_WRONG_STATE:
		reply(step, "-ERR log in first");
		return;
	case COMMAND_BAD_ARGUMENTS:
		if (call.command->verb == VERB_PASS)
			forget_user(authorization);
		reply(step, "-ERR malformed arguments");
		return;
	}
}

/* A line that is no line: too long, with NUL, endless. */
static void take_fault(struct authorization *authorization, enum line_event event, struct authorization_step *step)
{
	step->malformed = true;
	switch (event) {
	case LINE_TOO_LONG:
		reply(step, "-ERR line too long");
		if (authorization->in_sasl) {
			authorization->in_sasl = false;
			step->action = AUTHORIZATION_CANCEL;
		}
		return;
	case LINE_NUL:
		reply(step, "-ERR NUL in a command");
		step->action = AUTHORIZATION_CLOSE;
		return;
	case LINE_FLOOD:
		step->action = AUTHORIZATION_CLOSE;
		return;
	case LINE_NO_MEMORY:
	case LINE_MORE:
	case LINE_COMPLETE:
		reply(step, "-ERR [SYS/TEMP] out of memory");
		step->action = AUTHORIZATION_CLOSE;
		return;
	}
}

void authorization_line(struct authorization *authorization, enum line_event event, const char *line, size_t size,
			struct authorization_step *step)
{
	bool first = !authorization->spoken;

	step->action = AUTHORIZATION_REPLY;
	step->reply_size = 0;
	step->mechanism = step->user = NULL;
	step->response = NULL;
	step->user_size = step->response_size = 0;
	step->malformed = false;
	authorization->spoken = true;
	if (event != LINE_COMPLETE) {
		take_fault(authorization, event, step);
	} else if (first && is_foreign(line)) {
		step->malformed = true;
		step->action = AUTHORIZATION_CLOSE;
	} else if (authorization->in_sasl) {
		take_response(authorization, line, size, step);
	} else {
		take_command(authorization, line, size, step);
	}
}

/* ---- verdicts ---- */

void authorization_challenge(struct authorization *authorization, const unsigned char *data, size_t size,
			     struct authorization_step *step)
{
	char text[BASE64_ENCODED_SIZE(AUTHORIZATION_CHALLENGE_MAX)];

	if (size > AUTHORIZATION_CHALLENGE_MAX)
		size = AUTHORIZATION_CHALLENGE_MAX;
	base64_encode(data, size, text);
	authorization->in_sasl = true;
	reply(step, "+ %s", text);
}

static const char *const refusals[] = {
    [0] = "malformed credential",
    [POPGATE_AUTH] = "[AUTH] wrong name or password",
    [POPGATE_TEMP] = "[SYS/TEMP] the mailbox cannot be reached now, try again later",
    [POPGATE_PERM] = "[SYS/PERM] the mailbox cannot be opened, ask the administrator",
    [POPGATE_IN_USE] = "[IN-USE] another session has this mailbox open",
    [POPGATE_PROTOCOL] = "[SYS/TEMP] the mail server gave an answer that makes no sense, try again later",
    [POPGATE_GONE] = "the message is no longer there",
    [POPGATE_STOPPED] = "[SYS/TEMP] interrupted, try again later",
};

const char *authorization_refusal(unsigned status)
{
	if (status == REFUSAL_LOGIN_DELAY)
		return "[LOGIN-DELAY] the last login was a short while ago, try again later";
	if (status == REFUSAL_SESSIONS)
		return "[IN-USE] too many sessions of this user are open";
	if (status == REFUSAL_OCTETS)
		return "[SYS/TEMP] the quota of this day is used up, the next one begins at midnight UTC";
	if (status == REFUSAL_TOKEN)
		return "[SYS/PERM] popgate may not open this mailbox (any more), ask the administrator: popgate oauth "
		       "status";
	return status < sizeof(refusals) / sizeof(refusals[0]) ? refusals[status] : refusals[POPGATE_TEMP];
}

void authorization_refused(struct authorization *authorization, unsigned status, struct authorization_step *step)
{
	forget_user(authorization);
	authorization_forget_response(authorization);
	authorization->in_sasl = false;
	reply(step, "-ERR %s", authorization_refusal(status));
	if (status == POPGATE_AUTH && ++authorization->refused >= REFUSED_MAX)
		step->action = AUTHORIZATION_CLOSE;
}
