/* path - see path.h.
 *
 * What it makes of a user name has no component that is empty or begins with a dot of the user's, and none that the
 * template doesn't have: so it never leads out of the base. Runs in the spawner and in session processes.
 */
#include "path.h"

#include <string.h>

#define TEMPLATE_MAX  512u
#define COMPONENT_MAX 255u
#define FOLDER_MAX    200u

/* One component of a template, literal as it stands. */
static const char *component_fault(const char *at, size_t size)
{
	if (size == 0)
		return "holds // or ends in /";
	if ((size == 1 && at[0] == '.') || (size == 2 && at[0] == '.' && at[1] == '.'))
		return "must not hold . or ..";
	if (size > COMPONENT_MAX)
		return "holds a folder with more than 255 octets";
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)at[i] < 0x20 || at[i] == 0x7f)
			return "holds a control character";
		if (at[i] == '%' && (++i == size || strchr("und%", at[i]) == NULL))
			return "takes %u, %n, %d and %% alone";
	}
	return NULL;
}

const char *path_fault(const char *template)
{
	const char *fault, *at = template;

	if (template[0] != '/')
		return "must be an absolute path";
	if (strlen(template) > TEMPLATE_MAX)
		return "is too long";
	while (*at == '/') {
		size_t size = strcspn(++at, "/");

		if ((fault = component_fault(at, size)) != NULL)
			return fault;
		at += size;
	}
	if (path_base(template) == 0)
		return "must begin with a folder that is the same for all users";
	return NULL;
}

size_t path_base(const char *template)
{
	size_t size = strcspn(template, "%");

	while (size > 0 && (template[size] != '/'))
		size--;
	return size;
}

const char *path_folder_fault(const char *folder)
{
	size_t size = strlen(folder), part;

	if (size == 0)
		return "must not be empty";
	if (size > FOLDER_MAX)
		return "is too long";
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)folder[i] < 0x20 || folder[i] == 0x7f)
			return "holds a control character";
	for (const char *at = folder;; at += part + 1) {
		part = strcspn(at, "/.");
		if (part == 0)
			return "has a part that is empty";
		if (at[part] == '\0')
			return NULL;
	}
}

void path_folder(const char *folder, char name_r[PATH_ROOM])
{
	size_t size = strnlen(folder, FOLDER_MAX);

	name_r[0] = '.';
	for (size_t i = 0; i < size; i++)
		name_r[i + 1] = (char)(folder[i] == '/' ? '.' : folder[i]);
	name_r[size + 1] = '\0';
}

bool path_is_named(const char *folder, const char *name)
{
	char own[PATH_ROOM];

	if (strcmp(folder, "INBOX") == 0)
		return false;
	path_folder(folder, own);
	return strcmp(own, name) == 0;
}

/* A name, or a part of it, may be a component. */
static bool is_fit(const char *part, size_t size)
{
	if (size == 0 || size > COMPONENT_MAX || part[0] == '.')
		return false;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f || part[i] == '/')
			return false;
	return true;
}

/* The parts of a user name. */
struct parts {
	const char *name, *domain; /* domain: NULL without one */
	size_t size, local;
};

static int take_apart(const char *name, struct parts *parts_r)
{
	const char *at = strrchr(name, '@');

	parts_r->name = name;
	parts_r->size = strlen(name);
	parts_r->local = at == NULL ? parts_r->size : (size_t)(at - name);
	parts_r->domain = at == NULL ? NULL : at + 1;
	if (!is_fit(name, parts_r->size) || !is_fit(name, parts_r->local))
		return -1;
	return at == NULL || is_fit(at + 1, strlen(at + 1)) ? 0 : -1;
}

/* What stands for a % and this letter. */
static const char *value_of(const struct parts *parts, char letter, size_t *size_r)
{
	switch (letter) {
	case 'u':
		*size_r = parts->size;
		return parts->name;
	case 'n':
		*size_r = parts->local;
		return parts->name;
	case 'd':
		*size_r = parts->domain == NULL ? 0 : strlen(parts->domain);
		return parts->domain;
	}
	*size_r = 1;
	return "%";
}

int path_fill(const char *rest, const char *user, char path_r[PATH_ROOM])
{
	size_t used = 0, begun = 0, size;
	struct parts parts;

	if (take_apart(user, &parts) != 0)
		return -1;
	for (const char *at = rest; *at != '\0'; at++) {
		const char *value = at;

		size = 1;
		if (*at == '%' && (value = value_of(&parts, *++at, &size)) == NULL)
			return -1;
		if (*at == '/')
			begun = used + 1;
		if (used + size >= PATH_ROOM || used + size - begun > COMPONENT_MAX + (*at == '/'))
			return -1;
		memcpy(path_r + used, value, size);
		used += size;
	}
	path_r[used] = '\0';
	return 0;
}
