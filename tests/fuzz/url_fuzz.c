/* url: what may stand behind --imap and --listen. What is taken is a host, a port and a security that mean the same
 * when they are written out; why something is refused never repeats it. */
#include <arpa/inet.h>

#include "common/conf.h"
#include "common/conf_url.h"

#include "fuzz.h"

static void check_url(const char *text)
{
	struct conf_url url, again;
	char written[400];
	const char *why = NULL;
	bool v6;

	if (conf_url_parse(text, &url, &why) != 0) {
		REQUIRE(why != NULL && *why != '\0');
		return;
	}
	REQUIRE(memchr(url.host, '\0', sizeof(url.host)) != NULL && *url.host != '\0');
	REQUIRE(url.port >= 1 && url.port <= 65535);
	for (const char *at = url.host; *at != '\0'; at++)
		REQUIRE(*at > 0x20 && *at < 0x7f && strchr("@/?#[]\"\\", *at) == NULL);
	v6 = strchr(url.host, ':') != NULL;
	snprintf(written, sizeof(written), "%s://%s%s%s:%u%s", strcmp(url.security, "tls") == 0 ? "imaps" : "imap",
		 v6 ? "[" : "", url.host, v6 ? "]" : "", url.port,
		 strcmp(url.security, "none") == 0 ? "?security=none" : "");
	REQUIRE(conf_url_parse(written, &again, &why) == 0);
	REQUIRE(strcmp(again.host, url.host) == 0 && again.port == url.port && again.security == url.security);
}

static void check_listen(const char *text)
{
	struct conf_endpoint endpoint;
	const char *why = NULL;
	struct in6_addr v6;
	struct in_addr v4;

	if (conf_url_parse_listen(text, &endpoint, &why) != 0) {
		REQUIRE(why != NULL && *why != '\0');
		return;
	}
	REQUIRE(endpoint.port <= 65535);
	if (inet_pton(AF_INET, endpoint.address, &v4) == 1)
		REQUIRE(ntohl(v4.s_addr) >> 24 == 127);
	else
		REQUIRE(inet_pton(AF_INET6, endpoint.address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

static void check_configuration(const char *url, const char *listen)
{
	struct conf_report report = {0};
	struct conf *conf = conf_from_url(url, listen, NULL, &report);

	REQUIRE((conf == NULL) == (report.count > 0));
	if (conf != NULL) {
		REQUIRE(conf->listener_count == 1 && conf->backend_count == 1 && conf->route_count == 1);
		REQUIRE(conf->routes[0].backend == 0 && conf->fronts > 0);
	}
	for (const struct conf_fault *fault = report.first; fault != NULL; fault = fault->next)
		REQUIRE(strncmp(fault->text, "--", 2) == 0 && strchr(fault->text, '\n') == NULL);
	conf_report_free(&report);
	conf_free(&conf);
}

/* The URL, and behind a NUL the address. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *listen = text + strlen(text);

	listen += listen < text + size;
	check_url(text);
	check_listen(listen);
	check_listen(text);
	check_configuration(text, *listen != '\0' ? listen : NULL);
	free(text);
	return 0;
}
