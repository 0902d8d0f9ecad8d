/* conf_routes - the section routes: which login names go to which backend, and
 * as whom. A route that no name can reach is a fault, as it is not what its
 * author meant. No I/O. Runs where conf does. */
#include "common/conf_sections.h"

#include <ctype.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_folders.h"
#include "common/conf_near.h"
#include "common/conf_pattern.h"
#include "common/conf_source.h"

#define LONGEST 512 /* octets of a pattern or template */

/* Routes read so far, in an order that finds those that hide a new one. */
struct order {
	size_t *plain, plain_count; /* without '*', sorted by pattern */
	size_t *starred, starred_count;
};

typedef const char *name_fn(const struct conf *conf, size_t index);

static const char *name_of_backend(const struct conf *conf, size_t index)
{
	return conf->backends[index].name;
}

/* NULL: none. */
static const char *name_of_listener(const struct conf *conf, size_t index)
{
	return conf->listeners[index].name;
}

/* The index of what a route's key names, out of `count`. */
static int find_named(const struct conf_reader *reader, config_setting_t *group, const char *key,
		      const struct conf *conf, size_t count, name_fn *name_of, const char *name, size_t *index_r)
{
	struct conf_near near = {.word = name};

	for (size_t i = 0; i < count; i++) {
		const char *other = name_of(conf, i);

		if (other != NULL && strcmp(other, name) == 0) {
			*index_r = i;
			return 0;
		}
		if (other != NULL)
			conf_near_offer(&near, other);
	}
	conf_reader_fault(reader, config_setting_get_member(group, key),
			  "`%s` in `routes`: there is no %s `%.64s`%s%s%s", key, key, name,
			  near.best ? ": did you mean `" : "", near.best ? near.best : "", near.best ? "`?" : "");
	return -1;
}

static int check_route(const struct conf_reader *reader, config_setting_t *group, const struct conf_route *route)
{
	const char *bad;

	if (strlen(route->users) > LONGEST)
		conf_reader_fault(reader, config_setting_get_member(group, "users"),
				  "`users` in `routes` is too long: %d octets at most", LONGEST);
	else if (strlen(route->upstream_user) > LONGEST)
		conf_reader_fault(reader, config_setting_get_member(group, "upstream_user"),
				  "`upstream_user` in `routes` is too long: %d octets at most", LONGEST);
	else if (!conf_template_valid(route->upstream_user, &bad))
		conf_reader_fault(reader, config_setting_get_member(group, "upstream_user"),
				  "`upstream_user` in `routes`: `%.2s` stands for nothing: there are %%u, %%n, %%d and "
				  "%%%%",
				  bad);
	else
		return 0;
	return -1;
}

/* Which of the lists that routes name something of were read whole: else an unknown name may be no fault of the route.
 */
struct known {
	bool backends, listeners;
};

/* What the route leads to, and for whom it is. */
static int find_targets(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
			const struct known *known, const struct popgate_settings *settings, struct conf_route *route)
{
	const char *listener = conf_setting_string(settings, "listener");
	int result = 0;

	route->listener = CONF_ANY_LISTENER;
	if (listener != NULL && known->listeners &&
	    find_named(reader, group, "listener", conf, conf->listener_count, name_of_listener, listener,
		       &route->listener) != 0)
		result = -1;
	if (known->backends && find_named(reader, group, "backend", conf, conf->backend_count, name_of_backend,
					  conf_setting_string(settings, "backend"), &route->backend) != 0)
		result = -1;
	return result;
}

/* The password upstream is not the client's: nothing would prove the client. */
static int check_guarded(const struct conf_reader *reader, config_setting_t *group, const struct conf_route *route)
{
	config_setting_t *root = config_setting_parent(config_setting_parent(group));

	if (route->source.kind == CONF_SOURCE_CLIENT || config_setting_get_member(root, "accounts") != NULL)
		return 0;
	conf_reader_fault(
	    reader, group,
	    "this route has a secret of its own for `%.64s`, but nothing proves who comes: that takes `accounts`",
	    route->users);
	return -1;
}

/* A delimiter that a name can do without. */
static bool is_delimiter(const char *text)
{
	return strlen(text) == 1 && ispunct((unsigned char)*text) && strchr("@%*", *text) == NULL;
}

static int read_folders(const struct conf_reader *reader, config_setting_t *group,
			const struct popgate_settings *settings, struct conf_route *route)
{
	config_setting_t *root = config_setting_parent(config_setting_parent(group));
	const char *delimiter = conf_setting_string(settings, "folder_delimiter");
	bool known = config_setting_get_member(root, "accounts") != NULL;

	if (conf_folders_read(reader, group, "`routes`", &route->folders) != 0)
		return -1;
	if (delimiter != NULL && !is_delimiter(delimiter)) {
		conf_reader_fault(
		    reader, config_setting_get_member(group, "folder_delimiter"),
		    "`folder_delimiter` in `routes` must be one ASCII punctuation mark, but not `@`, `%%` or "
		    "`*`: \"+\"");
		return -1;
	}
	if (delimiter == NULL && route->folders.count > 0) {
		conf_reader_fault(reader, config_setting_get_member(group, "folders"),
				  "`folders` in `routes` has no use without a sign that no user's name has: add "
				  "`folder_delimiter = \"+\"`");
		return -1;
	}
	if (delimiter != NULL && route->folders.count == 0 && !known) {
		conf_reader_fault(
		    reader, config_setting_get_member(group, "folder_delimiter"),
		    "`folder_delimiter` in `routes` has no use without folders: add folders = (\"NAME\");");
		return -1;
	}
	route->folder_delimiter = delimiter == NULL ? '\0' : *delimiter;
	return 0;
}

static int read_route(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
		      const struct known *known, struct conf_route *route)
{
	struct conf_schema schema = {.what = "`routes`", .keys = conf_route_keys, .others = conf_route_others};
	struct popgate_settings *settings = conf_keys_read(reader, group, &schema);
	int result;

	if (settings == NULL)
		return -1;
	route->users = conf_settings_take(settings, "users");
	route->upstream_user = conf_settings_take(settings, "upstream_user");
	route->max_sessions = (unsigned)conf_setting_int(settings, "max_sessions");
	route->login_delay = (unsigned)conf_setting_int(settings, "login_delay");
	route->file = conf_reader_place(reader, group, &route->line);
	result = route->file == NULL ? -1 : check_route(reader, group, route);
	if (find_targets(reader, group, conf, known, settings, route) != 0 ||
	    conf_source_read(reader, group, schema.what, settings, &route->source) != 0 ||
	    read_folders(reader, group, settings, route) != 0 || check_guarded(reader, group, route) != 0)
		result = -1;
	conf_settings_free(&settings);
	return result;
}

/* ---- routes that are never reached ----------------------------------- */

static int compare(const struct conf_route *route, const char *users, size_t listener)
{
	int difference = strcmp(route->users, users);

	if (difference != 0 || route->listener == listener)
		return difference;
	return route->listener < listener ? -1 : 1;
}

/* Where a pattern for a listener stands among the plain ones, or would. */
static size_t plain_position(const struct order *order, const struct conf *conf, const char *users, size_t listener,
			     bool *found_r)
{
	size_t low = 0, high = order->plain_count;

	*found_r = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int difference = compare(&conf->routes[order->plain[middle]], users, listener);

		if (difference == 0) {
			*found_r = true;
			return middle;
		}
		if (difference < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool takes_listener(const struct conf_route *route, size_t listener)
{
	return route->listener == CONF_ANY_LISTENER || route->listener == listener;
}

/* The earlier route that takes all of a route's names; NULL if there is none. */
static const struct conf_route *hiding(const struct order *order, const struct conf *conf,
				       const struct conf_route *route)
{
	const size_t listeners[] = {route->listener, CONF_ANY_LISTENER};

	for (size_t i = 0; i < 2; i++) {
		bool found;
		size_t position = plain_position(order, conf, route->users, listeners[i], &found);

		if (found)
			return &conf->routes[order->plain[position]];
	}
	for (size_t i = 0; i < order->starred_count; i++) {
		const struct conf_route *starred = &conf->routes[order->starred[i]];

		if (takes_listener(starred, route->listener) && conf_pattern_covers(starred->users, route->users))
			return starred;
	}
	return NULL;
}

static void remember(struct order *order, const struct conf *conf, size_t route)
{
	const char *users = conf->routes[route].users;
	size_t position;
	bool found;

	if (strchr(users, '*') != NULL) {
		order->starred[order->starred_count++] = route;
		return;
	}
	position = plain_position(order, conf, users, conf->routes[route].listener, &found);
	memmove(order->plain + position + 1, order->plain + position,
		(order->plain_count - position) * sizeof(*order->plain));
	order->plain[position] = route;
	order->plain_count++;
}

/* The domain that every name without one gets before the route is looked for; NULL: they stay so, at least somewhere.
 */
static const char *completing(const struct conf *conf, const struct conf_route *route)
{
	if (route->listener == CONF_ANY_LISTENER || route->listener >= conf->listener_count)
		return conf->default_domain;
	return conf->listeners[route->listener].default_domain;
}

static void check_reach(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
			const struct order *order, const struct conf_route *route)
{
	const struct conf_route *first = hiding(order, conf, route);
	const char *domain = completing(conf, route);

	if (domain != NULL && strpbrk(route->users, "*@") == NULL)
		conf_reader_fault(reader, config_setting_get_member(group, "users"),
				  "the route for `%.64s` is never reached: `default_domain` makes that `%.64s@%.64s`",
				  route->users, route->users, domain);
	else if (first != NULL)
		conf_reader_fault(reader, group,
				  "the route for `%.64s` is never reached: the one for `%.64s` at %s:%u comes first",
				  route->users, first->users, first->file, first->line);
}

void conf_route_clear(struct conf_route *route)
{
	free(route->users);
	free(route->upstream_user);
	free(route->source.text);
	free(route->source.auth_user);
	conf_folders_clear(&route->folders);
	free(route->file);
	*route = (struct conf_route){0};
}

/* ---- the section ----------------------------------------------------- */

/* Whether all of a list in the file was read. */
static bool is_whole(const config_setting_t *routes, const char *list, size_t count)
{
	const config_setting_t *setting = config_setting_get_member(config_setting_parent(routes), list);

	return setting != NULL && config_setting_length(setting) == (int)count && count > 0;
}

static void note_delimiter(struct conf *conf, char delimiter)
{
	size_t count = strlen(conf->folder_delimiters);

	if (delimiter != '\0' && strchr(conf->folder_delimiters, delimiter) == NULL && count < CONF_DELIMITERS)
		conf->folder_delimiters[count] = delimiter;
}

static void read_list(const struct conf_reader *reader, config_setting_t *list, struct conf *conf, struct order *order)
{
	const struct known known = {.backends = is_whole(list, "backends", conf->backend_count),
				    .listeners = is_whole(list, "listeners", conf->listener_count)};
	struct conf_route *route;
	config_setting_t *group;

	for (int i = 0; i < config_setting_length(list); i++) {
		route = &conf->routes[conf->route_count];
		if ((group = conf_section_element(reader, list, i)) == NULL)
			continue;
		if (read_route(reader, group, conf, &known, route) != 0) {
			conf_route_clear(route);
			continue;
		}
		check_reach(reader, group, conf, order, route);
		conf->needs_agent = conf->needs_agent || route->source.kind != CONF_SOURCE_CLIENT;
		note_delimiter(conf, route->folder_delimiter);
		remember(order, conf, conf->route_count++);
	}
}

void conf_read_routes(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	struct order order = {0};
	config_setting_t *list;
	size_t room;

	list = conf_section_list(reader, root, "routes", "users = \"*\"; backend = \"NAME\";");
	if (list == NULL)
		return;
	room = (size_t)config_setting_length(list);
	conf->routes = calloc(room, sizeof(*conf->routes));
	order.plain = calloc(room, sizeof(*order.plain));
	order.starred = calloc(room, sizeof(*order.starred));
	if (conf->routes == NULL || order.plain == NULL || order.starred == NULL)
		conf_reader_no_memory(reader);
	else
		read_list(reader, list, conf, &order);
	free(order.plain);
	free(order.starred);
}
