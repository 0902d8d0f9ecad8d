/* conf_listeners - the sections listeners and tls: where clients come in, and
 * with which certificate. Looks at the certificate's files, never into them.
 * Runs where conf does. */
#include "common/conf_sections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/conf_near.h"
#include "common/conf_networks.h"
#include "common/conf_strings.h"
#include "common/mechanism.h"

/* ---- tls ------------------------------------------------------------- */

static int check_file(const struct conf_reader *reader, config_setting_t *group, const char *key, const char *path,
		      struct stat *status_r)
{
	const char *why = NULL;

	if (stat(path, status_r) != 0)
		why = strerror(errno);
	else if (!S_ISREG(status_r->st_mode))
		why = "not a regular file";
	if (why == NULL)
		return 0;
	conf_reader_fault(reader, config_setting_get_member(group, key), "`%s` in `tls`: %s: %s", key, path, why);
	return -1;
}

/* A key of root's may be read by its group, as with Debian's ssl-cert. */
static bool is_private(const struct stat *status)
{
	mode_t others = status->st_mode & (S_IRWXG | S_IRWXO);

	return others == 0 || (others == S_IRGRP && status->st_uid == 0);
}

static void check_files(const struct conf_reader *reader, config_setting_t *group, const struct conf_tls *tls)
{
	struct stat status;

	check_file(reader, group, "certificate", tls->certificate, &status);
	if (check_file(reader, group, "key", tls->key, &status) == 0 && !is_private(&status))
		conf_reader_fault(reader, config_setting_get_member(group, "key"),
				  "`key` in `tls`: %s: others may use it (mode %04o): chmod 600 it", tls->key,
				  (unsigned)status.st_mode & 07777);
}

static void read_certificate(const struct conf_reader *reader, config_setting_t *group, struct conf *conf)
{
	struct conf_schema schema = {.what = "`tls`", .keys = conf_tls_keys};
	struct popgate_settings *settings = conf_keys_read(reader, group, &schema);
	struct conf_tls *tls = &conf->tls[conf->tls_count];

	if (settings == NULL)
		return;
	tls->certificate = conf_settings_take(settings, "certificate");
	tls->key = conf_settings_take(settings, "key");
	tls->file = conf_reader_place(reader, group, &tls->line);
	conf_settings_free(&settings);
	conf->tls_count++;
	check_files(reader, group, tls);
}

/* One certificate is a group, several are a list of groups. */
void conf_read_tls(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	config_setting_t *tls = config_setting_get_member(root, "tls"), *group;
	int count = tls != NULL && config_setting_is_list(tls) ? config_setting_length(tls) : 0;

	if (tls == NULL)
		return;
	if (!config_setting_is_group(tls) && count == 0) {
		conf_reader_fault(reader, tls,
				  "`tls` must be a group, or a list of groups: tls = { certificate = \"PATH\"; key = "
				  "\"PATH\"; };");
		return;
	}
	if ((conf->tls = calloc(count == 0 ? 1 : (size_t)count, sizeof(*conf->tls))) == NULL) {
		conf_reader_no_memory(reader);
		return;
	}
	if (count == 0)
		read_certificate(reader, tls, conf);
	for (int i = 0; i < count; i++)
		if ((group = conf_section_element(reader, tls, i)) != NULL)
			read_certificate(reader, group, conf);
}

/* ---- listeners ------------------------------------------------------- */

/* The address as the system writes it, so that equal ones are equal strings. */
static char *canonical(const char *address)
{
	unsigned char octets[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;

	if (inet_pton(family, address, octets) != 1)
		return NULL;
	return inet_ntop(family, octets, text, sizeof(text)) == NULL ? NULL : strdup(text);
}

static const char *address_remedy(const char *address)
{
	if (strcmp(address, "*") == 0)
		return "write \"0.0.0.0\" or \"::\" for all addresses";
	if (strcmp(address, "localhost") == 0)
		return "write \"127.0.0.1\" or \"::1\"";
	if (*address == '[')
		return "write it without brackets";
	return "write a numeric one, such as \"192.0.2.1\" or \"2001:db8::1\"";
}

static int read_address(const struct conf_reader *reader, config_setting_t *group,
			const struct popgate_settings *settings, struct conf_listener *listener)
{
	const char *address = conf_setting_string(settings, "address");

	if ((listener->address = canonical(address)) != NULL) /* fanalyzer: conf_free gives it back */
		return 0;
	conf_reader_fault(reader, config_setting_get_member(group, "address"),
			  "`address` in `listeners`: \"%.64s\" is no IP address: %s", address, address_remedy(address));
	return -1;
}

static int no_mechanism(const struct conf_reader *reader, config_setting_t *group, const char *name)
{
	char all[MECHANISM_LIST_MAX];
	struct conf_near near = {.word = name};

	for (unsigned i = 0; i < MECHANISMS; i++)
		conf_near_offer(&near, mechanism_name((enum mechanism)i));
	mechanism_list(~0u, " ", "", all);
	conf_reader_fault(reader, config_setting_get_member(group, "mechanisms"),
			  "`mechanisms` in `listeners`: there is no mechanism \"%.64s\"%s%s%s; there are%s", name,
			  near.best ? ": did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "",
			  all);
	return -1;
}

/* Mechanisms that nobody could use. */
static int check_mechanisms(const struct conf_reader *reader, config_setting_t *group, struct config_setting_t *root,
			    const struct conf_listener *listener)
{
	if ((listener->mechanisms & ~mechanism_challenging()) != 0 ||
	    config_setting_get_member(root, "accounts") != NULL)
		return 0;
	conf_reader_fault(reader, config_setting_get_member(group, "mechanisms"),
			  "`mechanisms` in `listeners`: all of these are for local accounts, and there are none: name "
			  "their file with `accounts`, or add a mechanism");
	return -1;
}

static int read_mechanisms(const struct conf_reader *reader, config_setting_t *group, struct conf_listener *listener)
{
	enum mechanism mechanism;
	const char **names;
	int result = 0;
	size_t count;

	if (conf_strings(reader, group, "mechanisms", "`listeners`", &names, &count) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!mechanism_find(names[i], strlen(names[i]), &mechanism)) {
			result = no_mechanism(reader, group, names[i]);
			continue;
		}
		listener->mechanisms |= MECHANISM_BIT(mechanism);
		if (mechanism_is_built(mechanism))
			continue;
		conf_reader_fault(reader, config_setting_get_member(group, "mechanisms"),
				  "`mechanisms` in `listeners`: this popgate was built without GNU libgsasl, which %s "
				  "needs: leave it out, or build popgate with it",
				  mechanism_name(mechanism));
		result = -1;
	}
	if (names != NULL && count == 0) {
		conf_reader_fault(reader, config_setting_get_member(group, "mechanisms"),
				  "`mechanisms` in `listeners` is empty: nobody could log in here: list what is "
				  "offered, or leave it out");
		result = -1;
	} else if (names == NULL) {
		listener->mechanisms = mechanism_default();
	}
	free(names);
	return result;
}

/* Whether somebody can log in without TLS and without revealing anything. */
static bool is_challenging(config_setting_t *group, const struct conf_listener *listener)
{
	return config_setting_get_member(group, "mechanisms") != NULL &&
	       (listener->mechanisms & mechanism_challenging() & ~mechanism_bound()) != 0;
}

/* TLS that isn't there, and logins that nobody could make. */
static int check_tls(const struct conf_reader *reader, config_setting_t *group, struct config_setting_t *root,
		     const struct conf_listener *listener)
{
	config_setting_t *tls = config_setting_get_member(group, "tls");

	if (listener->tls == CONF_TLS_NONE && !listener->cleartext_login && !is_challenging(group, listener))
		conf_reader_fault(reader, tls,
				  "`tls = \"none\"` without `cleartext_login = true`: nobody could log in here: give "
				  "this listener TLS or, in a network you trust, allow clear-text logins");
	else if (listener->tls == CONF_TLS_IMPLICIT && listener->cleartext_login)
		conf_reader_fault(reader, config_setting_get_member(group, "cleartext_login"),
				  "`cleartext_login = true` has no use with `tls = \"implicit\"`: remove it");
	else if (listener->tls != CONF_TLS_NONE && config_setting_get_member(root, "tls") == NULL)
		conf_reader_fault(reader, tls,
				  "`tls = \"%s\"` needs a certificate: add tls = { certificate = \"PATH\"; key = "
				  "\"PATH\"; };",
				  config_setting_get_string(tls));
	else if (listener->tls == CONF_TLS_NONE && config_setting_get_member(group, "profile") != NULL)
		conf_reader_fault(reader, config_setting_get_member(group, "profile"),
				  "`profile` has no use with `tls = \"none\"`: remove it");
	else
		return 0;
	return -1;
}

/* Whoever may say whose a connection is must be named: anybody could say anything. */
static int read_proxies(const struct conf_reader *reader, config_setting_t *group,
			const struct popgate_settings *settings, struct conf_listener *listener)
{
	config_setting_t *wanted = config_setting_get_member(group, "proxy_protocol");
	config_setting_t *networks = config_setting_get_member(group, "proxy_networks");
	bool on = conf_setting_bool(settings, "proxy_protocol") != 0;

	if (conf_networks(reader, group, "proxy_networks", "`listeners`", &listener->proxies, &listener->proxy_count) !=
	    0)
		return -1;
	if (on == (listener->proxy_count > 0))
		return 0;
	conf_reader_fault(reader, on ? wanted : networks,
			  on ? "`proxy_protocol = true` needs the proxies' addresses: add proxy_networks = "
			       "(\"192.0.2.1\", \"10.0.0.0/8\");"
			     : "`proxy_networks` has no use without `proxy_protocol = true`: set that, or remove it");
	return -1;
}

/* Its own, or what stands for all. */
static int read_names(const struct conf_reader *reader, config_setting_t *group, struct popgate_settings *settings,
		      const struct conf *conf, struct conf_listener *listener)
{
	listener->percent_domain = config_setting_get_member(group, "percent_domain") != NULL
				       ? conf_setting_bool(settings, "percent_domain") != 0
				       : conf->percent_domain;
	if (conf_domain(reader, group, "`listeners`", settings, &listener->default_domain) != 0)
		return -1;
	if (listener->default_domain != NULL || conf->default_domain == NULL)
		return 0;
	if ((listener->default_domain = strdup(conf->default_domain)) != NULL) /* fanalyzer: conf_free gives it back */
		return 0;
	conf_reader_no_memory(reader);
	return -1;
}

static int read_listener(const struct conf_reader *reader, config_setting_t *group, struct config_setting_t *root,
			 const struct conf *conf, struct conf_listener *listener)
{
	struct conf_schema schema = {.what = "`listeners`", .keys = conf_listener_keys, .others = conf_listener_others};
	struct popgate_settings *settings = conf_keys_read(reader, group, &schema);
	int result;

	if (settings == NULL)
		return -1;
	result = read_address(reader, group, settings, listener) | read_mechanisms(reader, group, listener);
	listener->name = conf_settings_take(settings, "name");
	listener->port = (unsigned)conf_setting_int(settings, "port");
	listener->tls = (enum conf_listener_tls)conf_settings_choice(settings, "tls");
	listener->profile = (enum conf_profile)conf_settings_choice(settings, "profile");
	listener->cleartext_login = conf_setting_bool(settings, "cleartext_login") != 0;
	listener->file = conf_reader_place(reader, group, &listener->line);
	if (read_proxies(reader, group, settings, listener) != 0 ||
	    read_names(reader, group, settings, conf, listener) != 0)
		result = -1;
	conf_settings_free(&settings);
	if (listener->file == NULL || check_tls(reader, group, root, listener) != 0 ||
	    (listener->mechanisms != 0 && check_mechanisms(reader, group, root, listener) != 0))
		return -1;
	return result;
}

static bool is_wildcard(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Whether two listeners want the same port of the same address. */
static bool collide(const struct conf_listener *a, const struct conf_listener *b)
{
	bool a6 = strchr(a->address, ':') != NULL, b6 = strchr(b->address, ':') != NULL;

	if (a->port == 0 || a->port != b->port || a6 != b6)
		return false;
	return strcmp(a->address, b->address) == 0 || is_wildcard(a->address) || is_wildcard(b->address);
}

static int check_collision(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
			   const struct conf_listener *listener)
{
	for (size_t i = 0; i < conf->listener_count; i++) {
		const struct conf_listener *other = &conf->listeners[i];

		if (!collide(other, listener))
			continue;
		conf_reader_fault(reader, group, "port %u of %s is taken by the listener at %s:%u", listener->port,
				  listener->address, other->file, other->line);
		return -1;
	}
	return 0;
}

static int check_name(const struct conf_reader *reader, config_setting_t *group, const struct conf *conf,
		      const struct conf_listener *listener)
{
	for (size_t i = 0; listener->name != NULL && i < conf->listener_count; i++) {
		const struct conf_listener *other = &conf->listeners[i];

		if (other->name == NULL || strcmp(other->name, listener->name) != 0)
			continue;
		conf_reader_fault(reader, config_setting_get_member(group, "name"),
				  "`name` in `listeners`: the listener at %s:%u is called `%.64s` too", other->file,
				  other->line, listener->name);
		return -1;
	}
	return 0;
}

void conf_listener_clear(struct conf_listener *listener)
{
	free(listener->name);
	free(listener->address);
	free(listener->proxies);
	free(listener->default_domain);
	free(listener->file);
	*listener = (struct conf_listener){0};
}

void conf_read_listeners(const struct conf_reader *reader, struct config_setting_t *root, struct conf *conf)
{
	config_setting_t *group, *list;
	struct conf_listener *listener;

	list = conf_section_list(reader, root, "listeners",
				 "address = \"127.0.0.1\"; port = 110; tls = \"none\"; cleartext_login = true;");
	if (list == NULL)
		return;
	conf->listeners = calloc((size_t)config_setting_length(list), sizeof(*conf->listeners));
	if (conf->listeners == NULL) {
		conf_reader_no_memory(reader);
		return;
	}
	for (int i = 0; i < config_setting_length(list); i++) {
		listener = &conf->listeners[conf->listener_count];
		if ((group = conf_section_element(reader, list, i)) == NULL)
			continue;
		if (read_listener(reader, group, root, conf, listener) == 0 &&
		    check_collision(reader, group, conf, listener) == 0 &&
		    check_name(reader, group, conf, listener) == 0) {
			conf->listener_count++;
			continue;
		}
		conf_listener_clear(listener);
	}
}
