/* guard - a state machine over what an IMAP server sends (RFC 3501, section 9).
 *
 * It follows responses only as far as it takes to know where literals,
 * quoted strings and numbers stand, and is stricter than the grammar where
 * libetpan is laxer: a tab, an open quote at a line's end or a brace that
 * begins no literal are refused, since the two would then disagree on what
 * is data and what is protocol.
 *
 * Of responses and codes that are not named below only the name stays: the
 * rest is overwritten in place, so that libetpan's parsers for them find
 * nothing to begin with, and the line ends where it did.
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
    [GUARD_BAD_SYNTAX] = "malformed response",
    [GUARD_TOO_MUCH] = "more octets than the command may bring",
    [GUARD_TOO_MANY] = "more lines than the command may bring",
    [GUARD_MANY_BODIES] = "more message bodies than were asked for",
};

/* After these words a number is used by us, and wrapped by libetpan. */
static const char *const number_words[] = {"*", "UID", "UIDVALIDITY", "UIDNEXT", "UNSEEN", "SEARCH", NULL};

static const char *const status_words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH", NULL};

/* What libetpan reads for us. */
static const char *const data_words[] = {"CAPABILITY", "EXISTS", "EXPUNGE", "FETCH", "SEARCH", NULL};
static const char *const folder_words[] = {"LIST", "XLIST", NULL};
static const char *const code_words[] = {"CAPABILITY", "READ-ONLY", "READ-WRITE", "UIDVALIDITY", NULL};

/* libetpan copies the text after these, and crashes where there is none: it must not see their bracket. */
static const char *const text_codes[] = {"ALERT", "PARSE", NULL};

/* What may bring a literal that goes to the sink. */
static const char *const body_words[] = {"BODY[]", "BODY[HEADER]", "BODY[TEXT]", NULL};

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
	g->classified = false;
	g->hidden = false;
	g->word[0] = '\0';
}

void guard_init(struct guard *g, const struct guard_bounds *bounds)
{
	memset(g, 0, sizeof(*g));
	g->bounds = *bounds;
	begin_response(g);
}

void guard_command(struct guard *g, const struct guard_limits *limits)
{
	g->limits = *limits;
	g->octets = 0;
	g->lines = 0;
	g->bodies = 0;
}

void guard_another(struct guard *g, const struct guard_limits *limits)
{
	g->limits.octets += limits->octets;
	g->limits.lines += limits->lines;
	g->limits.bodies += limits->bodies;
	g->limits.folders = g->limits.folders || limits->folders;
	if (g->limits.body < limits->body)
		g->limits.body = limits->body;
}

const char *guard_text(enum guard_verdict verdict)
{
	return texts[verdict];
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

static bool begins_with_digit(const struct guard *g)
{
	return g->token[0] >= '0' && g->token[0] <= '9';
}

/* A word, a list or a string: what libetpan makes of it takes memory. */
static enum guard_verdict charge(struct guard *g)
{
	g->octets += GUARD_WORD_COST;
	return g->octets > g->limits.octets ? GUARD_TOO_MUCH : GUARD_FINE;
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
	} else if (begins_with_digit(g) && word_in(g->word, number_words)) {
		return GUARD_BAD_SYNTAX; /* libetpan would read a number and another word */
	} else {
		size_t length = g->length < GUARD_WORD_MAX - 1 ? g->length : GUARD_WORD_MAX - 1;

		memcpy(g->word, g->token, length);
		g->word[length] = '\0';
	}
	g->tokens++;
	g->length = 0;
	return charge(g);
}

static enum guard_verdict end_line(struct guard *g)
{
	enum guard_verdict verdict = finish(g);

	begin_response(g);
	return verdict;
}

/* The token after the tag, or after "*" and a number, names the response. */
static enum guard_verdict classify(struct guard *g, bool tagged)
{
	if (word_in(g->word, status_words)) {
		g->state = GUARD_IN_STATUS;
	} else if (tagged) {
		return GUARD_BAD_SYNTAX;
	} else if (strcmp(g->word, "*") != 0) {
		g->classified = true;
		g->hidden = !word_in(g->word, data_words) && !(g->limits.folders && word_in(g->word, folder_words));
	}
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

static enum guard_verdict begin_literal(struct guard *g)
{
	/* "BODY[]" or "BODY[TEXT]<0>" right before the brace, not inside another item's list */
	g->body = g->limits.bodies > 0 && !g->hidden && g->depth == 1 && word_in(g->word, body_words);
	g->word[0] = '\0';
	g->literal = 0;
	g->size_begun = false;
	g->state = GUARD_IN_SIZE;
	if (!g->body)
		return charge(g);
	return ++g->bodies > g->limits.bodies ? GUARD_MANY_BODIES : GUARD_FINE;
}

/* A delimiter in data; the token before it is finished. */
static enum guard_verdict delimiter(struct guard *g, unsigned char c)
{
	switch (c) {
	case '(':
		return ++g->depth > g->bounds.depth ? GUARD_DEEP : charge(g);
	case ')':
		g->depth -= g->depth > 0;
		return GUARD_FINE;
	case '"':
		g->state = GUARD_IN_QUOTED;
		return charge(g);
	case '{':
		return begin_literal(g);
	case '<':
		g->origin = true;
		return GUARD_FINE;
	default: /* SP, CR, ">" */
		return GUARD_FINE;
	}
}

static bool is_delimiter(unsigned char c)
{
	return strchr(" \r()\"{<>", c) != NULL;
}

static enum guard_verdict in_data(struct guard *g, unsigned char *c)
{
	enum guard_verdict verdict;
	unsigned tokens = g->tokens;

	if (*c == '\n')
		return g->tokens == 0 ? GUARD_BAD_SYNTAX : end_line(g);
	if (*c < 0x20 && *c != '\r')
		return GUARD_BAD_SYNTAX;
	if (!is_delimiter(*c)) {
		extend(g, *c);
		return GUARD_FINE;
	}
	if (tokens == 0 && *c != ' ')
		return GUARD_BAD_SYNTAX;
	/* "*" and the tag are tokens: remember which it was before the name replaces the word */
	bool tagged = strcmp(g->word, "*") != 0;
	verdict = finish(g);
	if (verdict == GUARD_FINE && !g->classified && tokens > 0 && g->tokens > tokens)
		verdict = classify(g, tagged);
	if (verdict == GUARD_FINE && g->state != GUARD_IN_STATUS)
		return delimiter(g, *c);
	/* libetpan wants a text, which servers leave out */
	if (*c == '\r')
		*c = ' ';
	return verdict;
}

/* The bracket that ends a response code. */
static void end_code(struct guard *g, unsigned char *c)
{
	if (g->code_bare)
		*c = ':';
	g->state = GUARD_IN_TEXT;
}

/* No code that is read for us holds a list or a string; of the others neither is shown to libetpan. */
static enum guard_verdict in_code(struct guard *g, unsigned char *c)
{
	enum guard_verdict verdict;
	bool token = g->length > 0;

	if (*c == '\n')
		return end_line(g);
	if ((*c < 0x20 && *c != '\r') || *c == '{')
		return *c == '{' ? GUARD_BAD_LITERAL : GUARD_BAD_SYNTAX;
	if (!is_delimiter(*c) && *c != ']') {
		extend(g, *c);
	} else {
		verdict = finish(g);
		if (verdict != GUARD_FINE)
			return verdict;
		if (token && !g->code_named) {
			g->code_named = true;
			g->code_plain = !word_in(g->word, code_words);
			g->code_bare = word_in(g->word, text_codes);
		}
	}
	if (*c == ']')
		end_code(g, c);
	else if (g->code_plain && strchr("()\"\\%*<>", *c) != NULL)
		*c = '_';
	return GUARD_FINE;
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
		g->state = GUARD_IN_DATA;
	return GUARD_FINE;
}

static void begin_code(struct guard *g)
{
	g->state = GUARD_IN_CODE;
	g->code_named = g->code_plain = g->code_bare = false;
}

static enum guard_verdict in_status(struct guard *g, unsigned char c)
{
	if (c == '\n')
		return end_line(g);
	if (c == '\0')
		return GUARD_BAD_SYNTAX;
	if (c == '[')
		begin_code(g);
	else if (c != ' ')
		g->state = GUARD_IN_TEXT;
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
	if (g->literal > (g->body ? g->limits.body : g->bounds.literal) || g->literal > UINT32_MAX)
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

static enum guard_verdict step(struct guard *g, unsigned char *c)
{
	switch (g->state) {
	case GUARD_AT_START:
		return at_start(g, *c);
	case GUARD_IN_DATA:
		return in_data(g, c);
	case GUARD_IN_CODE:
		return in_code(g, c);
	case GUARD_IN_QUOTED:
	case GUARD_IN_ESCAPE:
		return in_quoted(g, *c);
	case GUARD_IN_STATUS:
		return in_status(g, *c);
	case GUARD_IN_TEXT:
		return in_text(g, *c);
	case GUARD_IN_SIZE:
		return in_size(g, *c);
	case GUARD_AFTER_SIZE:
		return after_size(g, *c);
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
static size_t skip_literal(struct guard *g, unsigned char *octets, size_t size)
{
	size_t n = g->literal < size ? (size_t)g->literal : size;

	g->literal -= n;
	if (!g->body)
		g->verdict = count(g, n, 0);
	if (g->hidden)
		memset(octets, 'x', n);
	if (g->literal == 0)
		g->state = GUARD_IN_DATA;
	return n;
}

/* A line end in data is the response's own; any other belongs to a literal, and goes with it. */
static bool ends_response(const struct guard *g, unsigned char c)
{
	return g->state == GUARD_AT_START || (c == '\r' && g->state == GUARD_IN_DATA);
}

enum guard_verdict guard_feed(struct guard *g, void *data, size_t size)
{
	unsigned char *octets = data;
	size_t i = 0;

	while (i < size && g->verdict == GUARD_FINE) {
		if (g->state == GUARD_IN_LITERAL) {
			i += skip_literal(g, octets + i, size - i);
			continue;
		}
		g->verdict = count(g, 1, octets[i]);
		if (g->verdict == GUARD_FINE && ++g->line > g->bounds.line)
			g->verdict = GUARD_LONG_LINE;
		if (g->verdict == GUARD_FINE)
			g->verdict = step(g, &octets[i]);
		if (g->hidden && !ends_response(g, octets[i]))
			octets[i] = 'x';
		i++;
	}
	return g->verdict;
}
