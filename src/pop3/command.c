/* command - see command.h. Pure. */
#include "pop3/command.h"

#include <string.h>

#include "common/number.h"
#include "common/text.h"

#define BOTH	   (COMMAND_AUTHORIZATION | COMMAND_TRANSACTION)
#define CREDENTIAL (COMMAND_AUTHORIZATION | COMMAND_NEEDS_TLS)

static const struct command commands[] = {
    {"APOP", VERB_APOP, COMMAND_AUTHORIZATION, ARGUMENTS_TEXT},
    {"AUTH", VERB_AUTH, COMMAND_AUTHORIZATION, ARGUMENTS_OPTIONAL_TEXT},
    {"CAPA", VERB_CAPA, BOTH, ARGUMENTS_NONE},
    {"DELE", VERB_DELE, COMMAND_TRANSACTION, ARGUMENTS_MESSAGE},
    {"LANG", VERB_LANG, BOTH, ARGUMENTS_OPTIONAL_TEXT},
    {"LIST", VERB_LIST, COMMAND_TRANSACTION, ARGUMENTS_OPTIONAL_MESSAGE},
    {"NOOP", VERB_NOOP, COMMAND_TRANSACTION, ARGUMENTS_NONE},
    {"PASS", VERB_PASS, CREDENTIAL, ARGUMENTS_TEXT},
    {"QUIT", VERB_QUIT, BOTH, ARGUMENTS_NONE},
    {"RETR", VERB_RETR, COMMAND_TRANSACTION, ARGUMENTS_MESSAGE},
    {"RSET", VERB_RSET, COMMAND_TRANSACTION, ARGUMENTS_NONE},
    {"STAT", VERB_STAT, COMMAND_TRANSACTION, ARGUMENTS_NONE},
    {"STLS", VERB_STLS, COMMAND_AUTHORIZATION, ARGUMENTS_NONE},
    {"TOP", VERB_TOP, COMMAND_TRANSACTION, ARGUMENTS_MESSAGE_AND_LINES},
    {"UIDL", VERB_UIDL, COMMAND_TRANSACTION, ARGUMENTS_OPTIONAL_MESSAGE},
    {"USER", VERB_USER, CREDENTIAL, ARGUMENTS_TEXT},
    {"UTF8", VERB_UTF8, COMMAND_AUTHORIZATION, ARGUMENTS_NONE},
};

static const struct command *find(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (text_same_case(name, size, commands[i].name))
			return &commands[i];
	return NULL;
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

/* A decimal word; *at_r moves behind it. */
static const char *word(const char **at_r, size_t *size_r)
{
	const char *start = skip_blanks(*at_r);

	*size_r = strcspn(start, " ");
	*at_r = start + *size_r;
	return start;
}

static int parse_message(const char **at_r, struct command_call *call)
{
	size_t size;
	const char *text = word(at_r, &size);
	uint64_t number;

	if (number_parse(text, size, UINT32_MAX, &number) != 0 || number == 0)
		return -1;
	call->message = number;
	call->has_message = true;
	return 0;
}

static int parse_lines(const char **at_r, struct command_call *call)
{
	size_t size;
	const char *text = word(at_r, &size);
	uint64_t number;

	if (size == 0 || strspn(text, "0123456789") < size)
		return -1;
	if (number_parse(text, size, INT64_MAX, &number) != 0)
		number = INT64_MAX;
	call->lines = (int64_t)number;
	return 0;
}

static int parse_text(const char *at, const char *end, bool optional, struct command_call *call)
{
	if (at < end) /* the one blank after the keyword */
		at++;
	if (at == end)
		return optional ? 0 : -1;
	call->text = at;
	call->text_size = (size_t)(end - at);
	return 0;
}

static int parse_arguments(const char *at, const char *end, struct command_call *call)
{
	bool nothing = *skip_blanks(at) == '\0';

	switch (call->command->arguments) {
	case ARGUMENTS_TEXT:
		return parse_text(at, end, false, call);
	case ARGUMENTS_OPTIONAL_TEXT:
		return parse_text(at, end, true, call);
	case ARGUMENTS_NONE:
		break;
	case ARGUMENTS_OPTIONAL_MESSAGE:
		if (!nothing && parse_message(&at, call) != 0)
			return -1;
		break;
	case ARGUMENTS_MESSAGE:
		if (parse_message(&at, call) != 0)
			return -1;
		break;
	case ARGUMENTS_MESSAGE_AND_LINES:
		if (parse_message(&at, call) != 0 || parse_lines(&at, call) != 0)
			return -1;
		break;
	}
	return *skip_blanks(at) == '\0' ? 0 : -1;
}

enum command_result command_parse(const char *line, size_t size, unsigned state, struct command_call *call_r)
{
	size_t keyword = strcspn(line, " ");
	struct command_call call = {.command = find(line, keyword)};

	if (call.command == NULL)
		return COMMAND_UNKNOWN;
	if ((call.command->flags & state) == 0) {
		*call_r = call;
		return COMMAND_WRONG_STATE;
	}
	if (memchr(line, '\r', size) != NULL || parse_arguments(line + keyword, line + size, &call) != 0) {
		*call_r = call;
		return COMMAND_BAD_ARGUMENTS;
	}
	*call_r = call;
	return COMMAND_OK;
}
