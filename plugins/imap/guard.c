/* guard - a state machine over what an IMAP server sends (RFC 3501, section 9).
 *
 * It follows responses only as far as it takes to know where literals,
 * quoted strings and numbers stand, and is stricter than the grammar where
 * libetpan is laxer: a tab, an open quote at a line's end or a brace that
 * begins no literal are refused, since the two would then disagree on what
 * is data and what is protocol.
 *
 * Never allocates, never reads, never blocks. Runs in a session process.
 */
#include "guard.h"

#include <string.h>

static const char *const texts[] = {
    [GUARD_FINE] = "fine",
    [GUARD_BAD_LITERAL] = "malformed literal",
    [GUARD_LONG_LITERAL] = "literal over the limit",
    [GUARD_LONG_LINE] = "line over the limit",
    [GUARD_DEEP] = "parentheses nested too deep",
    [GUARD_BIG_NUMBER] = "number over 32 bits",
    [GUARD_BAD_FLAGS] = "malformed list of flags",
    [GUARD_BAD_SYNTAX] = "malformed response",
    [GUARD_TOO_MUCH] = "more octets than the command may bring",
    [GUARD_TOO_MANY] = "more lines than the command may bring",
};

/* After these words a number is used by us, and wrapped by libetpan. */
static const char *const number_words[] = {"*", "UID", "UIDVALIDITY", "UIDNEXT", "UNSEEN", "SEARCH", NULL};

static const char *const status_words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH", NULL};

static bool word_in(const char *word, const char *const *table)
{
	for (; *table != NULL; table++)
		if (strcmp(word, *table) == 0)
			return true;
	return false;
}

static void begin_response(struct guard *g)
{
	g->state = GUARD_AT_START;
	g->depth = 0;
	g->tokens = 0;
	g->length = 0;
	g->line = 0;
	g->origin = false;
	g->word[0] = '\0';
}

void guard_init(struct guard *g)
{
	memset(g, 0, sizeof(*g));
	begin_response(g);
}

void guard_command(struct guard *g, const struct guard_limits *limits)
{
	g->limits = *limits;
	g->octets = 0;
	g->lines = 0;
}

const char *guard_text(enum guard_verdict verdict)
{
	return texts[verdict];
}

static bool is_atom_char(unsigned char c)
{
	return c > 0x20 && c != 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

/* One more octet of a token. */
static void extend(struct guard *g, unsigned char c)
{
	if (g->length == 0) {
		g->digits = true;
		g->number = 0;
	}
	if (c >= '0' && c <= '9') {
		unsigned digit = c - '0';

		g->number = g->number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : g->number * 10 + digit;
	} else {
		g->digits = false;
	}
	if (g->length < GUARD_WORD_MAX - 1)
		g->token[g->length] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	g->length++;
}

/* The token, if there is one, has ended. */
static enum guard_verdict finish(struct guard *g)
{
	bool origin = g->origin;

	g->origin = false;
	if (g->length == 0)
		return GUARD_FINE;
	if (g->digits && g->tokens > 0) {
		if (g->number > UINT32_MAX && (origin || word_in(g->word, number_words)))
			return GUARD_BIG_NUMBER;
	} else {
		size_t length = g->length < GUARD_WORD_MAX - 1 ? g->length : GUARD_WORD_MAX - 1;

		memcpy(g->word, g->token, length);
		g->word[length] = '\0';
	}
	g->tokens++;
	g->length = 0;
	return GUARD_FINE;
}

static enum guard_verdict end_line(struct guard *g)
{
	enum guard_verdict verdict = finish(g);

	begin_response(g);
	return verdict;
}

/* The second token says whether the rest is free text. A first token other than "*" is a tag. */
static enum guard_verdict classify(struct guard *g, bool tagged)
{
	if (word_in(g->word, status_words))
		g->state = GUARD_IN_STATUS;
	else if (tagged)
		return GUARD_BAD_SYNTAX;
	return GUARD_FINE;
}

static enum guard_verdict at_start(struct guard *g, unsigned char c)
{
	if (c == '\n') {
		begin_response(g);
		return GUARD_FINE;
	}
	if (c == '\r')
		return GUARD_FINE;
	if (c <= 0x20)
		return GUARD_BAD_SYNTAX;
	g->state = c == '+' ? GUARD_IN_STATUS : GUARD_IN_DATA;
	if (c != '+')
		extend(g, c);
	return GUARD_FINE;
}

static void begin_literal(struct guard *g)
{
	/* "BODY[]" or "BODY[TEXT]<0>" right before the brace */
	g->body = g->limits.body > 0 && strncmp(g->word, "BODY[", 5) == 0;
	g->literal = 0;
	g->size_begun = false;
	g->state = GUARD_IN_SIZE;
}

static enum guard_verdict open_parenthesis(struct guard *g)
{
	if (++g->depth > GUARD_DEPTH_MAX)
		return GUARD_DEEP;
	if (g->state == GUARD_IN_CODE && strcmp(g->word, "PERMANENTFLAGS") == 0) {
		g->state = GUARD_IN_FLAGS;
		g->flags_begun = false;
	}
	return GUARD_FINE;
}

/* A delimiter in data or in a response code; the token before it is finished. */
static enum guard_verdict delimiter(struct guard *g, unsigned char c)
{
	switch (c) {
	case '(':
		return open_parenthesis(g);
	case ')':
		g->depth -= g->depth > 0;
		return GUARD_FINE;
	case '"':
		g->quoted_in = g->state;
		g->state = GUARD_IN_QUOTED;
		return GUARD_FINE;
	case '{':
		if (g->state == GUARD_IN_CODE)
			return GUARD_BAD_LITERAL;
		begin_literal(g);
		return GUARD_FINE;
	case '<':
		g->origin = true;
		return GUARD_FINE;
	case ']':
		g->state = GUARD_IN_TEXT;
		return GUARD_FINE;
	default: /* SP, CR, ">" */
		return GUARD_FINE;
	}
}

static bool is_delimiter(const struct guard *g, unsigned char c)
{
	return strchr(" \r()\"{<>", c) != NULL || (c == ']' && g->state == GUARD_IN_CODE);
}

static enum guard_verdict in_data(struct guard *g, unsigned char c)
{
	enum guard_verdict verdict;
	unsigned tokens = g->tokens;

	if (c == '\n')
		return g->tokens == 0 ? GUARD_BAD_SYNTAX : end_line(g);
	if (c < 0x20 && c != '\r')
		return GUARD_BAD_SYNTAX;
	if (!is_delimiter(g, c)) {
		extend(g, c);
		return GUARD_FINE;
	}
	if (g->state == GUARD_IN_DATA && tokens == 0 && c != ' ')
		return GUARD_BAD_SYNTAX;
	/* "*" and the tag are tokens: remember which it was before the second one replaces the word */
	bool tagged = tokens == 1 && strcmp(g->word, "*") != 0;
	verdict = finish(g);
	if (verdict == GUARD_FINE && g->state == GUARD_IN_DATA && tokens == 1 && g->tokens == 2)
		verdict = classify(g, tagged);
	if (verdict != GUARD_FINE || g->state == GUARD_IN_STATUS)
		return verdict;
	return delimiter(g, c);
}

static enum guard_verdict in_quoted(struct guard *g, unsigned char c)
{
	if (c == '\0' || c == '\r' || c == '\n')
		return GUARD_BAD_SYNTAX;
	if (g->state == GUARD_IN_ESCAPE)
		g->state = GUARD_IN_QUOTED;
	else if (c == '\\')
		g->state = GUARD_IN_ESCAPE;
	else if (c == '"')
		g->state = g->quoted_in;
	return GUARD_FINE;
}

static enum guard_verdict in_status(struct guard *g, unsigned char c)
{
	if (c == '\n')
		return end_line(g);
	if (c == '\0')
		return GUARD_BAD_SYNTAX;
	if (c == '[')
		g->state = GUARD_IN_CODE;
	else if (c != ' ')
		g->state = GUARD_IN_TEXT;
	return GUARD_FINE;
}

/* libetpan walks a NULL list when the first flag does not parse and no parenthesis follows. */
static enum guard_verdict in_flags(struct guard *g, unsigned char c)
{
	if (g->state == GUARD_IN_FLAG_ESCAPE) {
		g->state = GUARD_IN_FLAGS;
		g->flags_begun = true;
		return c == '*' || is_atom_char(c) ? GUARD_FINE : GUARD_BAD_FLAGS;
	}
	if (c == '\\') {
		g->state = GUARD_IN_FLAG_ESCAPE;
	} else if (c == ')') {
		g->depth--;
		g->state = GUARD_IN_CODE;
	} else if (c != ' ') {
		if (c < 0x20 || (!g->flags_begun && !is_atom_char(c)))
			return GUARD_BAD_FLAGS;
		g->flags_begun = true;
	}
	return GUARD_FINE;
}

static enum guard_verdict in_text(struct guard *g, unsigned char c)
{
	if (c == '\n')
		return end_line(g);
	return c == '\0' ? GUARD_BAD_SYNTAX : GUARD_FINE;
}

static enum guard_verdict in_size(struct guard *g, unsigned char c)
{
	if (c == '}') {
		g->state = GUARD_AFTER_SIZE;
		return g->size_begun ? GUARD_FINE : GUARD_BAD_LITERAL;
	}
	if (c < '0' || c > '9')
		return GUARD_BAD_LITERAL;
	g->size_begun = true;
	g->literal = g->literal * 10 + (c - '0');
	if (g->literal > (g->body ? g->limits.body : GUARD_LITERAL_MAX) || g->literal > UINT32_MAX)
		return GUARD_LONG_LITERAL;
	return GUARD_FINE;
}

/* Exactly CRLF: libetpan takes what stands here for the literal's first octets. */
static enum guard_verdict after_size(struct guard *g, unsigned char c)
{
	if (c == '\r' && g->size_begun) {
		g->size_begun = false;
		return GUARD_FINE;
	}
	if (c != '\n' || g->size_begun)
		return GUARD_BAD_LITERAL;
	g->state = g->literal > 0 ? GUARD_IN_LITERAL : GUARD_IN_DATA;
	g->line = 0;
	return GUARD_FINE;
}

static enum guard_verdict step(struct guard *g, unsigned char c)
{
	switch (g->state) {
	case GUARD_AT_START:
		return at_start(g, c);
	case GUARD_IN_DATA:
	case GUARD_IN_CODE:
		return in_data(g, c);
	case GUARD_IN_QUOTED:
	case GUARD_IN_ESCAPE:
		return in_quoted(g, c);
	case GUARD_IN_STATUS:
		return in_status(g, c);
	case GUARD_IN_FLAGS:
	case GUARD_IN_FLAG_ESCAPE:
		return in_flags(g, c);
	case GUARD_IN_TEXT:
		return in_text(g, c);
	case GUARD_IN_SIZE:
		return in_size(g, c);
	case GUARD_AFTER_SIZE:
		return after_size(g, c);
	case GUARD_IN_LITERAL:
		break; /* skipped by guard_feed */
	}
	return GUARD_BAD_SYNTAX;
}

static enum guard_verdict count(struct guard *g, size_t octets, unsigned char c)
{
	g->octets += octets;
	if (g->octets > g->limits.octets)
		return GUARD_TOO_MUCH;
	if (c == '\n' && ++g->lines > g->limits.lines)
		return GUARD_TOO_MANY;
	return GUARD_FINE;
}

/* As much of the literal as is there. */
static size_t skip_literal(struct guard *g, size_t size)
{
	size_t n = g->literal < size ? (size_t)g->literal : size;

	g->literal -= n;
	if (!g->body)
		g->verdict = count(g, n, 0);
	if (g->literal == 0)
		g->state = GUARD_IN_DATA;
	return n;
}

enum guard_verdict guard_feed(struct guard *g, const void *data, size_t size)
{
	const unsigned char *octets = data;
	size_t i = 0;

	while (i < size && g->verdict == GUARD_FINE) {
		if (g->state == GUARD_IN_LITERAL) {
			i += skip_literal(g, size - i);
			continue;
		}
		g->verdict = count(g, 1, octets[i]);
		if (g->verdict == GUARD_FINE && ++g->line > GUARD_LINE_MAX)
			g->verdict = GUARD_LONG_LINE;
		if (g->verdict == GUARD_FINE)
			g->verdict = step(g, octets[i]);
		i++;
	}
	return g->verdict;
}
