/* commands - see commands.h. Each handler writes its whole reply, or tears it
 * and says so; none reads from the client. */
#include "session/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/deadline.h"
#include "common/message.h"
#include "pop3/authorization.h"
#include "pop3/capability.h"
#include "pop3/language.h"
#include "pop3/line.h"
#include "session/body.h"
#include "session/keep.h"

#define COMMIT_EACH 10 /* milliseconds that each message adds to the commit's deadline */

typedef enum command_event handler_fn(struct popgate_session *session, const struct command_call *call);

static enum command_event no_such_message(struct popgate_session *session)
{
	output_line(&session->output, "-ERR no such message");
	return COMMAND_REPLIED;
}

/* ---- listings ---- */

static enum command_event handle_stat(struct popgate_session *session, const struct command_call *call)
{
	const struct maildrop *maildrop = &session->maildrop;

	(void)call;
	output_line(&session->output, "+OK %zu %llu", maildrop->count - maildrop->deleted,
		    (unsigned long long)maildrop->octets);
	return COMMAND_REPLIED;
}

typedef void scan_fn(struct popgate_session *session, const char *prefix, const struct maildrop_entry *entry);

static size_t number_of(const struct popgate_session *session, const struct maildrop_entry *entry)
{
	return (size_t)(entry - session->maildrop.entries) + 1;
}

static void scan_size(struct popgate_session *session, const char *prefix, const struct maildrop_entry *entry)
{
	output_line(&session->output, "%s%zu %llu", prefix, number_of(session, entry),
		    (unsigned long long)entry->octets);
}

static void scan_id(struct popgate_session *session, const char *prefix, const struct maildrop_entry *entry)
{
	output_line(&session->output, "%s%zu %s", prefix, number_of(session, entry),
		    maildrop_id(&session->maildrop, entry));
}

static enum command_event scan(struct popgate_session *session, const struct command_call *call, scan_fn *line)
{
	struct maildrop *maildrop = &session->maildrop;

	if (call->has_message) {
		const struct maildrop_entry *entry = maildrop_find(maildrop, call->message);

		if (entry == NULL)
			return no_such_message(session);
		line(session, "+OK ", entry);
		return COMMAND_REPLIED;
	}
	output_line(&session->output, "+OK %zu messages", maildrop->count - maildrop->deleted);
	session->output.inside = true;
	for (size_t i = 0; i < maildrop->count; i++)
		if (!maildrop->entries[i].deleted)
			line(session, "", &maildrop->entries[i]);
	output_line(&session->output, ".");
	session->output.inside = false;
	return COMMAND_REPLIED;
}

static enum command_event handle_list(struct popgate_session *session, const struct command_call *call)
{
	return scan(session, call, scan_size);
}

static enum command_event handle_uidl(struct popgate_session *session, const struct command_call *call)
{
	return scan(session, call, scan_id);
}

/* ---- messages ---- */

/* A message on its way from the plugin to the client. */
struct delivery {
	struct popgate_session *session;
	const struct maildrop_entry *entry;
	struct body body;
	bool begun; /* "+OK" has been written, behind the mark */
	uint64_t mark;
};

static int emit(void *context, const char *data, size_t size)
{
	struct delivery *delivery = context;

	delivery->session->counts.octets += size;
	return output_write(&delivery->session->output, data, size);
}

/* "+OK" is written with the first octet: until then, and as long as it has not left the buffer, a
 * failure is a plain -ERR. */
static void begin_delivery(struct delivery *delivery)
{
	if (delivery->begun)
		return;
	delivery->begun = true;
	delivery->mark = output_mark(&delivery->session->output);
	output_line(&delivery->session->output, "+OK %llu octets", (unsigned long long)delivery->entry->octets);
	delivery->session->output.inside = true;
	delivery->session->shown = deadline_in(HOST_SHOWN_AFTER);
}

static int take_octets(void *context, const void *data, size_t size)
{
	struct delivery *delivery = context;

	if (size == 0)
		return 0;
	begin_delivery(delivery);
	watchdog_arm(host_patience(delivery->session));
	return body_feed(&delivery->body, data, size, emit, delivery);
}

/* What the client is told of one message that did not come. Without a token nothing does any more, whatever the plugin
 * makes of it. */
static const char *refusal_of_message(const struct popgate_session *session, enum popgate_status status)
{
	if (session->tokenless && (status == POPGATE_AUTH || status == POPGATE_TEMP || status == POPGATE_PERM))
		return authorization_refusal(REFUSAL_TOKEN);
	if (status == POPGATE_PERM)
		return "[SYS/PERM] this message cannot be delivered, ask the administrator";
	return authorization_refusal(status);
}

static enum command_event fail_delivery(struct delivery *delivery, struct popgate_error *error)
{
	struct popgate_session *session = delivery->session;
	struct log_line line;

	host_bound_error(error);
	log_begin(&line, error->status == POPGATE_STOPPED ? POPGATE_LOG_DEBUG : POPGATE_LOG_WARN, "fetch_failed", NULL);
	log_number(&line, "message", number_of(session, delivery->entry));
	log_text(&line, "uidl", maildrop_id(&session->maildrop, delivery->entry));
	log_text(&line, "msg", error->text);
	log_end(&line);
	if (delivery->begun && output_rewind(&session->output, delivery->mark) != 0)
		return COMMAND_CUT;
	session->output.inside = false;
	session->dead = session->dead || error->status == POPGATE_PROTOCOL;
	session->ahead = session->ahead && !session->dead; /* a dead drop gets no hint of a pause either */
	output_line(&session->output, "-ERR %s", refusal_of_message(session, error->status));
	return COMMAND_REPLIED;
}

/* Whether the client has sent the same command for the message that comes next. */
static bool follows(const struct popgate_session *session, const struct command_call *call)
{
	size_t next = pattern_skip(&session->maildrop, (size_t)call->message);
	const char *end = memchr(session->waiting, '\n', session->waiting_size);
	struct command_call other;
	char line[LINE_COMMAND_MAX];
	size_t size;

	if (end == NULL || (size = (size_t)(end - session->waiting)) >= sizeof(line))
		return false;
	size -= size > 0 && end[-1] == '\r';
	memcpy(line, session->waiting, size);
	line[size] = '\0';
	return command_parse(line, size, COMMAND_TRANSACTION, &other) == COMMAND_OK && other.command == call->command &&
	       other.message == next + 1;
}

static bool can_prefetch(const struct popgate_session *session)
{
	return (session->offers & POPGATE_CAN_PREFETCH) != 0 && session->conf->limits.read_ahead > 0;
}

/* Tells the plugin what comes next, when the client's way of reading says so. */
static void hint(struct popgate_session *session, const struct command_call *call, int64_t lines)
{
	size_t messages[PATTERN_NEXT], count, message = (size_t)(call->message - 1);

	if (!can_prefetch(session) ||
	    !pattern_note(&session->pattern, &session->maildrop, message, lines, follows(session, call), &lines))
		return;
	count = pattern_list(&session->maildrop, message, messages);
	if (count < 2 && !session->ahead)
		return;
	session->ahead = true;
	session->plugin->plugin->prefetch(session->drop, messages, count, lines, session->conf->limits.read_ahead);
}

void commands_pause(struct popgate_session *session)
{
	session->ahead = false;
	session->plugin->plugin->prefetch(session->drop, NULL, 0, POPGATE_WHOLE, session->conf->limits.read_ahead);
}

/* Where a plugin lists exact sizes, a whole message that has another is not the one that was listed. */
static int check_size(const struct delivery *delivery, int64_t lines, struct popgate_error *error)
{
	uint64_t octets = body_octets(&delivery->body);

	if (lines != POPGATE_WHOLE || (delivery->session->offers & POPGATE_EXACT_SIZE) == 0 ||
	    octets == delivery->entry->octets)
		return 0;
	error->status = POPGATE_PROTOCOL;
	snprintf(error->text, sizeof(error->text), "the message has %llu octets, and was listed with %llu",
		 (unsigned long long)octets, (unsigned long long)delivery->entry->octets);
	return -1;
}

static enum command_event deliver(struct popgate_session *session, const struct command_call *call, int64_t lines)
{
	const struct conf_limits *limits = &session->conf->limits;
	struct delivery delivery = {.session = session, .entry = maildrop_find(&session->maildrop, call->message)};
	const struct popgate_sink sink = {.write = take_octets, .context = &delivery};
	const struct popgate_pace pace = {.window = limits->fetch_window, .octets = limits->fetch_minimum};
	struct popgate_error error = {.status = POPGATE_TEMP};

	if (delivery.entry == NULL)
		return no_such_message(session);
	if (session->allowance > 0 && output_mark(&session->output) >= session->allowance) {
		output_line(&session->output, "-ERR %s", authorization_refusal(REFUSAL_OCTETS));
		return COMMAND_REPLIED;
	}
	body_init(&delivery.body, lines == POPGATE_WHOLE ? INT64_MAX : lines);
	hint(session, call, lines);
	if (session->plugin->plugin->fetch(session->drop, (size_t)(call->message - 1), lines, &sink, &pace, &error) !=
		0 ||
	    check_size(&delivery, lines, &error) != 0)
		return fail_delivery(&delivery, &error);
	begin_delivery(&delivery);
	body_finish(&delivery.body, emit, &delivery);
	session->output.inside = false;
	return COMMAND_REPLIED;
}

static enum command_event handle_retr(struct popgate_session *session, const struct command_call *call)
{
	enum command_event event = deliver(session, call, POPGATE_WHOLE);

	session->counts.retrieved++;
	return event;
}

static enum command_event handle_top(struct popgate_session *session, const struct command_call *call)
{
	session->counts.tops++;
	return deliver(session, call, call->lines);
}

static enum command_event handle_dele(struct popgate_session *session, const struct command_call *call)
{
	struct maildrop_entry *entry = maildrop_find(&session->maildrop, call->message);

	if (entry == NULL)
		return no_such_message(session);
	maildrop_delete(&session->maildrop, entry);
	output_line(&session->output, "+OK message %llu deleted", (unsigned long long)call->message);
	return COMMAND_REPLIED;
}

static enum command_event handle_rset(struct popgate_session *session, const struct command_call *call)
{
	(void)call;
	maildrop_restore(&session->maildrop);
	return handle_stat(session, call);
}

static enum command_event handle_noop(struct popgate_session *session, const struct command_call *call)
{
	(void)call;
	output_line(&session->output, "+OK");
	return COMMAND_REPLIED;
}

static enum command_event handle_capa(struct popgate_session *session, const struct command_call *call)
{
	const struct capability_facts facts = {
	    .transaction = true, .delays = session->delays, .login_delay = session->login_delay};
	char reply[CAPABILITY_REPLY_MAX];

	(void)call;
	output_write(&session->output, reply, capability_reply(&facts, reply));
	return COMMAND_REPLIED;
}

static enum command_event handle_lang(struct popgate_session *session, const struct command_call *call)
{
	char reply[LANGUAGE_REPLY_MAX];

	output_write(&session->output, reply, language_reply(call->text, reply));
	return COMMAND_REPLIED;
}

/* ---- UPDATE ---- */

/* Has the plugin remove what is marked. Returns how many are confirmed gone. */
static size_t commit(struct popgate_session *session, size_t *numbers, unsigned char *gone)
{
	struct maildrop *maildrop = &session->maildrop;
	struct popgate_error error = {.status = POPGATE_TEMP};
	int64_t time = session->conf->limits.commit_timeout + (int64_t)maildrop->deleted * COMMIT_EACH;
	size_t count = 0, removed = 0;

	for (size_t i = 0; i < maildrop->count; i++)
		if (maildrop->entries[i].deleted)
			numbers[count++] = i;
	watchdog_arm(time);
	if (session->plugin->plugin->commit(session->drop, numbers, count, gone, deadline_in(time), &error) != 0) {
		struct log_line line;

		host_bound_error(&error);
		log_begin(&line, POPGATE_LOG_WARN, "commit_failed", NULL);
		log_number(&line, "wanted", count);
		log_text(&line, "msg", error.text);
		log_end(&line);
	}
	for (size_t i = 0; i < count; i++)
		removed += gone[i] == 1;
	return removed;
}

static bool update(struct popgate_session *session)
{
	size_t wanted = session->maildrop.deleted, removed = 0;
	size_t *numbers = calloc(wanted, sizeof(*numbers));
	unsigned char *gone = calloc(wanted, 1);

	if (numbers != NULL && gone != NULL && !session->dead) {
		session->updating = true;
		phase_set(session->output.page, PHASE_UPDATING);
		removed = commit(session, numbers, gone);
		session->counts.deleted = removed;
	}
	free(numbers);
	free(gone);
	return removed == wanted;
}

/* The lock is free before the reply leaves (a client may log in again at once). */
static enum command_event handle_quit(struct popgate_session *session, const struct command_call *call)
{
	size_t wanted = session->maildrop.deleted;
	bool whole = true;

	(void)call;
	if (wanted > 0) {
		(void)output_flush(&session->output); /* the client may have gone: QUIT was received */
		whole = update(session);
	}
	if (!whole || keep_offer(session) != 0) {
		session->plugin->plugin->close(session->drop);
		session->drop = NULL;
	}
	lock_release(&session->lock);
	keep_end(session); /* who comes back at once is not one session too many */
	if (whole) {
		output_line(&session->output, wanted > 0 ? "+OK goodbye, %zu messages removed" : "+OK goodbye", wanted);
		return COMMAND_QUIT_DONE;
	}
	output_line(&session->output, "-ERR [SYS/%s] %llu of %zu messages are known to be removed",
		    session->tokenless ? "PERM" : "TEMP", (unsigned long long)session->counts.deleted, wanted);
	return COMMAND_QUIT_FAILED;
}

static handler_fn *const handlers[VERB_COUNT] = {
    [VERB_CAPA] = handle_capa, [VERB_DELE] = handle_dele, [VERB_LANG] = handle_lang, [VERB_LIST] = handle_list,
    [VERB_NOOP] = handle_noop, [VERB_QUIT] = handle_quit, [VERB_RETR] = handle_retr, [VERB_RSET] = handle_rset,
    [VERB_STAT] = handle_stat, [VERB_TOP] = handle_top,	  [VERB_UIDL] = handle_uidl,
};

enum command_event commands_run(struct popgate_session *session, const struct command_call *call)
{
	if (session->dead && call->command->verb != VERB_QUIT) {
		output_line(&session->output, "-ERR %s", authorization_refusal(POPGATE_PROTOCOL));
		return COMMAND_REPLIED;
	}
	return handlers[call->command->verb](session, call);
}
