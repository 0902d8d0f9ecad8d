/* login_browser - see login.h. */
#include "agent/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/form.h"
#include "agent/landing.h"
#include "agent/pkce.h"
#include "common/deadline.h"
#include "common/fault.h"

struct browser {
	char state[PKCE_SIZE], verifier[PKCE_SIZE], challenge[PKCE_SIZE];
	char redirect[64];
	struct landing landing;
};

/* What the provider is asked for. 0 or -1: too long. */
static int make_query(const struct login_options *options, const struct browser *browser, struct form *query)
{
	const struct conf_provider *provider = options->provider;

	form_add(query, "response_type", "code");
	form_add(query, "client_id", provider->client_id);
	form_add(query, "redirect_uri", browser->redirect);
	form_add(query, "scope", provider->scope);
	form_add(query, "state", browser->state);
	form_add(query, "code_challenge", browser->challenge);
	form_add(query, "code_challenge_method", "S256");
	form_add(query, "login_hint", options->mailbox);
	if (provider->preset == CONF_PRESET_GOOGLE) { /* else it gives no refresh token the second time */
		form_add(query, "access_type", "offline");
		form_add(query, "prompt", "consent");
	}
	return query->full ? -1 : 0;
}

static void show(const struct login_options *options, const struct browser *browser, const struct form *query)
{
	const unsigned port = browser->landing.port;
	const char *endpoint = options->provider->authorization_endpoint;

	printf(LOGIN_HEADLINE "Open this address in a browser:\n\n%s%c%s\n\n", options->user, options->provider->name,
	       endpoint, strchr(endpoint, '?') == NULL ? '?' : '&', query->text);
	printf("In a browser on this machine, that is all. From another machine, either connect by\n\n"
	       "    ssh -L %u:127.0.0.1:%u ...\n\n"
	       "before you open it; or open it, and when the browser ends at an address that begins with\n"
	       "%s, and cannot show it, copy that whole address and paste it here.\n\n"
	       "Waiting for you to do that (%d minutes at most; Ctrl-C gives up)\n",
	       port, port, browser->redirect, LOGIN_PATIENCE / 60000);
	fflush(stdout);
}

static int prepare(const struct login_options *options, struct browser *browser, struct popgate_error *error)
{
	/* Microsoft takes any port with a registered http://localhost, and with that name alone, which may be either */
	const bool by_name = options->provider->preset == CONF_PRESET_MICROSOFT;

	if (pkce_random(browser->state) != 0 || pkce_random(browser->verifier) != 0 ||
	    pkce_challenge(browser->verifier, browser->challenge) != 0)
		return fault_set(error, POPGATE_TEMP, "there are no random numbers");
	if (landing_open(options->port, by_name, &browser->landing, error) != 0)
		return -1;
	snprintf(browser->redirect, sizeof(browser->redirect), "http://%s:%u", by_name ? "localhost" : "127.0.0.1",
		 browser->landing.port);
	return 0;
}

static int exchange(const struct login_options *options, const struct browser *browser, const char *code,
		    struct token *token, struct popgate_error *error)
{
	const struct grant grant = {
	    .by = GRANT_BY_CODE, .code = code, .verifier = browser->verifier, .redirect = browser->redirect};
	int64_t wait;

	return grant_ask(options->oauth, options->provider, &grant, token, &wait, error) == GRANT_OK ? 0 : -1;
}

int login_by_browser(const struct login_options *options, struct token *token, struct popgate_error *error)
{
	struct form *query = calloc(1, sizeof(*query));
	char code[REDIRECT_CODE] = "";
	struct browser browser = {.landing = {.listeners = {-1, -1}}};
	const struct redirect_expected expected = {
	    .state = browser.state, .issuer = options->provider->issuer, .issuer_told = options->provider->issuer_told};
	int result = prepare(options, &browser, error);

	if (result == 0 && (query == NULL || make_query(options, &browser, query) != 0))
		result = fault_set(error, POPGATE_PERM, "the address would be too long, or memory is short");
	if (result == 0) {
		show(options, &browser, query);
		result =
		    landing_await(&browser.landing, STDIN_FILENO, &expected, deadline_in(LOGIN_PATIENCE), code, error);
	}
	landing_close(&browser.landing);
	if (result == 0)
		result = exchange(options, &browser, code, token, error);
	secret_wipe(&browser, sizeof(browser));
	secret_wipe(code, sizeof(code));
	free(query);
	return result;
}
