/* conf_scan - see conf_scan.h. Reads files, writes none. Runs where conf does.
 * The order of the cases in `step` and the shape of names and numbers follow
 * libconfig's scanner.l. */
#include "common/conf_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/secret.h"

#define LARGEST_FILE   (16u << 20)
#define LARGEST_SECRET (512u << 20) /* of accounts */
#define DEEPEST	       10	    /* libconfig's own bound */

struct walk {
	const struct conf_reader *reader;
	const char *folder;
	conf_scan_fn *each;
	void *context;
};

struct input {
	const char *file;
	const char *text; /* a NUL follows */
	size_t size, at;
	unsigned line, depth;
};

static int fault(const struct walk *walk, const struct input *input, unsigned line, const char *text)
{
	conf_report_add(walk->reader->report, input->file, line, "%s", text);
	return -1;
}

/* ---- files ----------------------------------------------------------- */

/* Reads a stream to its end, `most` octets at most; NULL with errno. What has the size that it was told to have leaves
 * no copies behind: there may be secrets in it. */
static char *drain(FILE *stream, size_t most, size_t *size_r)
{
	struct stat status;
	size_t room = fstat(fileno(stream), &status) == 0 && status.st_size > 0 && (size_t)status.st_size < most
			  ? (size_t)status.st_size + 2
			  : 4096;
	size_t size = 0, got;
	char *text = malloc(room), *more;

	while (text != NULL && (got = fread(text + size, 1, room - size - 1, stream)) > 0) {
		size += got;
		if (size > most) {
			errno = EFBIG;
			free(text);
			return NULL;
		}
		if (size + 1 < room)
			continue;
		if ((more = realloc(text, room *= 2)) == NULL)
			free(text);
		text = more;
	}
	if (text == NULL)
		return NULL;
	text[size] = '\0';
	*size_r = size;
	return text;
}

/* Opens regular files only: libconfig ends the process over a directory, and a
 * pipe could not be read twice. */
static FILE *open_regular(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return NULL;
	if (!S_ISREG(status.st_mode)) {
		errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
		return NULL;
	}
	return fopen(path, "re");
}

static char *load(const char *path, size_t most, size_t *size_r)
{
	FILE *stream = open_regular(path);
	char *text;
	int saved;

	if (stream == NULL)
		return NULL;
	setvbuf(stream, NULL, _IONBF, 0);
	text = drain(stream, most, size_r);
	saved = errno;
	if (text != NULL && ferror(stream)) {
		saved = EIO;
		free(text);
		text = NULL;
	}
	fclose(stream);
	errno = saved;
	return text;
}

/* ---- tokens ---------------------------------------------------------- */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool hexadecimal(char c)
{
	return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static bool name_part(char c)
{
	return name_start(c) || digit(c) || c == '-' || c == '_';
}

static size_t digits(const char *text, size_t size, size_t at)
{
	size_t start = at;

	while (at < size && digit(text[at]))
		at++;
	return at - start;
}

/* `L` or `LL` after an integer. */
static size_t suffix(const char *text, size_t size, size_t at)
{
	size_t count = 0;

	while (count < 2 && at + count < size && text[at + count] == 'L')
		count++;
	return count;
}

/* `e+5` and the like at `at`. */
static size_t exponent(const char *text, size_t size, size_t at)
{
	size_t start = at, count;

	if (at == size || (text[at] != 'e' && text[at] != 'E'))
		return 0;
	at++;
	if (at < size && (text[at] == '+' || text[at] == '-'))
		at++;
	count = digits(text, size, at);
	return count == 0 ? 0 : at + count - start;
}

static size_t hex_number(const char *text, size_t size)
{
	size_t at = 2;

	if (size < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
		return 0;
	while (at < size && hexadecimal(text[at]))
		at++;
	return at == 2 ? 0 : at + suffix(text, size, at);
}

size_t conf_scan_number(const char *text, size_t size, int *integer_r)
{
	size_t at = size > 0 && (*text == '+' || *text == '-') ? 1 : 0, whole, power, hex;

	*integer_r = 1;
	if ((hex = hex_number(text, size)) > 0)
		return hex;
	whole = digits(text, size, at);
	at += whole;
	if (at < size && text[at] == '.') {
		*integer_r = 0;
		at++;
		at += digits(text, size, at);
		return at + exponent(text, size, at);
	}
	if (whole == 0)
		return 0;
	if ((power = exponent(text, size, at)) > 0) {
		*integer_r = 0;
		return at + power;
	}
	return at + suffix(text, size, at);
}

static int emit(const struct walk *walk, struct input *input, enum conf_token_type type, size_t size)
{
	struct conf_token token = {type, input->file, input->line, input->text + input->at, size};

	input->at += size;
	return walk->each(walk->context, &token);
}

static int word(const struct walk *walk, struct input *input)
{
	const char *text = input->text + input->at;
	size_t size = 1;
	bool truth;

	while (name_part(text[size]))
		size++;
	truth = (size == 4 && strncasecmp(text, "true", 4) == 0) || (size == 5 && strncasecmp(text, "false", 5) == 0);
	return emit(walk, input, truth ? CONF_TOKEN_OTHER : CONF_TOKEN_NAME, size);
}

static int long_comment(const struct walk *walk, struct input *input)
{
	unsigned start = input->line;

	for (input->at += 2; input->at < input->size; input->at++) {
		if (input->text[input->at] == '*' && input->text[input->at + 1] == '/') {
			input->at += 2;
			return 0;
		}
		input->line += input->text[input->at] == '\n';
	}
	return fault(walk, input, start, "the comment that begins here is never closed: add `*/`");
}

static int line_comment(const struct walk *walk, struct input *input)
{
	const char *end = memchr(input->text + input->at, '\n', input->size - input->at);

	if (end == NULL)
		return fault(walk, input, input->line, "the last line is a comment without a line end: add one");
	input->at = (size_t)(end - input->text);
	return 0;
}

/* A quoted string, whose contents libconfig yields; only its NULs matter here. */
static int string(const struct walk *walk, struct input *input)
{
	static const char nul[] = "a string holds NUL: no value may";
	unsigned start = input->line;
	const char *text = input->text;

	for (input->at++; input->at < input->size; input->at++) {
		size_t at = input->at;

		if (text[at] == '"') {
			input->at++;
			return 0;
		}
		input->line += text[at] == '\n';
		if (text[at] != '\\' && text[at] != '\0')
			continue;
		if (text[at] == '\0' || strncmp(text + at, "\\x00", 4) == 0 || strncmp(text + at, "\\X00", 4) == 0)
			return fault(walk, input, input->line, nul);
		if (text[at + 1] == '\\' || text[at + 1] == '"')
			input->at++;
	}
	return fault(walk, input, start, "the string that begins here is never closed: add `\"`");
}

/* ---- @include -------------------------------------------------------- */

static int walk_file(const struct walk *walk, const char *path, const char *file, unsigned depth);

/* Octets of `@include "` where the input stands, at the start of a line; else 0. */
static size_t include_start(const struct input *input)
{
	const char *text = input->text + input->at;
	size_t at, gap;

	if (input->at > 0 && text[-1] != '\n')
		return 0;
	at = strspn(text, " \t");
	if (strncmp(text + at, "@include", 8) != 0)
		return 0;
	at += 8;
	gap = strspn(text + at, " \t");
	return gap > 0 && text[at + gap] == '"' ? at + gap + 1 : 0;
}

/* The name up to the closing quote, without its escapes, for the caller to free. */
static char *include_name(struct input *input)
{
	char *name = malloc(input->size - input->at + 1);
	size_t size = 0;

	for (; name != NULL && input->at < input->size; input->at++) {
		char c = input->text[input->at];

		if (c == '"' || c == '\n' || c == '\0')
			break;
		if (c == '\\' && (input->text[input->at + 1] == '\\' || input->text[input->at + 1] == '"'))
			c = input->text[++input->at];
		name[size++] = c;
	}
	if (name != NULL)
		name[size] = '\0';
	return name;
}

static int include_named(const struct walk *walk, struct input *input, const char *name)
{
	char *path = NULL, *file = conf_reader_beside(walk->reader->source, name);
	int result = -1;
	struct stat status;

	if (file == NULL || asprintf(&path, "%s/%s", walk->folder, name) < 0) {
		path = NULL;
		conf_reader_no_memory(walk->reader);
	} else if (*name == '/') {
		conf_report_add(walk->reader->report, input->file, input->line,
				"@include \"%s\": an included file is named relative to %s", name, walk->folder);
	} else if (input->depth + 1 > DEEPEST) {
		conf_report_add(walk->reader->report, input->file, input->line,
				"@include \"%s\": files include each other more than %d deep", name, DEEPEST);
	} else if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
		conf_report_add(walk->reader->report, input->file, input->line, "@include \"%s\": %s", name,
				errno != 0 ? strerror(errno) : "not a regular file");
	} else if (walk->reader->secret && (status.st_mode & 077) != 0) {
		conf_report_add(walk->reader->report, input->file, input->line,
				"@include \"%s\": others than its owner may use it: chmod 600 it", name);
	} else {
		result = walk_file(walk, path, file, input->depth + 1);
	}
	free(path);
	free(file);
	return result;
}

static int include(const struct walk *walk, struct input *input, size_t start)
{
	char *name;
	int result;

	input->at += start;
	if ((name = include_name(input)) == NULL) {
		conf_reader_no_memory(walk->reader);
		return -1;
	}
	if (input->text[input->at] != '"') {
		free(name);
		return fault(walk, input, input->line, "@include lacks its closing `\"`");
	}
	input->at++;
	errno = 0;
	result = include_named(walk, input, name);
	free(name);
	return result;
}

/* ---- the walk -------------------------------------------------------- */

static int punctuation(const struct walk *walk, struct input *input)
{
	char c = input->text[input->at];

	if (c == '\n')
		input->line++;
	if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f') {
		input->at++;
		return 0;
	}
	return emit(walk, input, c == '{' ? CONF_TOKEN_OPEN : c == '}' ? CONF_TOKEN_CLOSE : CONF_TOKEN_OTHER, 1);
}

/* Takes one token, comment, blank or include. */
static int step(const struct walk *walk, struct input *input)
{
	const char *text = input->text + input->at;
	int integer;
	size_t size;

	if ((size = include_start(input)) > 0)
		return include(walk, input, size);
	if (text[0] == '/' && text[1] == '*')
		return long_comment(walk, input);
	if (text[0] == '#' || (text[0] == '/' && text[1] == '/'))
		return line_comment(walk, input);
	if (text[0] == '"')
		return string(walk, input);
	if (name_start(text[0]))
		return word(walk, input);
	if ((size = conf_scan_number(text, input->size - input->at, &integer)) > 0)
		return emit(walk, input, integer ? CONF_TOKEN_INTEGER : CONF_TOKEN_OTHER, size);
	return punctuation(walk, input);
}

static int walk_file(const struct walk *walk, const char *path, const char *file, unsigned depth)
{
	struct input input = {.file = file, .line = 1, .depth = depth};
	char *text = load(path, walk->reader->secret ? LARGEST_SECRET : LARGEST_FILE, &input.size);
	int result = 0;

	if (text == NULL) {
		const char *why = errno == EINVAL ? "not a regular file" : strerror(errno);

		conf_report_add(walk->reader->report, file, 0, "cannot be read: %s", why);
		return -1;
	}
	input.text = text;
	while (result == 0 && input.at < input.size)
		result = step(walk, &input);
	secret_wipe(text, input.size);
	free(text);
	return result;
}

int conf_scan(const struct conf_reader *reader, const char *folder, conf_scan_fn *each, void *context)
{
	struct walk walk = {reader, folder, each, context};

	return walk_file(&walk, reader->source, reader->source, 0);
}
