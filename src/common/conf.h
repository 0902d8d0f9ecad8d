/* conf - the configuration: one libconfig file, read into plain structures.
 *
 * The only module beside conf_*.c that sees libconfig. Reading does file I/O
 * and nothing else; it runs in the supervisor (and in `popgate check`), the
 * other processes inherit the result. It holds no secret: names of files at most.
 *
 * Faults are collected in a conf_report, each with file, line, key and the
 * remedy, so that one run shows them all. Parse faults are the exception:
 * libconfig stops at the first.
 */
#ifndef POPGATE_COMMON_CONF_H
#define POPGATE_COMMON_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <popgate/plugin.h>

#include "common/network.h"

/* ---- faults ---------------------------------------------------------- */

struct conf_fault {
	struct conf_fault *next;
	char *text; /* "FILE:LINE: message", one line */
};

/* Zero-initialise; end with conf_report_free. */
struct conf_report {
	struct conf_fault *first, **last;
	size_t count;
};

/* Adds a fault. file NULL: no place is printed; line 0: no line. */
void conf_report_add(struct conf_report *report, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Writes the faults, one a line, in the order found. */
void conf_report_print(const struct conf_report *report, FILE *stream);
void conf_report_free(struct conf_report *report);

/* ---- the configuration ----------------------------------------------- */

enum conf_listener_tls { CONF_TLS_NONE, CONF_TLS_STARTTLS, CONF_TLS_IMPLICIT };
enum conf_profile { CONF_PROFILE_MODERN, CONF_PROFILE_INTERMEDIATE, CONF_PROFILE_LEGACY, CONF_PROFILES };

struct conf_listener {
	char *name;    /* how routes call it; NULL: not at all */
	char *address; /* numeric IPv4 or IPv6, without brackets; "*" is written "0.0.0.0" or "::" */
	unsigned port; /* 0-65535; 0 lets the system choose */
	enum conf_listener_tls tls;
	enum conf_profile profile; /* which versions and suites of TLS */
	bool cleartext_login;	   /* USER, PASS, AUTH PLAIN and LOGIN allowed without TLS */
	struct network *proxies; /* whose connections begin with a header of the PROXY protocol; nobody else may come */
	size_t proxy_count;	 /* 0: clients come themselves */
	unsigned mechanisms;	 /* MECHANISM_BIT of each that is offered */
	char *default_domain;	 /* of names that have none; NULL: they stay so */
	bool percent_domain;	 /* user%domain is user@domain */
	char *file;
	unsigned line;
};

struct conf_tls {
	char *certificate; /* PEM chain file, absolute */
	char *key;	   /* PEM file, absolute */
	char *file;
	unsigned line;
};

struct conf_backend {
	char *name;    /* unique; also part of the lock's name */
	char *plugin;  /* module name, a-z 0-9 - */
	void *section; /* the libconfig group, for conf_backend_settings */
	char *file;
	unsigned line;
};

#define CONF_ANY_LISTENER SIZE_MAX

/* Where the credential comes from that a mailbox upstream is opened with. */
enum conf_source_kind {
	CONF_SOURCE_CLIENT,	/* the password that the client gave */
	CONF_SOURCE_SECRET,	/* stands in the accounts file */
	CONF_SOURCE_FILE,	/* the first line of a file */
	CONF_SOURCE_CREDENTIAL, /* likewise, of a credential that systemd passes on ($CREDENTIALS_DIRECTORY) */
	CONF_SOURCE_COMMAND,	/* the first line that a command prints */
	CONF_SOURCE_OAUTH	/* a token of the provider's, got by `popgate oauth login` */
};

struct conf_source {
	enum conf_source_kind kind;
	char *text; /* the secret, an absolute path, a name; COMMAND: the words, each with its NUL, then an empty one.
		     * NULL with CLIENT */
	char *auth_user; /* whom to authenticate as, who acts for the mailbox's user; NULL: the user himself */
};

#define CONF_DELIMITERS 32 /* at most */

/* Which folders a login name may ask for: names as they are upstream, or special uses such as \Junk. */
struct conf_folders {
	char **names;
	size_t count;
};

struct conf_route {
	char *users;		   /* pattern on the login name: "*", "*@example.org", "name@example.org";
				    * '*' matches any run of octets, everything else itself; the domain
				    * (after the last '@') is compared without regard to ASCII case */
	size_t listener;	   /* index in conf.listeners: logins there alone; CONF_ANY_LISTENER: all */
	size_t backend;		   /* index in conf.backends */
	char *upstream_user;	   /* template: %u whole name, %n before the last '@', %d after it, %% a percent */
	struct conf_source source; /* never SECRET or OAUTH */
	unsigned max_sessions;	   /* of one user at a time; 0: no limit */
	unsigned login_delay;	   /* seconds between two logins of one user; 0: none */
	char folder_delimiter;	   /* stands between a user's name and a folder; NUL: names are users' alone */
	struct conf_folders folders;
	char *file;
	unsigned line;
};

enum conf_preset { CONF_PRESET_GENERIC, CONF_PRESET_GOOGLE, CONF_PRESET_MICROSOFT, CONF_PRESET_YAHOO };
enum conf_grant { CONF_GRANT_REFRESH, CONF_GRANT_CLIENT_CREDENTIALS };
enum conf_assertion { CONF_ASSERTION_PS256, CONF_ASSERTION_RS256 };
enum conf_client_auth { CONF_CLIENT_SECRET_POST, CONF_CLIENT_SECRET_BASIC };

/* An OAuth 2.0 provider; what its preset knows is filled in. */
struct conf_provider {
	char *name; /* unique */
	enum conf_preset preset;
	enum conf_grant grant;
	char *client_id;
	char *client_secret_file;	   /* absolute; NULL: the client has none */
	enum conf_client_auth client_auth; /* BASIC: there is a secret */
	char *certificate, *key;	   /* PEM files, absolute, of a client that proves itself by them; NULL */
	enum conf_assertion assertion;	   /* how it signs then */
	char *scope;			   /* NULL: none is asked for */
	char *token_endpoint;		   /* https://...; http://127.0.0.1 where `insecure` */
	char *device_endpoint;		   /* likewise; NULL: nobody can log in so */
	char *authorization_endpoint;	   /* likewise */
	char *issuer;			   /* what it calls itself (RFC 9207); NULL: not known */
	bool issuer_told;		   /* and says so in each answer to a browser */
	bool insecure;			   /* endpoints on the loopback may be in clear */
	char *ca_file;			   /* absolute; NULL: the system's authorities */
	char *file;
	unsigned line;
};

enum conf_log_target { CONF_LOG_STDERR, CONF_LOG_SYSLOG, CONF_LOG_FILE };

struct conf_log {
	enum conf_log_target target;
	char *path; /* FILE only */
	enum popgate_log_level level;
};

enum conf_sandbox { CONF_SANDBOX_AUTO, CONF_SANDBOX_OFF, CONF_SANDBOX_REQUIRED };

/* Times in milliseconds, sizes in octets. popgate.conf(5) has ranges and defaults. */
struct conf_limits {
	unsigned max_connections;	      /* client connections over all fronts; 0: 10,000, or what the
					       * limit of open files allows (prepare.c settles it) */
	unsigned max_connections_per_address; /* 0: no limit; 127.0.0.1 and ::1 exempt */
	int64_t handshake_timeout;	      /* TLS handshake, absolute */
	int64_t login_timeout;		      /* accept to proven login, absolute */
	int64_t login_penalty;	  /* how long a verdict may be held back after refused logins; 0: not at all */
	int64_t idle_timeout;	  /* between two commands after login; RFC 1939: 10 minutes at least */
	int64_t stall_timeout;	  /* a client that takes no octet of a reply */
	int64_t upstream_timeout; /* plugin open and list: connect, login, select */
	int64_t fetch_window;	  /* at least fetch_minimum octets from the upstream in each */
	uint64_t fetch_minimum;
	int64_t commit_timeout;	  /* UPDATE, plus 10 ms a message */
	int64_t shutdown_timeout; /* what running commands get after SIGTERM */
	uint64_t read_ahead;	  /* octets of messages that one session may ask for before its client; 0: none */
	int64_t keep_open;	  /* a drop after its QUIT, for the next login of the same user; 0: not at all */
	unsigned max_kept_open;	  /* drops that are kept so at a time */
	unsigned max_messages;	  /* of one maildrop */
	uint64_t session_memory;  /* RLIMIT_AS of a session beyond what it has at the fork; 0: none */
	unsigned session_cpu;	  /* RLIMIT_CPU, seconds; 0: none */
};

struct conf {
	struct conf_listener *listeners;
	size_t listener_count;
	struct conf_tls *tls; /* certificates; the first is the default. None where no listener needs one */
	size_t tls_count;
	struct conf_backend *backends;
	size_t backend_count;
	struct conf_route *routes;
	size_t route_count;
	char folder_delimiters[CONF_DELIMITERS + 1]; /* each that a route has, in their order */
	struct conf_provider *providers;
	size_t provider_count;
	struct conf_limits limits;
	struct conf_log log;
	unsigned fronts;	    /* front processes; never 0 here (0 in the file: one a core) */
	char *accounts_file;	    /* absolute; NULL: there are no local accounts */
	bool needs_agent;	    /* some credential is to be fetched from elsewhere */
	unsigned helpers;	    /* processes that check passwords' hashes; 0: none is needed */
	char *default_domain;	    /* for logins by no listener; as the listeners' own otherwise */
	bool percent_domain;	    /* likewise */
	char *user;		    /* whom children run as where started as root; NULL: popgate, else nobody */
	char *runtime_directory;    /* locks; NULL: the built-in choice */
	char *plugin_directory;	    /* absolute; NULL: the built-in one */
	char *state_directory;	    /* tokens; NULL: the built-in choice */
	char *token_key_file;	    /* absolute: the key that tokens are encrypted with; NULL */
	char *token_key_credential; /* likewise, a name in $CREDENTIALS_DIRECTORY; NULL */
	enum conf_sandbox sandbox;
	void *config; /* libconfig's tree, kept for the plugins' sections */
	char *source; /* path of the file, or what stands for it in messages */
	char *folder; /* absolute; where relative paths in the configuration start */
};

/* Reads and checks a file. Returns a configuration, or NULL with at least one
 * fault in report. What only a plugin knows (its keys) is not checked here. */
struct conf *conf_read(const char *path, struct conf_report *report);
/* Without a file: one backend of plugin imap at `url`, named host:port, one listener, one
 * route for everybody. url: imaps://host[:port], imap://host[:port] (STARTTLS)
 * or imap://host[:port]?security=none. listen: ADDRESS:PORT, [V6]:PORT or
 * PORT; NULL is 127.0.0.1:1110; only loopback addresses are accepted.
 * ca_file may be NULL; relative, it starts from the current directory. Faults
 * name the option ("--imap: ...") instead of file and line. */
struct conf *conf_from_url(const char *url, const char *listen, const char *ca_file, struct conf_report *report);
/* For one plugin without a gateway: the whole file is what a backend's section holds. One backend of that
 * name, limits as they are by default, nothing else. path NULL: an empty section. As conf_read otherwise. */
struct conf *conf_read_section(const char *path, const char *name, const char *plugin, struct conf_report *report);
void conf_free(struct conf **conf);
/* The provider of that name; NULL: there is none. */
const struct conf_provider *conf_provider_find(const struct conf *conf, const char *name);

/* Checks one backend's section against its plugin's key table. Returns the
 * values, or NULL with faults in report. `name` and `plugin` are the core's
 * own keys of the section. A FILE comes back absolute, starting from the configuration
 * file's folder as @include does. The settings may outlive conf, not `keys`. */
struct popgate_settings *conf_backend_settings(const struct conf *conf, const struct conf_backend *backend,
					       const struct popgate_key *keys, struct conf_report *report);
void conf_settings_free(struct popgate_settings **settings);
/* The host's typed accessors (see popgate_host). A key that the table lacks aborts.
 * An unset number is 0, an unset bool 0, an unset string NULL. */
const char *conf_setting_string(const struct popgate_settings *settings, const char *key);
int64_t conf_setting_int(const struct popgate_settings *settings, const char *key);
int conf_setting_bool(const struct popgate_settings *settings, const char *key);

#endif
