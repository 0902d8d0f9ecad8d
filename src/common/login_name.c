/* login_name - see login_name.h. */
#include "common/login_name.h"

#include <string.h>
#include <strings.h>

#include "common/conf_pattern.h"
#include "common/route.h"

/* What counts for a listener. */
static bool takes_percent(const struct conf *conf, size_t listener)
{
	return listener == CONF_ANY_LISTENER ? conf->percent_domain : conf->listeners[listener].percent_domain;
}

static const char *default_domain(const struct conf *conf, size_t listener)
{
	return listener == CONF_ANY_LISTENER ? conf->default_domain : conf->listeners[listener].default_domain;
}

/* Only where something stands on both sides. */
static void rewrite_percent(char *name)
{
	char *percent = strrchr(name, '%');

	if (percent != NULL && percent != name && percent[1] != '\0')
		*percent = '@';
}

/* The whole name, with its domain. */
static int complete(const struct conf *conf, size_t listener, const char *given, char whole[LOGIN_NAME_MAX + 1])
{
	const char *domain = default_domain(conf, listener);
	size_t size = strlen(given);

	if (size > LOGIN_NAME_MAX)
		return -1;
	memcpy(whole, given, size + 1);
	if (strchr(whole, '@') == NULL && takes_percent(conf, listener))
		rewrite_percent(whole);
	if (strchr(whole, '@') != NULL || domain == NULL)
		return 0;
	if (size + 1 + strlen(domain) > LOGIN_NAME_MAX)
		return -1;
	whole[size] = '@';
	memcpy(whole + size + 1, domain, strlen(domain) + 1);
	return 0;
}

/* Whether the delimiter stands behind a user's name. */
static bool split(const char *whole, char delimiter, struct login_name *name)
{
	size_t local = conf_pattern_local(whole), head;
	const char *at = memchr(whole, delimiter, local);

	if (at == NULL || at == whole)
		return false;
	head = (size_t)(at - whole);
	memcpy(name->user, whole, head);
	memcpy(name->user + head, whole + local, strlen(whole + local) + 1);
	memcpy(name->folder, at + 1, local - head - 1);
	name->folder[local - head - 1] = '\0';
	name->view = true;
	return true;
}

int login_name_read(const struct conf *conf, size_t listener, const char *given, struct login_name *name_r)
{
	char whole[LOGIN_NAME_MAX + 1];
	size_t found;

	if (complete(conf, listener, given, whole) != 0)
		return -1;
	/* a user who goes elsewhere has no folders here */
	for (const char *at = conf->folder_delimiters; *at != '\0'; at++)
		if (split(whole, *at, name_r) && route_find(conf, listener, name_r->user, &found) == 0 &&
		    conf->routes[found].folder_delimiter == *at)
			return 0;
	memcpy(name_r->user, whole, strlen(whole) + 1);
	name_r->folder[0] = '\0';
	name_r->view = false;
	return 0;
}

static bool stays(const struct conf *conf, size_t listener, const char *user, struct login_name *read)
{
	return login_name_read(conf, listener, user, read) == 0 && !read->view && strcasecmp(read->user, user) == 0;
}

bool login_name_reaches(const struct conf *conf, const char *user, struct login_name *read_r)
{
	for (size_t i = 0; i < conf->listener_count; i++)
		if (stays(conf, i, user, read_r))
			return true;
	return stays(conf, CONF_ANY_LISTENER, user, read_r);
}

const char *login_name_folder(const struct conf_folders *folders, const char *asked)
{
	for (size_t i = 0; i < folders->count; i++)
		if (strcmp(folders->names[i], asked) == 0 ||
		    (strcasecmp(asked, "INBOX") == 0 && strcasecmp(folders->names[i], "INBOX") == 0))
			return folders->names[i];
	for (size_t i = 0; i < folders->count; i++)
		if (folders->names[i][0] == '\\' && strcasecmp(folders->names[i] + 1, asked) == 0)
			return folders->names[i];
	return NULL;
}
