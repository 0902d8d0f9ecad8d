/* conf - see conf.h. Reads the configuration file and nothing else; holds no
 * secret. Supervisor and `popgate check`; the other processes inherit the result.
 *
 * The file is read twice: first by conf_scan, for what libconfig gets wrong,
 * then by libconfig. */
#include "common/conf.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_double.h"
#include "common/conf_literal.h"
#include "common/conf_sections.h"
#include "common/conf_tree.h"

/* ---- the tree -------------------------------------------------------- */

struct scan {
	const struct conf_reader *reader;
	struct conf_literals literals;
	struct conf_doubles doubles;
};

static int note_token(void *context, const struct conf_token *token)
{
	struct scan *scan = context;

	if (token->type == CONF_TOKEN_INTEGER && conf_literals_note(&scan->literals, scan->reader, token) != 0)
		return -1;
	if (conf_doubles_note(&scan->doubles, token) == 0)
		return 0;
	conf_reader_no_memory(scan->reader);
	return -1;
}

/* What libconfig says is short; this says what to do. */
static void parse_fault(const struct scan *scan, const config_t *config)
{
	const struct conf_reader *reader = scan->reader;
	const char *file = config_error_file(config), *text = config_error_text(config);
	const struct conf_double_key *again = scan->doubles.again;
	unsigned line = config_error_line(config) < 0 ? 0 : (unsigned)config_error_line(config);
	char *place = NULL;

	if (file != NULL && strcmp(file, reader->source) != 0)
		file = place = conf_reader_beside(reader->source, file);
	if (file == NULL)
		file = reader->source;
	if (text == NULL)
		text = "cannot be read";
	if (strcmp(text, "duplicate setting name") == 0 && again != NULL && again->line == line)
		conf_report_add(reader->report, file, line, "`%s` stands twice: remove this one or the one at %s:%u",
				again->name, scan->doubles.first_file, scan->doubles.first_line);
	else if (strcmp(text, "syntax error") == 0)
		conf_report_add(
		    reader->report, file, line,
		    "syntax error: look for a missing `=`, `;`, quote or bracket here or on the line before");
	else
		conf_report_add(reader->report, file, line, "%s", text);
	free(place);
}

static int parse(struct scan *scan, config_t *config)
{
	const struct conf_reader *reader = scan->reader;

	if (conf_scan(reader, reader->folder, note_token, scan) != 0)
		return -1;
	config_set_include_dir(config, reader->folder);
	if (config_read_file(config, reader->source) != CONFIG_TRUE) {
		parse_fault(scan, config);
		return -1;
	}
	return conf_literals_apply(&scan->literals, reader, config_root_setting(config));
}

static int read_file(const struct conf_reader *reader, config_t *config)
{
	struct scan scan = {.reader = reader};
	int result = parse(&scan, config);

	conf_literals_free(&scan.literals);
	conf_doubles_free(&scan.doubles);
	return result;
}

/* ---- the configuration ----------------------------------------------- */

void conf_tree_read(const struct conf_reader *reader, struct conf *conf)
{
	config_setting_t *root = config_root_setting((config_t *)conf->config);

	conf_read_top(reader, root, conf);
	conf_read_tls(reader, root, conf);
	conf_read_listeners(reader, root, conf);
	conf_read_backends(reader, root, conf);
	conf_read_providers(reader, root, conf);
	conf_read_routes(reader, root, conf);
	conf_read_limits(reader, root, conf);
	conf_read_log(reader, root, conf);
}

struct conf *conf_tree_new(const char *source)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	config_t *config = calloc(1, sizeof(*config));

	if (conf == NULL || config == NULL || (conf->source = strdup(source)) == NULL) {
		free(conf);
		free(config);
		return NULL;
	}
	config_init(config);
	conf->config = config;
	return conf;
}

/* The absolute folder of a file; NULL when it has none to be found. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *given = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	char *folder = given == NULL ? NULL : realpath(given, NULL);

	free(given);
	return folder;
}

int conf_tree_parse(struct conf *conf, bool secret, struct conf_report *report)
{
	struct conf_reader reader = {conf->source, NULL, report, secret};

	reader.folder = conf->folder = folder_of(conf->source);
	if (conf->folder != NULL)
		return read_file(&reader, conf->config);
	conf_report_add(report, conf->source, 0, "cannot be read: its folder is not there, or closed to this user");
	return -1;
}

struct conf *conf_read(const char *path, struct conf_report *report)
{
	struct conf *conf = conf_tree_new(path);
	struct conf_reader reader = {path, NULL, report, false};
	size_t before = report->count;

	if (conf == NULL) {
		conf_reader_no_memory(&reader);
		return NULL;
	}
	if (conf_tree_parse(conf, false, report) == 0) {
		reader.folder = conf->folder;
		conf_tree_read(&reader, conf);
	}
	if (report->count != before)
		conf_free(&conf);
	return conf;
}

static void free_entries(struct conf *conf)
{
	for (size_t i = 0; i < conf->listener_count; i++)
		conf_listener_clear(&conf->listeners[i]);
	for (size_t i = 0; i < conf->backend_count; i++) {
		free(conf->backends[i].name);
		free(conf->backends[i].plugin);
		free(conf->backends[i].file);
	}
	for (size_t i = 0; i < conf->route_count; i++)
		conf_route_clear(&conf->routes[i]);
	for (size_t i = 0; i < conf->tls_count; i++) {
		free(conf->tls[i].certificate);
		free(conf->tls[i].key);
		free(conf->tls[i].file);
	}
	for (size_t i = 0; i < conf->provider_count; i++)
		conf_provider_clear(&conf->providers[i]);
	free(conf->providers);
	free(conf->listeners);
	free(conf->tls);
	free(conf->backends);
	free(conf->routes);
}

void conf_free(struct conf **conf)
{
	struct conf *old = *conf;

	if (old == NULL)
		return;
	free_entries(old);
	free(old->log.path);
	free(old->accounts_file);
	free(old->default_domain);
	free(old->user);
	free(old->runtime_directory);
	free(old->plugin_directory);
	free(old->state_directory);
	free(old->token_key_file);
	free(old->token_key_credential);
	free(old->source);
	free(old->folder);
	config_destroy(old->config);
	free(old->config);
	free(old);
	*conf = NULL;
}
