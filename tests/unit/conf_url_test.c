/* Tests of the URLs and addresses of the command line, and of the configuration
 * that is made of them. */
#include "conf_support.h"

#include "common/conf_url.h"

static void urls(void **state)
{
	static const struct {
		const char *url, *host;
		unsigned port;
		const char *security;
	} cases[] = {
	    {"imaps://imap.example.org", "imap.example.org", 993, "tls"},
	    {"imaps://imap.example.org/", "imap.example.org", 993, "tls"},
	    {"IMAPS://imap.example.org:1993", "imap.example.org", 1993, "tls"},
	    {"imap://imap.example.org", "imap.example.org", 143, "starttls"},
	    {"imap://imap.example.org:65535", "imap.example.org", 65535, "starttls"},
	    {"imap://imap.example.org?security=none", "imap.example.org", 143, "none"},
	    {"imap://localhost:1143/?security=none", "localhost", 1143, "none"},
	    {"imaps://192.0.2.1:1", "192.0.2.1", 1, "tls"},
	    {"imaps://[2001:db8::1]", "2001:db8::1", 993, "tls"},
	    {"imaps://[::1]:10993", "::1", 10993, "tls"},
	};
	struct conf_url url;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(conf_url_parse(cases[i].url, &url, &why), 0);
		assert_string_equal(url.host, cases[i].host);
		assert_int_equal(url.port, cases[i].port);
		assert_string_equal(url.security, cases[i].security);
	}
}

#define PORT	"--imap: the port must be a number of 65535 at most\n"
#define ZERO	"--imap: the port must not be 0\n"
#define BLANK	"--imap: the URL holds a blank, a control character or something that is not ASCII\n"
#define USER	"--imap: a user name or password has no place in the URL: clients bring their own\n"
#define HOST	"--imap: the host is missing\n"
#define NAME	"--imap: the host is neither a DNS name nor an IP address\n"
#define QUERY	"--imap: the only thing that may follow `?` is security=none\n"
#define PATH	"--imap: a path has no meaning here: a folder is named in a configuration file\n"
#define SCHEME	"--imap: the URL must begin with imaps:// or imap://\n"
#define BRACKET "--imap: an IPv6 address must stand in brackets: [::1]\n"

static void bad_urls(void **state)
{
	static const struct {
		const char *url, *fault;
	} cases[] = {
	    {"", SCHEME},
	    {"imap.example.org", SCHEME},
	    {"imap:imap.example.org", SCHEME},
	    {"pop3://imap.example.org", SCHEME},
	    {"imaps://", HOST},
	    {"imaps://:993", HOST},
	    {"imaps:///INBOX", HOST},
	    {"imaps://[]", HOST},
	    {"imaps://bob@imap.example.org", USER},
	    {"imaps://bob:s3cret@imap.example.org", USER},
	    {"imaps://@imap.example.org", USER},
	    {"imaps://imap.example.org/INBOX", PATH},
	    {"imaps://imap.example.org//", PATH},
	    {"imaps://imap.example.org#x", "--imap: a fragment (#...) has no meaning here\n"},
	    {"imap://imap.example.org?", QUERY},
	    {"imap://imap.example.org?security=tls", QUERY},
	    {"imap://imap.example.org?security=none&x=1", QUERY},
	    {"imap://imap.example.org?folder=x", QUERY},
	    {"imaps://imap.example.org?security=none", "--imap: security=none contradicts imaps: write imap://\n"},
	    {"imaps://imap.example.org:0", ZERO},
	    {"imaps://imap.example.org:65536", PORT},
	    {"imaps://imap.example.org:99999999999999999999", PORT},
	    {"imaps://imap.example.org:", PORT},
	    {"imaps://imap.example.org:99x", PORT},
	    {"imaps://imap.example.org:-1", PORT},
	    {"imaps://imap.example.org:+1", PORT},
	    {"imaps://imap.exa mple.org", BLANK},
	    {"imaps://imap.example.org\r\nX", BLANK},
	    {"imaps://imap.example.org\n", BLANK},
	    {"imaps://b\xc3\xbc"
	     "cher.example",
	     BLANK},
	    {"imaps://imap_.ex%41mple.org", NAME},
	    {"imaps://.example.org", NAME},
	    {"imaps://-example.org", NAME},
	    {"imaps://example..org", NAME},
	    {"imaps://ex\"ample.org", NAME},
	    {"imaps://::1", BRACKET},
	    {"imaps://2001:db8::1:993", BRACKET},
	    {"imaps://[::1", "--imap: the `]` after the IPv6 address is missing\n"},
	    {"imaps://[1.2.3.4]", "--imap: what stands in brackets is no IPv6 address\n"},
	    {"imaps://[::1]x", "--imap: only `:PORT` may follow the host\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf_report report = {0};
		char *faults;

		assert_null(conf_from_url(cases[i].url, NULL, NULL, &report));
		faults = support_faults(&report);
		assert_string_equal(faults, cases[i].fault);
		free(faults);
	}
}

static void long_hosts(void **state)
{
	char text[300] = "imaps://";
	struct conf_url url;
	const char *why;

	(void)state;
	memset(text + 8, 'a', CONF_URL_HOST - 1);
	assert_int_equal(conf_url_parse(text, &url, &why), 0);
	assert_int_equal(strlen(url.host), CONF_URL_HOST - 1);
	text[8 + CONF_URL_HOST - 1] = 'a';
	assert_int_equal(conf_url_parse(text, &url, &why), -1);
	assert_string_equal(why, "the host's name is too long");
}

static void addresses(void **state)
{
	static const struct {
		const char *listen, *address;
		unsigned port;
	} cases[] = {
	    {"127.0.0.1:1110", "127.0.0.1", 1110},
	    {"127.8.9.10:0", "127.8.9.10", 0},
	    {"[::1]:65535", "::1", 65535},
	    {"1110", "127.0.0.1", 1110},
	    {"0", "127.0.0.1", 0},
	};
	struct conf_endpoint endpoint;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(conf_url_parse_listen(cases[i].listen, &endpoint, &why), 0);
		assert_string_equal(endpoint.address, cases[i].address);
		assert_int_equal(endpoint.port, cases[i].port);
	}
}

#define LOOPBACK                                                                                                       \
	"only a loopback address will do without a configuration file: to serve a network, write one with a TLS "      \
	"listener, see popgate.conf(5)"
#define NUMERIC "the address must be a numeric one, such as 127.0.0.1:1110 or [::1]:1110"
#define FORM	"must be ADDRESS:PORT, [IPV6]:PORT or PORT, the port from 0 to 65535"

static void bad_addresses(void **state)
{
	static const struct {
		const char *listen, *why;
	} cases[] = {
	    {"0.0.0.0:110", LOOPBACK},
	    {"192.0.2.1:110", LOOPBACK},
	    {"[::]:110", LOOPBACK},
	    {"[::ffff:127.0.0.1]:110", LOOPBACK},
	    {"localhost:110", NUMERIC},
	    {"127.1:110", NUMERIC},
	    {"", FORM},
	    {"65536", FORM},
	    {"127.0.0.1", FORM},
	    {"::1:110", "an IPv6 address must stand in brackets: [::1]"},
	    {"[::1]", "the port is missing"},
	    {":110", "the host is missing"},
	    {"127.0.0.1:", "the port must be a number of 65535 at most"},
	    {"127.0.0.1:65536", "the port must be a number of 65535 at most"},
	    {"127.0.0.1:1 ", "the address holds a blank, a control character or something that is not ASCII"},
	};
	struct conf_endpoint endpoint;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(conf_url_parse_listen(cases[i].listen, &endpoint, &why), -1);
		assert_string_equal(why, cases[i].why);
	}
}

/* ---- conf_from_url --------------------------------------------------- */

static const char *const securities[] = {"tls", "starttls", "none", NULL};
static const struct popgate_key keys[] = {
    {"host", POPGATE_KEY_STRING, POPGATE_KEY_REQUIRED, NULL, 0, 0, NULL, ""},
    {"port", POPGATE_KEY_INT, 0, NULL, 1, 65535, NULL, ""},
    {"security", POPGATE_KEY_CHOICE, 0, "tls", 0, 0, securities, ""},
    {"ca_file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, ""},
    {0},
};

static void a_whole_configuration(void **state)
{
	struct conf_report report = {0};
	struct conf *conf = conf_from_url("imap://mail.example.org", NULL, "a\"\\b.pem", &report);
	struct popgate_settings *settings;
	char file[80];

	assert_non_null(conf);
	assert_int_equal(conf->listener_count, 1);
	assert_string_equal(conf->listeners[0].address, "127.0.0.1");
	assert_int_equal(conf->listeners[0].port, 1110);
	assert_int_equal(conf->listeners[0].tls, CONF_TLS_NONE);
	assert_true(conf->listeners[0].cleartext_login);
	assert_int_equal(conf->backend_count, 1);
	assert_string_equal(conf->backends[0].name, "mail.example.org:143");
	assert_string_equal(conf->backends[0].plugin, "imap");
	assert_string_equal(conf->backends[0].file, "--imap");
	assert_int_equal(conf->backends[0].line, 0);
	assert_int_equal(conf->route_count, 1);
	assert_string_equal(conf->routes[0].users, "*");
	assert_string_equal(conf->routes[0].upstream_user, "%u");
	assert_int_equal(conf->limits.idle_timeout, 600000);
	assert_string_equal(conf->source, "--imap");
	settings = conf_backend_settings(conf, &conf->backends[0], keys, &report);
	assert_non_null(settings);
	conf_free(&conf);
	snprintf(file, sizeof(file), "%s/a\"\\b.pem", (char *)*state);
	assert_string_equal(conf_setting_string(settings, "host"), "mail.example.org");
	assert_int_equal(conf_setting_int(settings, "port"), 143);
	assert_string_equal(conf_setting_string(settings, "security"), "starttls");
	assert_string_equal(conf_setting_string(settings, "ca_file"), file);
	conf_settings_free(&settings);
	assert_int_equal(report.count, 0);
}

static void other_listeners_and_hosts(void **state)
{
	struct conf_report report = {0};
	struct conf *conf = conf_from_url("imaps://[2001:db8:0::1]", "[::1]:0", NULL, &report);
	struct popgate_settings *settings;

	(void)state;
	assert_non_null(conf);
	assert_string_equal(conf->listeners[0].address, "::1");
	assert_int_equal(conf->listeners[0].port, 0);
	assert_string_equal(conf->backends[0].name, "[2001:db8:0::1]:993");
	settings = conf_backend_settings(conf, &conf->backends[0], keys, &report);
	assert_string_equal(conf_setting_string(settings, "host"), "2001:db8:0::1");
	assert_string_equal(conf_setting_string(settings, "security"), "tls");
	assert_null(conf_setting_string(settings, "ca_file"));
	conf_settings_free(&settings);
	conf_free(&conf);
}

static void faults_name_the_option(void **state)
{
	static const struct popgate_key few[] = {{"host", POPGATE_KEY_INT, 0, NULL, 0, 0, NULL, ""}, {0}};
	struct conf_report report = {0};
	struct conf *conf;
	char *faults;

	(void)state;
	assert_null(conf_from_url("imaps://h:0", "192.0.2.1:1", "a\nb", &report));
	faults = support_faults(&report);
	assert_string_equal(faults, ZERO "--listen: " LOOPBACK "\n"
					 "--ca-file: the file's name holds a control character or is not UTF-8\n");
	free(faults);
	assert_null(conf_from_url("imaps://h", NULL, "", &report));
	faults = support_faults(&report);
	assert_string_equal(faults, "--ca-file: the file's name is empty\n");
	free(faults);
	assert_null(conf_from_url("imap://h?security=none", NULL, "ca.pem", &report));
	faults = support_faults(&report);
	assert_string_equal(faults, "--ca-file: has no use with security=none\n");
	free(faults);
	conf = conf_from_url("imaps://h", NULL, NULL, &report);
	assert_non_null(conf);
	assert_null(conf_backend_settings(conf, &conf->backends[0], few, &report));
	faults = support_faults(&report);
	assert_string_equal(faults,
			    "--imap: unknown key `port` in backend `h:993`: did you mean `host`?\n"
			    "--imap: unknown key `security` in backend `h:993`: it takes `name`, `plugin`, `host`\n"
			    "--imap: `host` in backend `h:993` takes a number, not a string\n");
	free(faults);
	conf_free(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(urls),
	    cmocka_unit_test(bad_urls),
	    cmocka_unit_test(long_hosts),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(bad_addresses),
	    cmocka_unit_test(a_whole_configuration),
	    cmocka_unit_test(other_listeners_and_hosts),
	    cmocka_unit_test(faults_name_the_option),
	};

	return cmocka_run_group_tests(tests, support_enter, support_leave);
}
