/* layout - where things stand in the text of a libconfig file, so that one of them can be changed and all else stays as
 * it was written. Pure. The text has been read by libconfig before: what it takes for well formed is not judged again.
 */
#ifndef POPGATE_ACCOUNTS_LAYOUT_H
#define POPGATE_ACCOUNTS_LAYOUT_H

#include <stddef.h>

enum layout_kind { LAYOUT_GROUP, LAYOUT_LIST, LAYOUT_SCALAR };

#define LAYOUT_NONE ((size_t)-1)

/* A value. Offsets are in the text. */
struct layout_node {
	enum layout_kind kind;	/* an array is a list */
	size_t name, name_size; /* of a setting; name_size 0: an element of a list */
	size_t start, end;	/* the value, brackets and quotes with it */
	size_t stop;		/* behind the `;` or `,` that follows; end: there is none */
	size_t first, next;	/* LAYOUT_NONE: none */
};

struct layout {
	struct layout_node *nodes; /* the first is the file, a group without brackets */
	size_t count, room;
};

/* Reads a text (a NUL follows it). 0; or -1 with *why_r: what keeps it from being edited, or NULL: no memory. Zero the
 * layout before; end with layout_free in any case. */
int layout_read(struct layout *layout, const char *text, size_t size, const char **why_r);
void layout_free(struct layout *layout);
/* The setting of a group. LAYOUT_NONE: there is none. */
size_t layout_member(const struct layout *layout, const char *text, size_t group, const char *name);
/* The i-th value in a group or list. LAYOUT_NONE: there is none. */
size_t layout_child(const struct layout *layout, size_t parent, size_t i);
size_t layout_length(const struct layout *layout, size_t parent);

#endif
