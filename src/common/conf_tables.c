/* conf_tables - see conf_tables.h. Constants only. */
#include "common/conf_tables.h"

#include <stddef.h>

#include "common/conf_source.h"

#define REQUIRED POPGATE_KEY_REQUIRED
#define MIB	 (INT64_C(1) << 20)
#define DAY	 86400

const char *const conf_sections[] = {"listeners", "tls", "backends", "routes", "oauth", "limits", "log", NULL};
const char *const conf_listener_others[] = {"mechanisms", "proxy_networks", NULL};
const char *const conf_route_others[] = {"folders", CONF_SOURCE_OTHER, NULL};
const char *const conf_backend_core[] = {"name", "plugin", NULL};

/* In the order of enum conf_listener_tls, conf_profile, conf_log_target, popgate_log_level, conf_preset, conf_grant,
 * conf_assertion, conf_client_auth, conf_sandbox. */
static const char *const tls_choices[] = {"none", "starttls", "implicit", NULL};
static const char *const profiles[] = {"modern", "intermediate", "legacy", NULL};
static const char *const log_targets[] = {"stderr", "syslog", "file", NULL};
static const char *const log_levels[] = {"warn", "info", "debug", NULL};
static const char *const presets[] = {"generic", "google", "microsoft", "yahoo", NULL};
static const char *const grants[] = {"refresh", "client_credentials", NULL};
static const char *const assertions[] = {"PS256", "RS256", NULL};
static const char *const client_auths[] = {"client_secret_post", "client_secret_basic", NULL};
static const char *const sandbox_choices[] = {"auto", "off", "required", NULL};

/* clang-format off */
const struct popgate_key conf_top_keys[] = {
	{"fronts", POPGATE_KEY_INT, 0, "0", 0, 256, NULL, "front processes; 0: one a core"},
	{"user", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "whom the processes run as where popgate is started as root"},
	{"runtime_directory", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "where the locks are"},
	{"plugin_directory", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "where the plugins are"},
	{"state_directory", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "where tokens are kept"},
	{"token_key_file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "file with the key that tokens are encrypted with"},
	{"token_key_credential", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "systemd credential with that key"},
	{"accounts", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "file of local accounts"},
	{"helpers", POPGATE_KEY_INT, 0, "0", 0, 64, NULL, "processes that check local passwords; 0: one a core"},
	{"default_domain", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "domain of login names that have none"},
	{"percent_domain", POPGATE_KEY_BOOL, 0, "false", 0, 0, NULL, "whether user%domain is user@domain"},
	{"sandbox", POPGATE_KEY_CHOICE, 0, "auto", 0, 0, sandbox_choices, "whether the processes give up what they don't need"},
	{0},
};

const struct popgate_key conf_listener_keys[] = {
	{"name", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "how routes call it"},
	{"address", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "numeric IPv4 or IPv6 address"},
	{"port", POPGATE_KEY_INT, REQUIRED, NULL, 0, 65535, NULL, "TCP port; 0: the system chooses"},
	{"tls", POPGATE_KEY_CHOICE, REQUIRED, NULL, 0, 0, tls_choices, "whether and when TLS begins"},
	{"profile", POPGATE_KEY_CHOICE, 0, "intermediate", 0, 0, profiles, "which versions and suites of TLS"},
	{"cleartext_login", POPGATE_KEY_BOOL, 0, "false", 0, 0, NULL, "let passwords come in without TLS"},
	{"proxy_protocol", POPGATE_KEY_BOOL, 0, "false", 0, 0, NULL, "connections come from proxies, which say for whom"},
	{"default_domain", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "domain of login names that have none"},
	{"percent_domain", POPGATE_KEY_BOOL, 0, NULL, 0, 0, NULL, "whether user%domain is user@domain"},
	{0},
};

const struct popgate_key conf_tls_keys[] = {
	{"certificate", POPGATE_KEY_FILE, REQUIRED, NULL, 0, 0, NULL, "PEM file: the certificate and its chain"},
	{"key", POPGATE_KEY_FILE, REQUIRED, NULL, 0, 0, NULL, "PEM file: the private key"},
	{0},
};

const struct popgate_key conf_backend_keys[] = {
	{"name", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "how routes and logs call it"},
	{"plugin", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "the plugin that serves it"},
	{0},
};

const struct popgate_key conf_route_keys[] = {
	{"users", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "pattern on the login name"},
	{"listener", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "the name of the only listener it is for"},
	{"backend", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "the backend's name"},
	{"upstream_user", POPGATE_KEY_STRING, 0, "%u", 0, 0, NULL, "template of the name upstream"},
	{"max_sessions", POPGATE_KEY_INT, 0, "0", 0, 100000, NULL, "sessions of one user at a time; 0: no limit"},
	{"login_delay", POPGATE_KEY_SECONDS, 0, "0", 0, DAY, NULL, "between two logins of one user; 0: none"},
	{"folder_delimiter", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "what stands between a user's name and a folder"},
	CONF_SOURCE_KEYS,
	{0},
};

const struct popgate_key conf_provider_keys[] = {
	{"name", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "how accounts and logs call it"},
	{"preset", POPGATE_KEY_CHOICE, 0, "generic", 0, 0, presets, "whose endpoints and scope it has"},
	{"grant", POPGATE_KEY_CHOICE, 0, "refresh", 0, 0, grants, "a token of each user's, or one of the application's"},
	{"client_id", POPGATE_KEY_STRING, REQUIRED, NULL, 0, 0, NULL, "the application's identifier there"},
	{"client_secret_file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "file with the application's secret"},
	{"client_auth", POPGATE_KEY_CHOICE, 0, "client_secret_post", 0, 0, client_auths, "where requests have that secret: the form, or a header"},
	{"certificate", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "PEM file: the application's certificate, instead of a secret"},
	{"key", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "PEM file: its private key"},
	{"assertion", POPGATE_KEY_CHOICE, 0, "PS256", 0, 0, assertions, "how it signs with that key"},
	{"tenant", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "of Microsoft: the directory's identifier or domain"},
	{"scope", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "what is asked for, instead of the preset's"},
	{"token_endpoint", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "URL where tokens are given out"},
	{"device_endpoint", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "URL where a login by code begins"},
	{"authorization_endpoint", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "URL where a login by browser begins"},
	{"issuer", POPGATE_KEY_STRING, 0, NULL, 0, 0, NULL, "what it calls itself in the answer to a browser's login"},
	{"insecure_loopback", POPGATE_KEY_BOOL, 0, "false", 0, 0, NULL, "for tests: endpoints on the loopback without TLS"},
	{"ca_file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "certificates to trust instead of the system's"},
	{0},
};

const struct popgate_key conf_limits_keys[] = {
	{"max_connections", POPGATE_KEY_INT, 0, "0", 0, 1000000, NULL, "client connections over all fronts"},
	{"max_connections_per_address", POPGATE_KEY_INT, 0, "100", 0, 1000000, NULL, "of one client address; 0: no limit"},
	{"handshake_timeout", POPGATE_KEY_SECONDS, 0, "30", 1, 300, NULL, "TLS handshake, or a proxy's header"},
	{"login_timeout", POPGATE_KEY_SECONDS, 0, "60", 1, 60, NULL, "from accept to proven login"},
	{"login_penalty", POPGATE_KEY_SECONDS, 0, "15", 0, 30, NULL, "what a refused login may wait for its answer; 0: nothing"},
	{"idle_timeout", POPGATE_KEY_SECONDS, 0, "600", 600, DAY, NULL, "between two commands after login"},
	{"stall_timeout", POPGATE_KEY_SECONDS, 0, "120", 1, 3600, NULL, "a client that takes nothing of a reply"},
	{"upstream_timeout", POPGATE_KEY_SECONDS, 0, "45", 1, 600, NULL, "connect, login, select and list upstream"},
	{"fetch_window", POPGATE_KEY_SECONDS, 0, "60", 1, 3600, NULL, "in each the upstream sends fetch_minimum"},
	{"fetch_minimum", POPGATE_KEY_OCTETS, 0, "1024", 1, 1024 * MIB, NULL, "what the upstream sends in each fetch_window"},
	{"commit_timeout", POPGATE_KEY_SECONDS, 0, "120", 1, 3600, NULL, "removing messages at QUIT, plus 10 ms a message"},
	{"shutdown_timeout", POPGATE_KEY_SECONDS, 0, "30", 0, 3600, NULL, "what running commands get at the end"},
	{"read_ahead", POPGATE_KEY_OCTETS, 0, "4194304", 0, 64 * MIB, NULL, "messages asked for before the client does; 0: none"},
	{"keep_open", POPGATE_KEY_SECONDS, 0, "0", 0, 1500, NULL, "a maildrop after its client, for the next login of the same user; 0: not at all"},
	{"max_kept_open", POPGATE_KEY_INT, 0, "1000", 1, 100000, NULL, "maildrops kept open at a time"},
	{"max_messages", POPGATE_KEY_INT, 0, "1000000", 1, 10000000, NULL, "of one maildrop"},
	{"session_memory", POPGATE_KEY_OCTETS, 0, "268435456", 0, 1024 * 1024 * MIB, NULL, "memory of one session; 0: no limit"},
	{"session_cpu", POPGATE_KEY_SECONDS, 0, "600", 0, DAY, NULL, "processor time of one session; 0: no limit"},
	{0},
};

const struct popgate_key conf_log_keys[] = {
	{"to", POPGATE_KEY_CHOICE, 0, "stderr", 0, 0, log_targets, "where the log goes"},
	{"file", POPGATE_KEY_FILE, 0, NULL, 0, 0, NULL, "the log file where to = \"file\""},
	{"level", POPGATE_KEY_CHOICE, 0, "info", 0, 0, log_levels, "how much is logged"},
	{0},
};
/* clang-format on */
