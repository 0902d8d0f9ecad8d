/* course - see course.h. The credential goes from the front's message, or from where its source says, into the OPEN
 * message of one session and is wiped; it is never logged, and the spawner never sees it. */
#include "broker/course.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/opening.h"
#include "broker/proving.h"
#include "broker/workers.h"
#include "common/conf_source.h"
#include "common/deadline.h"

static void open_anew(struct login *login);
static void open_session(struct login *login);

/* His password is right, but he may not now. */
static void refuse_proved(struct login *login, unsigned refusal, const char *why)
{
	tries_accepted(&login->broker->tries, &login->try, deadline_now());
	login_refuse_for(login, refusal, why);
}

/* ---- the session's reports ---- */

static void take_opened(struct login *login, const struct message *report)
{
	struct message message = *report;
	struct audit audit = login_audit(login);
	const char *why = NULL;
	unsigned refusal = policy_judge(login, POLICY_OPENED, &why);

	if (refusal != 0) {
		refuse_proved(login, refusal, why); /* its session finds its client gone */
		return;
	}
	tries_accepted(&login->broker->tries, &login->try, deadline_now());
	if (login->state != LOGIN_LEFT)
		policy_enter(login);
	audit_accepted(&audit, login->held ? login->try.sent - login->try.begun : 0, login->reopening);
	login->lock = report->u.opened.lock;
	if (login->mailbox != NULL)
		kept_end_others(&login->broker->kept, login->backend, login->mailbox, login->lock);
	/* the session has them, and nobody else needs to open one */
	opening_close_ends(login);
	exchange_clear(&login->exchange);
	secret_clear(&login->sasl.password);
	secret_clear(&login->secret);
	free(login->place);
	login->place = NULL;
	login->state = LOGIN_OPEN;
	message.u.opened.id = login->id;
	login_tell_front(login, &message);
}

static int fetch(struct login *login, const struct conf_source *source, const uint64_t *refused)
{
	return workers_fetch(login, login_user(login), source, refused);
}

/* The session wants another credential than the one that it has. */
static void renew(struct login *login)
{
	struct message message = {.type = MESSAGE_REFUSED};
	bool fetched = login->source != NULL && login->source->kind >= CONF_SOURCE_FILE;

	if (login->job != 0)
		return; /* it has asked already */
	if (fetched && fetch(login, login->source, &login->serial) == 0)
		return;
	message.u.refused.id = login->id;
	message.u.refused.status = fetched ? POPGATE_TEMP : POPGATE_AUTH;
	message.u.refused.text = message_text(fetched ? "no credential can be fetched now" : "there is no other");
	(void)channel_send(login->report, &message, NULL);
}

/* Of a user who was proved here it is not the password that the upstream refuses. */
static unsigned refusal_of(const struct login *login, unsigned status)
{
	if (login->tokenless && (status == POPGATE_AUTH || status == POPGATE_PERM))
		return REFUSAL_TOKEN;
	if (status == POPGATE_AUTH && login->proved)
		return POPGATE_PERM;
	return status == 0 || status > POPGATE_STOPPED ? POPGATE_TEMP : status;
}

/* What of ours the upstream refuses, for the log; nothing of a secret. */
static void describe_source(const struct conf_source *source, char *text, size_t size)
{
	switch (source->kind) {
	case CONF_SOURCE_CLIENT: /* the client's own password, or none */
		snprintf(text, size, "the account takes the user, and the upstream does not");
		return;
	case CONF_SOURCE_SECRET:
		snprintf(text, size, "the account's upstream_secret is refused");
		return;
	case CONF_SOURCE_FILE:
	case CONF_SOURCE_CREDENTIAL:
	case CONF_SOURCE_COMMAND:
		snprintf(text, size, "the secret from %s %.200s is refused", conf_source_key(source->kind),
			 source->text);
		return;
	case CONF_SOURCE_OAUTH:
		snprintf(text, size, "the token of %.200s is refused", source->text);
		return;
	}
}

static void refuse_as_session(struct login *login, const struct message_refused *refused)
{
	const unsigned refusal = refusal_of(login, refused->status);
	char source[256] = "", why[sizeof(source) + MESSAGE_TEXT_MAX + 3];

	if (refused->status != POPGATE_AUTH || !login->proved) {
		login_refuse(login, refusal, (const char *)refused->text.data, refused->text.size);
		return;
	}
	describe_source(login->source, source, sizeof(source));
	snprintf(why, sizeof(why), "%s: %.*s", source, (int)refused->text.size, (const char *)refused->text.data);
	login_refuse_for(login, refusal, why);
}

/* The drop that was kept is for this login, which is to be refused: it goes on being kept. */
static void end_trial(struct login *login)
{
	const char *why = NULL;
	unsigned refusal = policy_judge(login, POLICY_PROVED, &why);

	login->reopening = login->trial = false;
	kept_add(&login->broker->kept, login->backend, login->mailbox, login->lock, &login->report);
	if (login->state == LOGIN_LEFT)
		login_end(login);
	else if (refusal != 0)
		refuse_proved(login, refusal, why);
	else
		open_session(login); /* the time has come meanwhile */
}

void login_take_report(void *context, struct ipc_inbox *inbox)
{
	const struct message *report = &inbox->message;
	struct login *login = context;

	if (report->type == MESSAGE_ENDED || report->type == MESSAGE_KEPT)
		policy_leave(login, report->u.ended.octets);
	if (report->type == MESSAGE_KEPT && login->state == LOGIN_OPEN && login->mailbox != NULL) {
		kept_add(&login->broker->kept, login->backend, login->mailbox, login->lock, &login->report);
		login_end(login);
		return;
	}
	if (report->type == MESSAGE_KEPT && login->trial) {
		end_trial(login);
		return;
	}
	if (report->type == MESSAGE_RENEW) {
		renew(login);
		return;
	}
	if (login->state != LOGIN_OPENING && login->state != LOGIN_LEFT)
		return;
	if (report->type == MESSAGE_OPENED)
		take_opened(login, report);
	else if (report->type == MESSAGE_REFUSED)
		refuse_as_session(login, &report->u.refused);
}

void login_lose_session(void *context)
{
	struct login *login = context;

	if (login->state == LOGIN_OPENING && login->reopening)
		open_anew(login);
	else if (login->state == LOGIN_OPENING)
		login_refuse_for(login, POPGATE_TEMP, "the session died before it had opened");
	else
		login_end(login);
}

/* ---- opening ---- */

/* The secret is there. */
static void open_session(struct login *login)
{
	login->state = LOGIN_OPENING;
	if (opening_start(login) != 0)
		login_refuse_for(login, POPGATE_TEMP, "no session can be started now");
}

static void take_secret(struct login *login, enum popgate_secret_kind kind, uint64_t expires)
{
	login->secret_kind = kind;
	login->expires = expires;
	open_session(login);
}

static enum popgate_secret_kind kind_of_own(const struct login *login)
{
	if (login->secret.data == NULL)
		return POPGATE_NONE;
	return exchange_has_token(login) ? POPGATE_TOKEN : POPGATE_PASSWORD;
}

/* What the client gave for a password; or, as a device's password or the answer to a challenge is none that the
 * upstream knows, the account's own, where that is kept. 0, or -1: no memory. */
static int take_own(struct login *login)
{
	const char *known = login->account == NULL ? NULL : login->account->secret;

	if (login->device == NULL && !exchange_challenges(login))
		secret_move(&login->secret, &login->sasl.password);
	else if (known != NULL)
		return secret_set(&login->secret, known, strlen(known));
	return 0;
}

/* The user is proved here, or will be by the upstream: what opens the mailbox is wanted. */
static void find_secret(struct login *login)
{
	const struct opening_place *place = login->place;
	const char *why = login->nowhere;
	unsigned refusal;

	/* else the upstream proves the user first: nobody learns for nothing which folders there are */
	if (why == NULL && place->denied && login->proved)
		why = "the folder is not one that this name may ask for";
	if (why != NULL) {
		login_refuse_for(login, POPGATE_AUTH, why);
		return;
	}
	policy_find(login, place);
	refusal = login->proved ? policy_judge(login, POLICY_PROVED, &why) : 0;
	if (refusal != 0) {
		refuse_proved(login, refusal, why);
		return;
	}
	login->source = place->source;
	if (place->source->kind == CONF_SOURCE_CLIENT) {
		if (take_own(login) == 0)
			take_secret(login, kind_of_own(login), 0);
		else
			login_refuse_for(login, POPGATE_TEMP, "out of memory");
	} else if (place->source->kind == CONF_SOURCE_SECRET) {
		if (secret_set(&login->secret, place->source->text, strlen(place->source->text)) == 0)
			take_secret(login, POPGATE_PASSWORD, 0);
		else
			login_refuse_for(login, POPGATE_TEMP, "out of memory");
	} else if (fetch(login, place->source, NULL) == 0) {
		login->state = LOGIN_FETCHING;
	} else {
		login_refuse_for(login, POPGATE_TEMP, "no credential can be fetched now");
	}
}

static void take_proof(struct login *login, enum proving proof, const char *why)
{
	switch (proof) {
	case PROVING_ASKED:
		login->state = LOGIN_PROVING;
		return;
	case PROVING_DONE:
		login->proved = true;
		if (login->exchange.last == NULL) {
			find_secret(login);
			return;
		}
		login->state = LOGIN_CONFIRMING;
		login_challenge(login, login->exchange.last);
		return;
	case PROVING_UPSTREAM:
		find_secret(login);
		return;
	case PROVING_WRONG:
		login_refuse_for(login, POPGATE_AUTH, why);
		return;
	case PROVING_MALFORMED:
		login_refuse_for(login, 0, why);
		return;
	case PROVING_UNABLE:
		login_refuse_for(login, POPGATE_TEMP, why);
		return;
	}
}

/* The try may go. */
void course_begin(struct login *login)
{
	const char *why = "the authorization identity is not the user";
	enum proving proof = login->foreign ? PROVING_WRONG : proving_begin(login, &why);

	if (proof == PROVING_ASKED || proof == PROVING_DONE || proof == PROVING_UPSTREAM)
		login->try.sent = deadline_now();
	/* any other refusal shall take as long as the upstream's, and not count among them */
	login->try.upstream = proof == PROVING_UPSTREAM;
	take_proof(login, proof, why);
}

void course_confirmed(struct login *login)
{
	exchange_clear(&login->exchange);
	find_secret(login);
}

void login_checked(struct login *login, enum message_verdict verdict)
{
	const char *why = NULL;
	enum proving proof;

	if (login->state != LOGIN_PROVING)
		return;
	proof = proving_end(login, verdict, &why);
	take_proof(login, proof, why);
}

void login_fetched(struct login *login, const struct message_fetched *fetched)
{
	struct message message = {.type = MESSAGE_FETCHED, .u.fetched = *fetched};

	message.u.fetched.id = login->id;
	login->serial = fetched->serial;
	login->tokenless = false;
	if (login->state != LOGIN_FETCHING) {
		if (login->report != NULL)
			(void)channel_send(login->report, &message, NULL);
	} else if (secret_set(&login->secret, fetched->secret.data, fetched->secret.size) != 0) {
		login_refuse_for(login, POPGATE_TEMP, "out of memory");
	} else {
		take_secret(login, (enum popgate_secret_kind)fetched->secret_kind, fetched->expires);
	}
}

/* To fronts and sessions: what the client is told of a credential that is not to be had. It has proved itself. */
static unsigned refusal_of_fetch(const struct login *login, uint32_t status)
{
	if (status == POPGATE_AUTH) /* there is a token, and it is refused */
		return POPGATE_PERM;
	return status == POPGATE_PERM && login->source->kind == CONF_SOURCE_OAUTH ? REFUSAL_TOKEN : status;
}

void login_not_fetched(struct login *login, const struct message_refused *refused)
{
	const unsigned refusal = refusal_of_fetch(login, refused->status);
	struct message message = {.type = MESSAGE_REFUSED, .u.refused = *refused};

	message.u.refused.id = login->id;
	message.u.refused.status = refusal;
	login->tokenless = refusal == REFUSAL_TOKEN;
	if (login->state == LOGIN_FETCHING)
		login_refuse(login, refusal, (const char *)refused->text.data, refused->text.size);
	else if (login->report != NULL)
		(void)channel_send(login->report, &message, NULL);
}

/* The drop that was kept is not for this credential, or of no use any more. Nobody has read or written the client's
 * stream. */
static void open_anew(struct login *login)
{
	login->reopening = login->trial = false;
	login->anew = true;
	channel_free(&login->report);
	open_session(login);
}
