/* guard - goes over a server's octets before libetpan's parser sees them.
 *
 * Pure: no I/O, no allocation. libetpan 1.9.4 wraps numbers, trusts literal
 * sizes and keeps every line of a command in memory: what goes beyond the
 * limits here is refused, and the connection with it. It also crashes on some
 * responses and codes that nobody asked for; what this plugin makes no use of
 * is overwritten, octet for octet, with what every parser passes over.
 */
#ifndef IMAP_GUARD_H
#define IMAP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_WORD_MAX 32u
#define GUARD_WORD_COST                                                                                                \
	16u /* octets that each word, string and parenthesis counts for on top: libetpan makes structures of them */

/* What a connection may bring at all. */
struct guard_bounds {
	uint32_t line;	  /* octets between two line ends, literals left out */
	uint32_t literal; /* octets of a literal that is no message body */
	unsigned depth;	  /* parentheses open at once */
};

/* What one command may bring. */
struct guard_limits {
	uint64_t octets; /* outside body literals, with GUARD_WORD_COST for each word and string */
	uint64_t lines;
	uint64_t body;	 /* the size of one body literal */
	unsigned bodies; /* how many body literals */
	bool folders;	 /* LIST and XLIST are wanted */
};

/* The first thing wrong; GUARD_FINE otherwise. */
enum guard_verdict {
	GUARD_FINE,
	GUARD_BAD_LITERAL,
	GUARD_LONG_LITERAL,
	GUARD_LONG_LINE,
	GUARD_DEEP,
	GUARD_BIG_NUMBER,
	GUARD_BAD_SYNTAX,
	GUARD_TOO_MUCH,
	GUARD_TOO_MANY,
	GUARD_MANY_BODIES
};

enum guard_state {
	GUARD_AT_START, /* before a response's first octet */
	GUARD_IN_DATA,
	GUARD_IN_QUOTED,
	GUARD_IN_ESCAPE,
	GUARD_IN_STATUS, /* after OK, NO, BAD, BYE, PREAUTH or "+" */
	GUARD_IN_CODE,	 /* between the brackets of a status line */
	GUARD_IN_TEXT,
	GUARD_IN_SIZE,	  /* a literal's digits */
	GUARD_AFTER_SIZE, /* its brace is closed, the line is not */
	GUARD_IN_LITERAL
};

/* One connection's state. */
struct guard {
	struct guard_bounds bounds;
	struct guard_limits limits;
	uint64_t octets, lines; /* so far in this command */
	enum guard_state state;
	enum guard_verdict verdict;
	uint64_t literal; /* announced, then what is left of it */
	uint64_t number;  /* of the token, UINT64_MAX when over */
	uint32_t line;
	unsigned depth;
	unsigned bodies; /* body literals so far in this command */
	unsigned tokens; /* finished in this response */
	size_t length;	 /* of the token */
	bool digits;	 /* the token is nothing but digits */
	bool origin;	 /* the token follows "<" */
	bool body;	 /* the literal is a message body */
	bool size_begun;
	bool classified; /* the response's name has come */
	bool hidden;	 /* of this response nobody needs more than its name */
	bool code_named; /* the response code's name has come */
	bool code_plain; /* nobody needs more of the code than its name */
	bool code_bare;	 /* not even its end */
	char token[GUARD_WORD_MAX], word[GUARD_WORD_MAX];
};

/* Makes g fit for a new connection; nothing is allowed before guard_command. */
void guard_init(struct guard *g, const struct guard_bounds *bounds);
/* A command leaves: its limits count from here. */
void guard_command(struct guard *g, const struct guard_limits *limits);
/* One more command leaves while others are under way: its limits come on top. */
void guard_another(struct guard *g, const struct guard_limits *limits);
/* Goes over `size` octets and overwrites what nobody needs. After anything but GUARD_FINE the connection must end, and
 * every further call says the same. */
enum guard_verdict guard_feed(struct guard *g, void *data, size_t size);
/* What a verdict says, for the operator. */
const char *guard_text(enum guard_verdict verdict);

#endif
