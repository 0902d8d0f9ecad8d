/* line - a second, small reader beside libetpan's parser.
 *
 * libetpan hands over a message's octets before the rest of its FETCH
 * response is parsed, keeps no 64-bit size, and drops the text of a BYE.
 * What is needed of these stands in its line buffer; it is read here.
 * The guard has seen every octet before.
 *
 * Never writes to its input, never blocks. Runs in a session process.
 */
#include "line.h"

#include <string.h>
#include <strings.h>

/* The octets still to be read. */
struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *c, char octet)
{
	if (c->at >= c->end || *c->at != octet)
		return false;
	c->at++;
	return true;
}

static void skip_spaces(struct cursor *c)
{
	while (take(c, ' '))
		;
}

/* A run without delimiters; may be empty. */
static size_t take_word(struct cursor *c, const char **word_r)
{
	*word_r = c->at;
	while (c->at<c->end && * c->at> ' ' && strchr("()\"{", *c->at) == NULL)
		c->at++;
	return (size_t)(c->at - *word_r);
}

static bool word_is(const char *word, size_t size, const char *name)
{
	return strlen(name) == size && strncasecmp(word, name, size) == 0;
}

static bool take_number(struct cursor *c, uint64_t *number_r)
{
	const char *begin = c->at;
	uint64_t number = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		unsigned digit = (unsigned)(*c->at - '0');

		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*number_r = number;
	return c->at > begin;
}

const char *line_last(const char *text, size_t size)
{
	const char *at = text + size;

	/* the line's own end does not count */
	if (at > text && at[-1] == '\n')
		at--;
	while (at > text) {
		if (at[-1] == '\n' && at < text + size && *at != ' ' && *at != ')')
			return at;
		at--;
	}
	return text;
}

static enum line_kind kind_of(const char *word, size_t size)
{
	static const struct {
		const char *name;
		enum line_kind kind;
	} kinds[] = {{"OK", LINE_OK}, {"NO", LINE_NO}, {"BAD", LINE_BAD}, {"BYE", LINE_BYE}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (word_is(word, size, kinds[i].name))
			return kinds[i].kind;
	return LINE_OTHER;
}

static void copy_code(struct cursor c, char *code, size_t size)
{
	size_t n = 0;

	if (!take(&c, '['))
		return;
	for (; c.at < c.end && n + 1 < size && *c.at > ' ' && *c.at != ']' && *c.at != ':'; c.at++)
		code[n++] = (char)(*c.at >= 'a' && *c.at <= 'z' ? *c.at - 'a' + 'A' : *c.at);
	code[n] = '\0';
}

static void copy_text(struct cursor c, char *text, size_t size)
{
	size_t n = 0;

	for (; c.at < c.end && n + 1 < size && *c.at != '\r' && *c.at != '\n'; c.at++)
		text[n++] = *c.at >= ' ' && *c.at <= '~' ? *c.at : '?';
	text[n] = '\0';
}

void line_read_status(const char *line, size_t size, struct line_status *status_r)
{
	struct cursor c = {line, line + size};
	const char *word;
	size_t length;

	memset(status_r, 0, sizeof(*status_r));
	if (take_word(&c, &word) == 0 || !take(&c, ' '))
		return;
	skip_spaces(&c);
	length = take_word(&c, &word);
	status_r->kind = kind_of(word, length);
	if (status_r->kind == LINE_OTHER)
		return;
	skip_spaces(&c);
	copy_code(c, status_r->code, sizeof(status_r->code));
	copy_text(c, status_r->text, sizeof(status_r->text));
}

/* Past a quoted string; its opening quote is taken. */
static void skip_quoted(struct cursor *c)
{
	while (c->at < c->end && *c->at != '"')
		c->at += *c->at == '\\' && c->at + 1 < c->end && (c->at[1] == '"' || c->at[1] == '\\') ? 2 : 1;
	take(c, '"');
}

/* "{N}" CRLF: what follows is the literal's data, already taken out, or the line's end. */
static bool take_literal(struct cursor *c, uint64_t *size_r)
{
	return take(c, '{') && take_number(c, size_r) && take(c, '}') && take(c, '\r') && take(c, '\n');
}

/* One data item's name at depth 1, and its value where it is wanted. */
static int read_item(struct cursor *c, struct line_fetch *fetch)
{
	const char *word;
	size_t length = take_word(c, &word);
	uint64_t number;

	if (word_is(word, length, "UID")) {
		skip_spaces(c);
		if (!take_number(c, &number) || number == 0 || number > UINT32_MAX)
			return -1;
		/* a second, different one makes the response worthless */
		if (fetch->uid != 0 && fetch->uid != number)
			return -1;
		fetch->uid = (uint32_t)number;
	} else if (word_is(word, length, "RFC822.SIZE")) {
		skip_spaces(c);
		if (!take_number(c, &fetch->octets))
			return -1;
		fetch->has_octets = true;
	} else if (length > 5 && strncasecmp(word, "BODY[", 5) == 0 && word[length - 1] == '>') {
		fetch->ranged = true;
	}
	return 0;
}

static int read_items(struct cursor *c, struct line_fetch *fetch)
{
	unsigned depth = 1;

	while (c->at < c->end && depth > 0) {
		fetch->has_literal = false;
		if (*c->at == '{') {
			if (!take_literal(c, &fetch->literal))
				return -1;
			fetch->has_literal = true;
		} else if (take(c, '"')) {
			skip_quoted(c);
		} else if (take(c, '(')) {
			depth++;
		} else if (take(c, ')')) {
			depth--;
		} else if (*c->at <= ' ') {
			c->at++;
		} else if (depth > 1) {
			const char *word;

			take_word(c, &word);
		} else if (read_item(c, fetch) != 0) {
			return -1;
		}
	}
	return 0;
}

int line_read_fetch(const char *line, size_t size, struct line_fetch *fetch_r)
{
	struct cursor c = {line, line + size};
	const char *word;
	uint64_t number;

	memset(fetch_r, 0, sizeof(*fetch_r));
	if (!take(&c, '*') || !take(&c, ' '))
		return -1;
	skip_spaces(&c);
	if (!take_number(&c, &number) || number == 0 || number > UINT32_MAX)
		return -1;
	fetch_r->sequence = (uint32_t)number;
	skip_spaces(&c);
	size_t length = take_word(&c, &word);
	if (!word_is(word, length, "FETCH"))
		return -1;
	skip_spaces(&c);
	return take(&c, '(') ? read_items(&c, fetch_r) : -1;
}
