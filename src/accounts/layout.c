/* layout - see layout.h. Runs in the verbs that edit accounts. */
#include "accounts/layout.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 20

struct walk {
	struct layout *layout;
	const char *text;
	size_t size, at;
	const char *why;
};

static const char unclear[] = "it is written in a way that cannot be edited for certain";

/* ---- what is no value ---- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '+' || c == '*' || c == '.';
}

static bool starts(const struct walk *walk, const char *what)
{
	size_t size = strlen(what);

	return walk->size - walk->at >= size && memcmp(walk->text + walk->at, what, size) == 0;
}

static void skip_to(struct walk *walk, const char *what)
{
	while (walk->at < walk->size && !starts(walk, what))
		walk->at++;
}

/* Blanks and comments. */
static void skip(struct walk *walk)
{
	while (walk->at < walk->size) {
		if (strchr(" \t\r\n\f", walk->text[walk->at]) != NULL) {
			walk->at++;
		} else if (starts(walk, "#") || starts(walk, "//")) {
			skip_to(walk, "\n");
		} else if (starts(walk, "/*")) {
			walk->at += 2;
			skip_to(walk, "*/");
			walk->at += starts(walk, "*/") ? 2 : 0;
		} else {
			return;
		}
	}
}

static bool take(struct walk *walk, const char *characters)
{
	skip(walk);
	if (walk->at == walk->size || strchr(characters, walk->text[walk->at]) == NULL)
		return false;
	walk->at++;
	return true;
}

static int give_up(struct walk *walk)
{
	walk->why = starts(walk, "@include") ? "it includes other files: edit it by hand" : unclear;
	return -1;
}

/* ---- values ---- */

static size_t add(struct walk *walk)
{
	struct layout *layout = walk->layout;
	struct layout_node *nodes;

	if (layout->count == layout->room) {
		size_t room = layout->room * 2 + 64;

		if ((nodes = reallocarray(layout->nodes, room, sizeof(*nodes))) == NULL)
			return LAYOUT_NONE;
		layout->nodes = nodes; /* fanalyzer: layout_free gives it back */
		layout->room = room;
	}
	layout->nodes[layout->count] =
	    (struct layout_node){.kind = LAYOUT_SCALAR, .first = LAYOUT_NONE, .next = LAYOUT_NONE};
	return layout->count++; /* fanalyzer: layout_free gives the nodes back */
}

static int take_string(struct walk *walk)
{
	for (walk->at++; walk->at < walk->size; walk->at++) {
		if (walk->text[walk->at] == '\\' && walk->at + 1 < walk->size)
			walk->at++;
		else if (walk->text[walk->at] == '"')
			return walk->at++, 0;
	}
	return give_up(walk);
}

/* A word, or strings side by side, which are one. */
static int take_scalar(struct walk *walk, size_t node)
{
	size_t end;

	if (walk->text[walk->at] != '"') {
		while (walk->at < walk->size && is_word(walk->text[walk->at]))
			walk->at++;
		walk->layout->nodes[node].end = walk->at;
		return walk->layout->nodes[node].start == walk->at ? give_up(walk) : 0;
	}
	do {
		if (take_string(walk) != 0)
			return -1;
		end = walk->at;
		skip(walk);
	} while (walk->at < walk->size && walk->text[walk->at] == '"');
	walk->at = walk->layout->nodes[node].end = end;
	return 0;
}

static int take_children(struct walk *walk, size_t parent, char close, unsigned depth);

static int take_value(struct walk *walk, size_t node, unsigned depth)
{
	skip(walk);
	if (walk->at == walk->size || depth > DEEPEST)
		return give_up(walk);
	walk->layout->nodes[node].start = walk->at;
	switch (walk->text[walk->at]) {
	case '{':
		walk->layout->nodes[node].kind = LAYOUT_GROUP;
		walk->at++;
		return take_children(walk, node, '}', depth + 1);
	case '(':
	case '[':
		walk->layout->nodes[node].kind = LAYOUT_LIST;
		walk->at++;
		return take_children(walk, node, walk->text[walk->at - 1] == '(' ? ')' : ']', depth + 1);
	}
	return take_scalar(walk, node);
}

static int take_name(struct walk *walk, size_t node)
{
	walk->layout->nodes[node].name = walk->at;
	while (walk->at < walk->size && is_word(walk->text[walk->at]))
		walk->at++;
	walk->layout->nodes[node].name_size = walk->at - walk->layout->nodes[node].name;
	return walk->layout->nodes[node].name_size > 0 && take(walk, "=:") ? 0 : give_up(walk);
}

static int take_child(struct walk *walk, size_t parent, size_t *before, unsigned depth)
{
	bool named = walk->layout->nodes[parent].kind == LAYOUT_GROUP;
	size_t node = add(walk), end;

	if (node == LAYOUT_NONE)
		return -1;
	*(*before == LAYOUT_NONE ? &walk->layout->nodes[parent].first : &walk->layout->nodes[*before].next) = node;
	*before = node;
	if ((named && take_name(walk, node) != 0) || take_value(walk, node, depth) != 0)
		return -1;
	end = walk->at;
	if (!take(walk, named ? ";," : ","))
		walk->at = end;
	walk->layout->nodes[node].stop = walk->at;
	return 0;
}

/* close: NUL stands for the end of the text. */
static int take_children(struct walk *walk, size_t parent, char close, unsigned depth)
{
	size_t before = LAYOUT_NONE;

	for (;;) {
		skip(walk);
		if (walk->at == walk->size || (close != '\0' && walk->text[walk->at] == close))
			break;
		if (take_child(walk, parent, &before, depth) != 0)
			return -1;
	}
	if ((walk->at == walk->size) != (close == '\0'))
		return give_up(walk);
	walk->at += close == '\0' ? 0 : 1;
	walk->layout->nodes[parent].end = walk->layout->nodes[parent].stop = walk->at;
	return 0;
}

int layout_read(struct layout *layout, const char *text, size_t size, const char **why_r)
{
	struct walk walk = {.layout = layout, .text = text, .size = size};
	int result = -1;

	layout->count = 0;
	if (add(&walk) != LAYOUT_NONE) {
		layout->nodes[0].kind = LAYOUT_GROUP;
		result = take_children(&walk, 0, '\0', 0);
	}
	if (result != 0)
		*why_r = walk.why;
	return result;
}

void layout_free(struct layout *layout)
{
	free(layout->nodes);
	*layout = (struct layout){0};
}

size_t layout_member(const struct layout *layout, const char *text, size_t group, const char *name)
{
	for (size_t i = layout->nodes[group].first; i != LAYOUT_NONE; i = layout->nodes[i].next)
		if (layout->nodes[i].name_size == strlen(name) &&
		    memcmp(text + layout->nodes[i].name, name, strlen(name)) == 0)
			return i;
	return LAYOUT_NONE;
}

size_t layout_child(const struct layout *layout, size_t parent, size_t i)
{
	size_t child = layout->nodes[parent].first;

	while (child != LAYOUT_NONE && i-- > 0)
		child = layout->nodes[child].next;
	return child;
}

size_t layout_length(const struct layout *layout, size_t parent)
{
	size_t length = 0;

	for (size_t i = layout->nodes[parent].first; i != LAYOUT_NONE; i = layout->nodes[i].next)
		length++;
	return length;
}
