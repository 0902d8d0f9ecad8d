/* edit - see edit.h. Runs in the verbs that edit accounts. */
#include "accounts/edit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/layout.h"
#include "common/secret.h"

static const char changed[] = "its list of accounts is not where it was expected";

char *edit_quote(const char *string)
{
	char *quoted = malloc(strlen(string) * 4 + 3), *at = quoted;

	if (quoted == NULL)
		return NULL;
	*at++ = '"';
	for (; *string != '\0'; string++) {
		unsigned char octet = (unsigned char)*string;

		if (octet < 0x20 || octet == 0x7f) {
			at += snprintf(at, 5, "\\x%02x", octet);
			continue;
		}
		if (octet == '"' || octet == '\\')
			*at++ = '\\';
		*at++ = (char)octet;
	}
	*at++ = '"';
	*at = '\0';
	return quoted;
}

/* ---- octets ---- */

static int replace(struct edit *edit, size_t at, size_t removed, const char *inserted)
{
	size_t more = strlen(inserted), size = edit->size - removed + more;
	char *text = malloc(size + 1);

	if (text == NULL)
		return -1;
	memcpy(text, edit->text, at);
	memcpy(text + at, inserted, more); /* NOLINT(bugprone-not-null-terminated-result): the rest follows */
	memcpy(text + at + more, edit->text + at + removed, edit->size - at - removed + 1);
	secret_wipe(edit->text, edit->size);
	free(edit->text);
	edit->text = text;
	edit->size = size;
	return 0;
}

/* Whether lines end in CRLF here, as the first one does. */
static bool has_crlf(const struct edit *edit)
{
	const char *end = memchr(edit->text, '\n', edit->size);

	return end != NULL && end > edit->text && end[-1] == '\r';
}

/* Each `\n` in it becomes a line end of the file's kind. */
static int insert(struct edit *edit, size_t at, const char *inserted)
{
	char *text, *out;
	int result;

	if (!has_crlf(edit))
		return replace(edit, at, 0, inserted);
	text = out = malloc(strlen(inserted) * 2 + 1);
	if (text == NULL)
		return -1;
	for (; *inserted != '\0'; inserted++) {
		if (*inserted == '\n' && (out == text || out[-1] != '\r'))
			*out++ = '\r';
		*out++ = *inserted;
	}
	*out = '\0';
	result = replace(edit, at, 0, text);
	secret_wipe(text, strlen(text));
	free(text);
	return result;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t line_start(const struct edit *edit, size_t at)
{
	while (at > 0 && edit->text[at - 1] != '\n')
		at--;
	return at;
}

/* The blanks that the line of `at` begins with, if nothing else stands before it; NULL: something does, or no memory.
 */
static char *indent_of(const struct edit *edit, size_t at)
{
	size_t start = line_start(edit, at);

	for (size_t i = start; i < at; i++)
		if (!is_blank(edit->text[i]))
			return NULL;
	return strndup(edit->text + start, at - start);
}

/* Where the line ends that goes on at `at` with nothing but blanks and a comment; LAYOUT_NONE: something else follows.
 */
static size_t line_rest(const struct edit *edit, size_t at)
{
	const char *text = edit->text;
	size_t end = at;

	while (is_blank(text[end]) || text[end] == '\r')
		end++;
	if (text[end] == '#' || (text[end] == '/' && text[end + 1] == '/'))
		while (text[end] != '\n' && text[end] != '\0')
			end++;
	if (text[end] != '\n')
		return LAYOUT_NONE;
	return end > at && text[end - 1] == '\r' ? end - 1 : end;
}

/* Takes octets away, with the whole line where nothing else is left on it, else with blanks before them. */
static int cut(struct edit *edit, size_t at, size_t end)
{
	size_t start = line_start(edit, at), stop = end;

	while (is_blank(edit->text[stop]) || edit->text[stop] == '\r')
		stop++;
	while (start < at && is_blank(edit->text[start]))
		start++;
	if (start == at && (edit->text[stop] == '\n'))
		return replace(edit, line_start(edit, at), stop + 1 - line_start(edit, at), "");
	start = at;
	while (start > 0 && is_blank(edit->text[start - 1]))
		start--;
	return replace(edit, start, end - start, "");
}

/* ---- places ---- */

static int look(const struct edit *edit, struct layout *layout, size_t *list_r, const char **why_r)
{
	*why_r = NULL;
	if (layout_read(layout, edit->text, edit->size, why_r) != 0)
		return -1;
	*list_r = layout_member(layout, edit->text, 0, "accounts");
	if (*list_r != LAYOUT_NONE && layout->nodes[*list_r].kind == LAYOUT_LIST)
		return 0;
	*why_r = changed;
	return -1;
}

static int look_at(const struct edit *edit, struct layout *layout, size_t account, size_t *group_r, const char **why_r)
{
	size_t list;

	if (look(edit, layout, &list, why_r) != 0)
		return -1;
	*group_r = layout_child(layout, list, account);
	if (*group_r != LAYOUT_NONE && layout->nodes[*group_r].kind == LAYOUT_GROUP &&
	    layout->nodes[*group_r].first != LAYOUT_NONE)
		return 0;
	*why_r = changed;
	return -1;
}

static size_t last_child(const struct layout *layout, size_t parent)
{
	size_t last = layout->nodes[parent].first;

	while (last != LAYOUT_NONE && layout->nodes[last].next != LAYOUT_NONE)
		last = layout->nodes[last].next;
	return last;
}

int edit_count(const struct edit *edit, size_t *count_r, const char **why_r)
{
	struct layout layout = {0};
	size_t list;
	int result = look(edit, &layout, &list, why_r);

	if (result == 0)
		*count_r = layout_length(&layout, list);
	layout_free(&layout);
	return result;
}

/* ---- settings ---- */

/* Behind the group's last setting: on a line of its own, if that one has one. */
static int append_setting(struct edit *edit, const struct layout *layout, size_t group, const char *key,
			  const char *value)
{
	const struct layout_node *last = &layout->nodes[last_child(layout, group)];
	char *indent = indent_of(edit, last->name), *text = NULL;
	size_t rest = indent == NULL ? LAYOUT_NONE : line_rest(edit, last->stop);
	bool open = last->stop == last->end, own_line = rest != LAYOUT_NONE;
	size_t at = own_line ? rest : last->stop, end = last->end;
	int result = -1;

	if (asprintf(&text, "%s%s%s = %s;", own_line ? "\n" : " ", own_line ? indent : "", key, value) >= 0 &&
	    insert(edit, at, text) == 0)
		result = open ? replace(edit, end, 0, ";") : 0;
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text);
	free(indent); /* fanalyzer: text and indent are two */
	return result;
}

/* Whether a comment stands in a value: outside of its strings a `/` begins nothing else. */
static bool has_comment(const char *value, size_t size)
{
	bool quoted = false;

	for (size_t i = 0; i < size; i++) {
		if (quoted && value[i] == '\\')
			i++;
		else if (value[i] == '"')
			quoted = !quoted;
		else if (!quoted && (value[i] == '#' || value[i] == '/'))
			return true;
	}
	return false;
}

static int set(struct edit *edit, const struct layout *layout, size_t group, const char *key, const char *value,
	       const char **why_r)
{
	size_t member = layout_member(layout, edit->text, group, key), start, size;

	if (member == LAYOUT_NONE)
		return append_setting(edit, layout, group, key, value);
	start = layout->nodes[member].start;
	size = layout->nodes[member].end - start;
	if (!has_comment(edit->text + start, size))
		return replace(edit, start, size, value);
	*why_r = "a value that would be replaced has comments inside: edit it by hand";
	return -1;
}

int edit_set(struct edit *edit, size_t account, const char *key, const char *value, const char **why_r)
{
	struct layout layout = {0};
	size_t group;
	int result = look_at(edit, &layout, account, &group, why_r);

	if (result == 0)
		result = set(edit, &layout, group, key, value, why_r);
	layout_free(&layout);
	return result;
}

int edit_unset(struct edit *edit, size_t account, const char *key, const char **why_r)
{
	struct layout layout = {0};
	size_t group, member;
	int result = look_at(edit, &layout, account, &group, why_r);

	if (result == 0) {
		member = layout_member(&layout, edit->text, group, key);
		if (member != LAYOUT_NONE)
			result = cut(edit, layout.nodes[member].name, layout.nodes[member].stop);
	}
	layout_free(&layout);
	return result;
}

/* ---- elements of a list ---- */

/* "{ a = 1; }"; or with lines each line of it with the indentation and a tab. What has brackets stays as it is. */
static char *write_group(const char *group, const char *indent, bool lines)
{
	char *text = NULL;
	size_t size;
	FILE *stream;

	if (*group == '{')
		return strdup(group);
	if (!lines)
		return asprintf(&text, "{ %s }", group) < 0 ? NULL : text;
	if ((stream = open_memstream(&text, &size)) == NULL)
		return NULL;
	fprintf(stream, "{\n%s\t", indent);
	for (; *group != '\0'; group++) {
		putc(*group, stream);
		if (*group == '\n')
			fprintf(stream, "%s\t", indent);
	}
	fprintf(stream, "\n%s}", indent);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* The first one; comments that stand between the brackets stay before it. */
static int fill_list(struct edit *edit, const struct layout *layout, size_t list, const char *group, bool has_lines)
{
	size_t at = layout->nodes[list].end - 1;
	char *written = write_group(group, "\t", has_lines), *text = NULL;
	char *indent = has_lines ? indent_of(edit, at) : NULL;
	int result = -1;

	/* the closing bracket may have a line of its own, and a line comment may stand before it */
	if (written != NULL && asprintf(&text, "%s%s%s",
					!has_lines	 ? " "
					: indent != NULL ? "\t"
							 : "\n\t",
					written, !has_lines ? " " : "\n") >= 0)
		result = insert(edit, at, text);
	free(indent);
	free(written);
	free(text);
	return result;
}

/* has_lines: on lines of its own. */
static int append_element(struct edit *edit, const struct layout *layout, size_t list, const char *group,
			  bool has_lines)
{
	size_t child = last_child(layout, list);
	const struct layout_node *last = child == LAYOUT_NONE ? NULL : &layout->nodes[child];
	bool comma, lines;
	char *indent, *written, *text = NULL;
	size_t at, end;
	int result = -1;

	if (last == NULL)
		return fill_list(edit, layout, list, group, has_lines);
	indent = indent_of(edit, last->start);
	comma = last->stop == last->end;
	end = last->end;
	at = line_rest(edit, last->stop);
	lines = has_lines || (at != LAYOUT_NONE && indent != NULL);
	if (at == LAYOUT_NONE || !lines)
		at = last->stop;
	written = write_group(group, indent == NULL ? "\t" : indent, has_lines);
	if (written != NULL &&
	    asprintf(&text, "%s%s%s", lines ? "\n" : " ",
		     !lines	      ? ""
		     : indent == NULL ? "\t"
				      : indent,
		     written) >= 0 &&
	    insert(edit, at, text) == 0)
		result = comma ? replace(edit, end, 0, ",") : 0;
	free(written);
	free(text);
	free(indent);
	return result;
}

static int remove_element(struct edit *edit, const struct layout *layout, size_t list, size_t i)
{
	size_t child = layout_child(layout, list, i), before = i == 0 ? LAYOUT_NONE : layout_child(layout, list, i - 1);
	const struct layout_node *node = &layout->nodes[child];
	size_t start = node->start, stop = node->stop;

	/* the last one has no comma behind it: the one before it loses its own */
	if (node->next == LAYOUT_NONE && before != LAYOUT_NONE && stop == node->end) {
		size_t comma = layout->nodes[before].stop - 1;

		if (cut(edit, start, stop) != 0)
			return -1;
		return replace(edit, comma, 1, "");
	}
	return cut(edit, start, stop);
}

int edit_add_account(struct edit *edit, const char *group, const char **why_r)
{
	struct layout layout = {0};
	size_t list;
	int result = look(edit, &layout, &list, why_r);

	if (result == 0)
		result = append_element(edit, &layout, list, group, true);
	layout_free(&layout);
	return result;
}

int edit_remove_account(struct edit *edit, size_t account, const char **why_r)
{
	struct layout layout = {0};
	size_t list;
	int result = look(edit, &layout, &list, why_r);

	if (result == 0 && account >= layout_length(&layout, list)) {
		*why_r = changed;
		result = -1;
	}
	if (result == 0)
		result = remove_element(edit, &layout, list, account);
	layout_free(&layout);
	return result;
}

int edit_add_device(struct edit *edit, size_t account, const char *group, const char **why_r)
{
	struct layout layout = {0};
	size_t owner, list;
	int result = look_at(edit, &layout, account, &owner, why_r);
	char *text = NULL;

	if (result == 0) {
		list = layout_member(&layout, edit->text, owner, "devices");
		if (list != LAYOUT_NONE)
			result = append_element(edit, &layout, list, group, false);
		else
			result = asprintf(&text, "( { %s } )", group) < 0
				     ? -1
				     : append_setting(edit, &layout, owner, "devices", text);
	}
	free(text);
	layout_free(&layout);
	return result;
}

static int look_at_device(const struct edit *edit, struct layout *layout, size_t account, size_t device, size_t *list_r,
			  const char **why_r)
{
	size_t owner;

	if (look_at(edit, layout, account, &owner, why_r) != 0)
		return -1;
	*list_r = layout_member(layout, edit->text, owner, "devices");
	if (*list_r != LAYOUT_NONE && device < layout_length(layout, *list_r))
		return 0;
	*why_r = changed;
	return -1;
}

int edit_set_device(struct edit *edit, size_t account, size_t device, const char *key, const char *value,
		    const char **why_r)
{
	struct layout layout = {0};
	size_t list;
	int result = look_at_device(edit, &layout, account, device, &list, why_r);

	if (result == 0)
		result = set(edit, &layout, layout_child(&layout, list, device), key, value, why_r);
	layout_free(&layout);
	return result;
}

int edit_remove_device(struct edit *edit, size_t account, size_t device, const char **why_r)
{
	struct layout layout = {0};
	size_t list;
	int result = look_at_device(edit, &layout, account, device, &list, why_r);

	if (result == 0)
		result = remove_element(edit, &layout, list, device);
	layout_free(&layout);
	return result;
}
