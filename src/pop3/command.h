/* command - the one table of POP3 commands, and the parser of a line. Pure.
 *
 * The table says for each command its name, the states it belongs to, whether
 * it carries a credential (and so needs TLS where the listener wants that)
 * and its arguments. What a command does is in the handler arrays, indexed by
 * enum command_verb, of pop3/authorization.c and session/commands.c.
 */
#ifndef POPGATE_POP3_COMMAND_H
#define POPGATE_POP3_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command_verb {
	VERB_APOP,
	VERB_AUTH,
	VERB_CAPA,
	VERB_DELE,
	VERB_LANG,
	VERB_LIST,
	VERB_NOOP,
	VERB_PASS,
	VERB_QUIT,
	VERB_RETR,
	VERB_RSET,
	VERB_STAT,
	VERB_STLS,
	VERB_TOP,
	VERB_UIDL,
	VERB_USER,
	VERB_UTF8,
	VERB_COUNT
};

#define COMMAND_AUTHORIZATION 1u /* state */
#define COMMAND_TRANSACTION   2u /* state */
#define COMMAND_NEEDS_TLS                                                                                              \
	4u /* carries a credential: refused in clear unless the listener allows                                        \
	    * it. AUTH carries one only with an argument: its handler asks. */

enum command_arguments {
	ARGUMENTS_NONE,
	ARGUMENTS_TEXT,		 /* the rest of the line, 1 octet at least, blanks kept */
	ARGUMENTS_OPTIONAL_TEXT, /* the same, or nothing */
	ARGUMENTS_MESSAGE,	 /* a message number */
	ARGUMENTS_OPTIONAL_MESSAGE,
	ARGUMENTS_MESSAGE_AND_LINES
};

struct command {
	const char *name;
	enum command_verb verb;
	unsigned flags;
	enum command_arguments arguments;
};

/* One parsed line. text points into it. */
struct command_call {
	const struct command *command;
	const char *text; /* TEXT: NUL-terminated; NULL: none */
	size_t text_size;
	bool has_message;
	uint64_t message; /* as given: 1..2^32-1 */
	int64_t lines;	  /* TOP; huge counts become INT64_MAX */
};

enum command_result {
	COMMAND_OK,
	COMMAND_UNKNOWN,     /* no such keyword */
	COMMAND_WRONG_STATE, /* known, but not in this state */
	COMMAND_BAD_ARGUMENTS
};

/* Parses a line (without its end, NUL-terminated) in one state. */
enum command_result command_parse(const char *line, size_t size, unsigned state, struct command_call *call_r);

#endif
