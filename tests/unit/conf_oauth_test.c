/* Tests of the section oauth: what presets fill in, and what is refused. */

#include "conf_support.h"

#define KEY	    "token_key_file = \"/etc/popgate/token.key\";\n"
#define OAUTH(text) LISTENERS BACKENDS ROUTES KEY "oauth = ({ " text " });\n"
#define OWN	    "name = \"own\"; client_id = \"c\"; token_endpoint = \"https://login.example/token\"; "

struct refusal {
	const char *text, *fault;
};

static void presets_are_complete(void **state)
{
	struct conf *conf = support_read(
	    LISTENERS BACKENDS ROUTES KEY
	    "oauth = ({ name = \"g\"; preset = \"google\"; client_id = \"1\"; client_secret_file = \"g.secret\"; },"
	    "{ name = \"m\"; preset = \"microsoft\"; client_id = \"2\"; },"
	    "{ name = \"a\"; preset = \"microsoft\"; tenant = \"example.org\"; client_id = \"3\"; grant = "
	    "\"client_credentials\"; certificate = \"/c.pem\"; key = \"/c.key\"; assertion = \"RS256\"; },"
	    "{ name = \"y\"; preset = \"yahoo\"; client_id = \"4\"; scope = \"mail-r\"; });\n");
	const struct conf_provider *google = &conf->providers[0], *microsoft = &conf->providers[1],
				   *application = &conf->providers[2], *yahoo = &conf->providers[3];

	(void)state;
	assert_int_equal(conf->provider_count, 4);
	assert_string_equal(google->scope, "https://mail.google.com/");
	assert_string_equal(google->token_endpoint, "https://oauth2.googleapis.com/token");
	assert_null(google->device_endpoint);
	assert_non_null(google->authorization_endpoint);
	assert_int_equal(google->client_secret_file[0], '/');
	assert_string_equal(microsoft->scope, "https://outlook.office.com/IMAP.AccessAsUser.All offline_access");
	assert_string_equal(microsoft->token_endpoint, "https://login.microsoftonline.com/common/oauth2/v2.0/token");
	assert_string_equal(microsoft->device_endpoint,
			    "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode");
	assert_string_equal(application->scope, "https://outlook.office365.com/.default");
	assert_string_equal(application->token_endpoint,
			    "https://login.microsoftonline.com/example.org/oauth2/v2.0/token");
	assert_int_equal(application->grant, CONF_GRANT_CLIENT_CREDENTIALS);
	assert_int_equal(application->assertion, CONF_ASSERTION_RS256);
	assert_string_equal(yahoo->scope, "mail-r");
	assert_string_equal(google->issuer, "https://accounts.google.com");
	assert_string_equal(yahoo->issuer, "https://api.login.yahoo.com");
	assert_null(microsoft->issuer); /* it is each tenant's */
	assert_false(google->issuer_told);
	assert_int_equal(google->client_auth, CONF_CLIENT_SECRET_POST);
	assert_null(yahoo->device_endpoint);
	conf_free(&conf);
}

static void issuer_and_way_of_the_secret_are_taken(void **state)
{
	struct conf *conf =
	    support_read(OAUTH(OWN "authorization_endpoint = \"https://login.example/a\"; issuer = "
				   "\"https://login.example\"; client_secret_file = \"/s\"; client_auth = "
				   "\"client_secret_basic\";"));

	(void)state;
	assert_string_equal(conf->providers[0].issuer, "https://login.example");
	assert_true(conf->providers[0].issuer_told);
	assert_int_equal(conf->providers[0].client_auth, CONF_CLIENT_SECRET_BASIC);
	conf_free(&conf);
}

static void what_cannot_work_is_refused(void **state)
{
	static const struct refusal refusals[] = {
	    {OAUTH("name = \"own\"; client_id = \"c\";"),
	     "`token_endpoint` in `oauth` is missing: the preset \"generic\" knows none"},
	    {OAUTH(OWN),
	     "`authorization_endpoint` in `oauth` is missing, and device_endpoint too: nobody could log in"},
	    {OAUTH(OWN "device_endpoint = \"http://login.example/d\";"),
	     "`device_endpoint` in `oauth` must begin with https://: secrets go there"},
	    {OAUTH(OWN "insecure_loopback = true; device_endpoint = \"http://127.0.0.1.evil.example/d\";"),
	     "`device_endpoint` in `oauth` must begin with https://, or with http:// and 127.0.0.1, [::1] or "
	     "localhost"},
	    {OAUTH(OWN "device_endpoint = \"https://a@b/d\";"),
	     "`device_endpoint` in `oauth` must be a URL without spaces, quotes, `@` and `#`, of 1000 octets at most"},
	    {OAUTH("name = \"m\"; preset = \"microsoft\"; client_id = \"c\"; client_secret_file = \"/s\"; grant = "
		   "\"client_credentials\";"),
	     "`tenant` in `oauth` is missing: an application's own token is of one directory"},
	    {OAUTH("name = \"m\"; preset = \"microsoft\"; client_id = \"c\"; tenant = \"a/b\";"),
	     "`tenant` in `oauth` must be the directory's identifier or domain"},
	    {OAUTH("name = \"g\"; preset = \"google\"; client_id = \"c\"; tenant = \"t\";"),
	     "`tenant` in `oauth` is for the preset \"microsoft\" alone: remove it"},
	    {OAUTH("name = \"m\"; preset = \"microsoft\"; tenant = \"t\"; client_id = \"c\"; grant = "
		   "\"client_credentials\";"),
	     "`grant` in `oauth` is \"client_credentials\": then client_secret_file, or certificate and key, are "
	     "needed"},
	    {OAUTH("name = \"g\"; preset = \"google\"; client_id = \"c\"; key = \"/k\";"),
	     "`key` in `oauth` goes with the other of certificate and key"},
	    {OAUTH(OWN "device_endpoint = \"https://login.example/d\"; issuer = \"login.example\";"),
	     "`issuer` in `oauth` must begin with https://"},
	    {OAUTH(OWN "device_endpoint = \"https://login.example/d\"; client_auth = \"client_secret_basic\";"),
	     "`client_auth` in `oauth` is \"client_secret_basic\": then client_secret_file is needed"},
	    {OAUTH("name = \"a b\"; preset = \"google\"; client_id = \"c\";"),
	     "`name` in `oauth` takes 1 to 64 letters, digits and `.-_`"},
	};
	char fault[512];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		snprintf(fault, sizeof(fault), "p.conf:5: %s\n", refusals[i].fault);
		support_refused(refusals[i].text, fault);
	}
	support_refused(LISTENERS BACKENDS ROUTES
			"oauth = ({ name = \"g\"; preset = \"google\"; client_id = \"c\"; });\n",
			"p.conf:4: `oauth` needs a key to encrypt tokens with: openssl rand -base64 32 "
			">/etc/popgate/token.key; chmod 600 it, and set token_key_file\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(presets_are_complete),
	    cmocka_unit_test(issuer_and_way_of_the_secret_are_taken),
	    cmocka_unit_test(what_cannot_work_is_refused),
	};

	return cmocka_run_group_tests(tests, support_enter, support_leave);
}
