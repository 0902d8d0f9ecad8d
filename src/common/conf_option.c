/* conf_option - a configuration without a file, out of the command line's
 * options: writes the text of one and has it read like any other. Reads no
 * file. Runs in the supervisor. */
#include "common/conf.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_tree.h"
#include "common/conf_url.h"
#include "common/text.h"

#define SOURCE "--imap"

static void write_quoted(FILE *stream, const char *text)
{
	putc('"', stream);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', stream);
		putc(*text, stream);
	}
	putc('"', stream);
}

static void write_configuration(FILE *stream, const struct conf_url *url, const struct conf_endpoint *listen,
				const char *ca_file)
{
	const char *open = strchr(url->host, ':') != NULL ? "[" : "", *close = *open ? "]" : "";

	fprintf(stream,
		"listeners = ( { address = \"%s\"; port = %u; tls = \"none\"; cleartext_login = true; } );\n"
		"backends = ( { name = \"%s%s%s:%u\"; plugin = \"imap\";\n"
		"host = \"%s\"; port = %u; security = \"%s\";\n",
		listen->address, listen->port, open, url->host, close, url->port, url->host, url->port, url->security);
	if (ca_file != NULL) {
		fputs("ca_file = ", stream);
		write_quoted(stream, ca_file);
		fputs(";\n", stream);
	}
	fprintf(stream, "} );\nroutes = ( { users = \"*\"; backend = \"%s%s%s:%u\"; } );\n", open, url->host, close,
		url->port);
}

/* The text, for the caller to free; NULL without memory. */
static char *make_text(const struct conf_url *url, const struct conf_endpoint *listen, const char *ca_file)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	write_configuration(stream, url, listen, ca_file);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

static void check_ca_file(const char *ca_file, const struct conf_url *url, struct conf_report *report)
{
	size_t size = strlen(ca_file);

	if (url->security != NULL && strcmp(url->security, "none") == 0)
		conf_report_add(report, "--ca-file", 0, "has no use with security=none");
	if (size == 0)
		conf_report_add(report, "--ca-file", 0, "the file's name is empty");
	else if (!text_is_utf8(ca_file, size) || strpbrk(ca_file, "\r\n\t") != NULL)
		conf_report_add(report, "--ca-file", 0, "the file's name holds a control character or is not UTF-8");
}

static struct conf *build(const char *text, struct conf_report *report)
{
	struct conf *conf = conf_tree_new(SOURCE);
	struct conf_reader reader = {SOURCE, NULL, report, false};

	if (conf == NULL || text == NULL) {
		conf_reader_no_memory(&reader);
		return conf;
	}
	if ((reader.folder = conf->folder = getcwd(NULL, 0)) == NULL)
		conf_report_add(report, SOURCE, 0, "the current directory cannot be found");
	else if (config_read_string(conf->config, text) != CONFIG_TRUE)
		conf_report_add(report, SOURCE, 0, "%s", config_error_text((config_t *)conf->config));
	else
		conf_tree_read(&reader, conf);
	return conf;
}

struct conf *conf_from_url(const char *url, const char *listen, const char *ca_file, struct conf_report *report)
{
	struct conf_endpoint endpoint;
	struct conf_url parsed = {0};
	struct conf *conf;
	size_t before = report->count;
	const char *why;
	char *text;

	if (conf_url_parse(url, &parsed, &why) != 0)
		conf_report_add(report, SOURCE, 0, "%s", why);
	if (conf_url_parse_listen(listen == NULL ? "127.0.0.1:1110" : listen, &endpoint, &why) != 0)
		conf_report_add(report, "--listen", 0, "%s", why);
	if (ca_file != NULL)
		check_ca_file(ca_file, &parsed, report);
	if (report->count != before)
		return NULL;
	text = make_text(&parsed, &endpoint, ca_file);
	conf = build(text, report);
	free(text);
	if (report->count != before)
		conf_free(&conf);
	return conf;
}
