/* extension - a parser for the untagged responses and FETCH items that no other parser took.
 *
 * Without it libetpan fails a whole command over any of them. libetpan's
 * own parsers come first, those of its built-in extensions too; what the
 * guard has emptied comes to this one. It keeps nothing of what it skips, and
 * leaves a SEARCH, BYE or PREAUTH, and a UID or body item, that could not be
 * read the error that it is. Literals of items are not skipped; nobody asked
 * for them.
 *
 * Registered in the spawner, used in session processes.
 */
#include "extension.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libetpan/mailimap.h>
#include <libetpan/mailimap_extension.h>

static const char *const known_responses[] = {"SEARCH", "BYE", "PREAUTH", NULL};
static const char *const known_items[] = {"UID", "RFC822", "BODY", NULL};

/* Whether text begins with one of the names, in any case. */
static bool begins_with(const char *text, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strncasecmp(text, *names, strlen(*names)) == 0)
			return true;
	return false;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The rest of a line; -1: it ends in a literal, or does not end. */
static int skip_line(const char *text, size_t *index)
{
	size_t end = *index + strcspn(text + *index, "\r\n");

	if (text[end] == '\0' || (end > *index && text[end - 1] == '}'))
		return -1;
	*index = end;
	return 0;
}

static int skip_quoted(const char *text, size_t *index)
{
	for (++*index; text[*index] != '"'; ++*index) {
		if (text[*index] == '\\' && (text[*index + 1] == '"' || text[*index + 1] == '\\'))
			++*index;
		if (text[*index] == '\0')
			return -1;
	}
	++*index;
	return 0;
}

/* One value: up to the space or the parenthesis that ends it. */
static int skip_value(const char *text, size_t *index)
{
	unsigned depth = 0;

	for (;;) {
		char c = text[*index];

		if (c == '\0' || c == '\r' || c == '\n' || c == '{')
			return -1;
		if (depth == 0 && (c == ' ' || c == ')'))
			return 0;
		depth += c == '(';
		depth -= c == ')';
		if (c != '"')
			++*index;
		else if (skip_quoted(text, index) != 0)
			return -1;
	}
}

static int skip_item(const char *text, size_t *index)
{
	size_t at = *index, name;

	while (text[at] == ' ')
		at++;
	if (!is_letter(text[at]) || begins_with(text + at, known_items))
		return -1;
	name = strcspn(text + at, " ()\"{\r\n");
	at += name;
	if (text[at] != ' ')
		return -1;
	at += strspn(text + at, " ");
	if (skip_value(text, &at) != 0)
		return -1;
	*index = at;
	return 0;
}

static int skip_response(const char *text, size_t *index)
{
	size_t at = *index + strspn(text + *index, " ");

	if (!is_letter(text[at]) || begins_with(text + at, known_responses) || skip_line(text, &at) != 0)
		return -1;
	*index = at;
	return 0;
}

static struct mailimap_extension_api generic;

static int parse(int caller, mailstream *stream, MMAPString *buffer, struct mailimap_parser_context *context,
		 size_t *index, struct mailimap_extension_data **result, size_t rate, progress_function *progress)
{
	int r = -1;

	(void)stream, (void)context, (void)rate, (void)progress;
	if (*index >= buffer->len)
		return MAILIMAP_ERROR_PARSE;
	if (caller == MAILIMAP_EXTENDED_PARSER_FETCH_DATA)
		r = skip_item(buffer->str, index);
	else if (caller == MAILIMAP_EXTENDED_PARSER_RESPONSE_DATA)
		r = skip_response(buffer->str, index);
	if (r != 0)
		return MAILIMAP_ERROR_PARSE;
	*result = mailimap_extension_data_new(&generic, 0, NULL);
	return *result != NULL ? MAILIMAP_NO_ERROR : MAILIMAP_ERROR_MEMORY;
}

static void release(struct mailimap_extension_data *data)
{
	free(data);
}

static struct mailimap_extension_api generic = {
    .ext_name = (char *)"popgate",
    .ext_id = -1,
    .ext_parser = parse,
    .ext_free = release,
};

/* libetpan's list is as global as this, and must not outlive the module's code */
static unsigned users;

int extension_acquire(void)
{
	if (users == 0 && mailimap_extension_register(&generic) != 0)
		return -1;
	users++;
	return 0;
}

void extension_release(void)
{
	if (users > 0 && --users == 0)
		mailimap_extension_unregister_all();
}
