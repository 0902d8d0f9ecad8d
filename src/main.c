/* main - the verbs of the command line. Decides which configuration is meant
 * and who runs what; everything else is in the folders of the processes. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/verbs.h"
#include "agent/agent.h"
#include "agent/oauth_verb.h"
#include "agent/sources.h"
#include "broker/broker.h"
#include "common/account.h"
#include "common/log.h"
#include "common/number.h"
#include "common/process.h"
#include "common/sandbox.h"
#include "config.h"
#include "front/front.h"
#include "helper/helper.h"
#include "session/host.h"
#include "session/plugin_asks.h"
#include "session/plugin_list.h"
#include "session/plugin_test.h"
#include "session/sandbox_test.h"
#include "session/spawner.h"
#include "session/standalone.h"
#include "supervisor/control.h"
#include "supervisor/passed.h"
#include "supervisor/supervisor.h"

struct options {
	const char *file, *imap, *listen, *ca_file, *plugin_directory;
	const char *word; /* without an option */
	const char *settings, *user, *password_file, *deadline;
	bool debug, destructive;
};

/* Which options a verb takes. */
enum takes { TAKES_CONF = 1, TAKES_WORD = 2, TAKES_TEST = 4 };

struct verb {
	const char *name, *summary, *help;
	int (*run)(const struct options *options);
	unsigned takes;			   /* beside --plugin-dir and --help */
	int (*own)(int argc, char **argv); /* takes its arguments itself; NULL: run does */
};

#define HELP_OPTIONS                                                                                                   \
	"  -c, --config FILE      the configuration file (default " CONFIG_FILE ")\n"                                  \
	"      --imap URL         no file: everybody's mail is at this IMAP server\n"                                  \
	"                           imaps://HOST[:PORT]              TLS from the first octet\n"                       \
	"                           imap://HOST[:PORT]               STARTTLS, required\n"                             \
	"                           imap://HOST:PORT?security=none   in clear\n"                                       \
	"      --ca-file FILE     with --imap: certificates to trust instead of the system's\n"                        \
	"      --plugin-dir DIR   where the modules are (default " PLUGIN_DIRECTORY ")\n"                              \
	"      --debug            log the protocol's course too\n"                                                     \
	"  -h, --help             this text\n"

#define HELP_PLUGIN_OPTIONS                                                                                            \
	"      --plugin-dir DIR   where the modules are (default " PLUGIN_DIRECTORY ")\n"                              \
	"  -h, --help             this text\n"

#define HELP_EXIT                                                                                                      \
	"\nExit status: 0 success, 1 something that was tried failed, 2 the command line\n"                            \
	"is wrong, 3 the configuration, a plugin or a certificate is wrong.\n"

static struct conf *read_conf(const void *context, struct conf_report *report)
{
	const struct options *options = context;
	struct conf *conf;

	if (options->imap != NULL)
		conf = conf_from_url(options->imap, options->listen, options->ca_file, report);
	else
		conf = conf_read(options->file == NULL ? CONFIG_FILE : options->file, report);
	if (conf != NULL && options->plugin_directory != NULL) {
		free(conf->plugin_directory);
		conf->plugin_directory = realpath(options->plugin_directory, NULL);
		if (conf->plugin_directory == NULL) {
			conf_report_add(report, NULL, 0, "--plugin-dir: there is no folder %s",
					options->plugin_directory);
			conf_free(&conf);
		}
	}
	if (conf != NULL && options->debug)
		conf->log.level = POPGATE_LOG_DEBUG;
	return conf;
}

static int run_serve(const struct options *options)
{
	struct passed passed;
	const struct supervisor_plan plan = {.read = read_conf,
					     .context = options,
					     .entries = {[PROCESS_FRONT] = front_run,
							 [PROCESS_BROKER] = broker_run,
							 [PROCESS_SPAWNER] = spawner_run,
							 [PROCESS_HELPER] = helper_run,
							 [PROCESS_AGENT] = agent_run},
					     .passed = &passed,
					     .announce = options->imap != NULL};

	passed_receive(&passed);
	return supervisor_run(&plan);
}

static int run_session(const struct options *options)
{
	struct process_identity identity;
	struct conf_report report = {0};
	struct conf *conf = read_conf(options, &report);
	int result = PROCESS_EXIT_CONF;

	if (conf != NULL && process_identity_find(conf, &identity, &report) == 0 &&
	    process_runtime_directory(conf, &identity, &report) == 0) {
		log_set_level(conf->log.level);
		result = standalone_run(conf, &identity);
	}
	(void)process_tell_faults(&report);
	conf_free(&conf);
	return result;
}

/* Accounts, and whether the plugins can do what they ask for: who asks for too much is refused alone. */
static void check_accounts(const struct conf *conf, const struct plugin_set *plugins,
			   const struct process_identity *identity, struct conf_report *report,
			   struct conf_report *refused)
{
	struct accounts *accounts = conf->accounts_file == NULL ? NULL : accounts_read(conf, report);

	if (accounts != NULL && plugins->items != NULL)
		plugin_judge_accounts(plugins, conf, accounts, refused);
	sources_judge(conf, accounts, identity, refused);
	accounts_free(&accounts);
}

/* Everything that `serve` would check before it starts; nothing is bound or forked. NULL with faults in report;
 * refused: faults that keep single accounts from their mailboxes. */
static struct conf *check_all(const struct options *options, struct process_identity *identity,
			      struct conf_report *report, struct conf_report *refused)
{
	struct conf *conf = read_conf(options, report);
	struct plugin_set plugins = {0};
	struct tls_server *tls = NULL;

	if (conf == NULL)
		return NULL;
	(void)process_identity_find(conf, identity, report);
	(void)plugin_load(&plugins, conf, &host_functions, process_module_owner(identity), report);
	check_accounts(conf, &plugins, identity, report, refused);
	if (conf->provider_count > 0)
		oauth_verb_check(conf, identity, report);
	if (conf->tls_count > 0)
		tls = tls_server_new(conf, report);
	tls_server_free(&tls);
	sandbox_judge(conf, identity, report);
	plugin_unload(&plugins);
	if (report->count > 0)
		conf_free(&conf);
	return conf;
}

static int run_check(const struct options *options)
{
	struct conf_report report = {0}, refused = {0};
	struct process_identity identity;
	struct conf *conf = check_all(options, &identity, &report, &refused);
	const bool whole = !process_tell_faults(&report) && conf != NULL, open = !process_tell_faults(&refused);
	char sandbox[128];

	if (whole && open) {
		sandbox_describe(conf, &identity, sandbox, sizeof(sandbox));
		printf("%s: no fault found\nsandbox: %s\n", conf->source, sandbox);
	}
	conf_free(&conf);
	return whole && open ? PROCESS_EXIT_OK : PROCESS_EXIT_CONF;
}

/* Faults are told here, and not only in the log of the one that runs. */
static int run_reload(const struct options *options)
{
	struct conf_report report = {0}, refused = {0};
	struct process_identity identity;
	struct conf *conf = check_all(options, &identity, &report, &refused);
	int result;

	if (process_tell_faults(&refused) && conf != NULL)
		fputs("popgate: who is concerned is refused until that is mended; all others are not\n", stderr);
	result = conf == NULL ? PROCESS_EXIT_CONF : control_reload(conf);
	if (process_tell_faults(&report))
		fputs("popgate: refused: mend the faults above; the old configuration stays in force\n", stderr);
	conf_free(&conf);
	return result;
}

static int run_stop(const struct options *options)
{
	struct conf_report report = {0};
	struct conf *conf = read_conf(options, &report);
	int result = conf == NULL ? PROCESS_EXIT_CONF : control_stop(conf);

	(void)process_tell_faults(&report);
	conf_free(&conf);
	return result;
}

/* As far as the plugins can be loaded: `popgate check` tells why one cannot. */
static void judge_accounts(const struct conf *conf, const struct accounts *accounts, struct conf_report *report)
{
	struct plugin_set plugins = {0};
	struct process_identity identity;
	struct conf_report own = {0};

	if (accounts->count > 0 && process_identity_find(conf, &identity, &own) == 0 &&
	    plugin_load(&plugins, conf, &host_functions, process_module_owner(&identity), &own) == 0)
		plugin_judge_accounts(&plugins, conf, accounts, report);
	plugin_unload(&plugins);
	conf_report_free(&own);
}

static const struct accounts_help accounts_help = {control_reload, judge_accounts};

static int own_passwd(int argc, char **argv)
{
	return accounts_passwd(argc, argv, &accounts_help);
}

static int own_account(int argc, char **argv)
{
	return accounts_account(argc, argv, &accounts_help);
}

static int run_sandbox_test(const struct options *options)
{
	struct process_identity identity;
	struct conf_report report = {0};
	struct conf *conf = read_conf(options, &report);
	int result = PROCESS_EXIT_CONF;

	if (conf != NULL && process_identity_find(conf, &identity, &report) == 0 &&
	    process_runtime_directory(conf, &identity, &report) == 0)
		result = sandbox_test_run(conf, &identity);
	(void)process_tell_faults(&report);
	conf_free(&conf);
	return result;
}

static int run_plugins(const struct options *options)
{
	return plugin_list_run(options->plugin_directory, options->word);
}

#define TEST_PATIENCE 60 /* seconds, where no --deadline is given */

static int run_plugin_test(const struct options *options)
{
	struct plugin_test_options test = {.module = options->word,
					   .directory = options->plugin_directory,
					   .settings = options->settings,
					   .user = options->user,
					   .password_file = options->password_file,
					   .destructive = options->destructive};
	uint64_t seconds = TEST_PATIENCE;

	if (options->word == NULL) {
		fputs("popgate plugin-test: which module? See popgate plugin-test --help\n", stderr);
		return PROCESS_EXIT_USAGE;
	}
	if (options->deadline != NULL &&
	    (number_parse(options->deadline, strlen(options->deadline), 86400, &seconds) != 0 || seconds == 0)) {
		fputs("popgate plugin-test: --deadline takes a number of seconds, 1 to 86400\n", stderr);
		return PROCESS_EXIT_USAGE;
	}
	test.patience = (int64_t)seconds * 1000;
	return plugin_test_run(&test);
}

static const struct verb verbs[] = {
    {"serve", "run the gateway in the foreground",
     "Usage: popgate serve [-c FILE]\n"
     "       popgate serve --imap URL [--listen ADDRESS:PORT] [--ca-file FILE]\n"
     "\nServes POP3 clients until SIGTERM or Ctrl-C. SIGHUP reads the configuration and\n"
     "the certificates again, SIGUSR1 reopens the log file.\n\n" HELP_OPTIONS
     "      --listen ADDR:PORT with --imap: where POP3 clients connect, loopback only\n"
     "                         (default 127.0.0.1:1110)\n" HELP_EXIT,
     run_serve, TAKES_CONF, NULL},
    {"session", "speak one POP3 session on standard input and output",
     "Usage: popgate session [-c FILE | --imap URL [--ca-file FILE]]\n"
     "\nFor inetd, ssh and tests: no port is opened, names and passwords come from\n"
     "standard input, which is taken for private. Logs go to standard error.\n\n" HELP_OPTIONS HELP_EXIT,
     run_session, TAKES_CONF, NULL},
    {"check", "read the configuration and tell its faults",
     "Usage: popgate check [-c FILE]\n"
     "\nReads the file, loads the plugins and certificates it names, and prints every\n"
     "fault with file, line, key and remedy. Nothing is started.\n\n" HELP_OPTIONS HELP_EXIT,
     run_check, TAKES_CONF, NULL},
    {"reload", "have a running popgate read everything again",
     "Usage: popgate reload [-c FILE]\n"
     "\nChecks the configuration as `popgate check` does; then tells the popgate that runs\n"
     "with its runtime directory to take it up, and waits for what comes of it.\n\n" HELP_OPTIONS HELP_EXIT,
     run_reload, TAKES_CONF, NULL},
    {"stop", "end a running popgate",
     "Usage: popgate stop [-c FILE]\n"
     "\nTells the popgate that runs with this runtime directory to stop, and waits until it\n"
     "has.\n\n" HELP_OPTIONS HELP_EXIT,
     run_stop, TAKES_CONF, NULL},
    {"passwd", "give a local account a password", accounts_passwd_help, NULL, 0, own_passwd},
    {"account", "add, change and list local accounts", accounts_account_help, NULL, 0, own_account},
    {"oauth", "let popgate read a mailbox by OAuth", oauth_verb_help, NULL, 0, oauth_verb},
    {"sandbox-test", NULL,
     "Usage: popgate sandbox-test [-c FILE]\n"
     "\nEnters the sandbox of each process, and tries there what must be impossible.\n\n" HELP_OPTIONS HELP_EXIT,
     run_sandbox_test, TAKES_CONF, NULL},
    {"plugins", "list the installed plugins and their settings",
     "Usage: popgate plugins [NAME] [--plugin-dir DIR]\n"
     "\nPrints of each module, or of one, what it is, what it can do, and which\n"
     "settings a backend's section may hold for it. Of one that popgate would refuse,\n"
     "the reason.\n\n" HELP_PLUGIN_OPTIONS HELP_EXIT,
     run_plugins, TAKES_WORD, NULL},
    {"plugin-test", "try whether a plugin keeps the contract",
     "Usage: popgate plugin-test MODULE [--settings FILE]\n"
     "                           [--user NAME [--password-file FILE]] [--destructive]\n"
     "\nMODULE is a path to a module (NAME.so), or the name of an installed one. Tells\n"
     "of each check `ok`, `FAILED` or `not tried`; each is a process of its own. The\n"
     "maildrop should be one that nothing else changes meanwhile; nothing is removed\n"
     "from it without --destructive. The plugin runs in no sandbox, and is refused\n"
     "nothing that a session's allows; `popgate session` runs it in that.\n\n"
     "      --settings FILE    what its backend's section would hold: key = value; ...\n"
     "      --user NAME        opens this maildrop; without it no drop is opened\n"
     "      --password-file FILE\n"
     "                         the password is its first line (default: standard\n"
     "                         input's, if that is no terminal)\n"
     "      --destructive      also removes messages, for good\n"
     "      --deadline SECONDS how long a check may take (default 60)\n" HELP_PLUGIN_OPTIONS HELP_EXIT,
     run_plugin_test, TAKES_WORD | TAKES_TEST, NULL},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_usage(FILE *stream)
{
	fputs("Usage: popgate VERB [OPTIONS]\n\n"
	      "popgate lets POP3 clients read mailboxes that only IMAP reaches.\n\n",
	      stream);
	for (size_t i = 0; i < VERBS; i++)
		if (verbs[i].summary != NULL)
			fprintf(stream, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\n  popgate VERB --help   the options of a verb\n"
	      "  popgate --version     the version\n\n"
	      "To try it:  popgate serve --imap imaps://imap.example.org\n",
	      stream);
}

enum option_id {
	OPTION_IMAP = 256,
	OPTION_LISTEN,
	OPTION_CA_FILE,
	OPTION_PLUGIN_DIR,
	OPTION_DEBUG,
	OPTION_SETTINGS,
	OPTION_USER,
	OPTION_PASSWORD_FILE,
	OPTION_DEADLINE,
	OPTION_DESTRUCTIVE
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"imap", required_argument, NULL, OPTION_IMAP},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"ca-file", required_argument, NULL, OPTION_CA_FILE},
    {"plugin-dir", required_argument, NULL, OPTION_PLUGIN_DIR},
    {"debug", no_argument, NULL, OPTION_DEBUG},
    {"settings", required_argument, NULL, OPTION_SETTINGS},
    {"user", required_argument, NULL, OPTION_USER},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"deadline", required_argument, NULL, OPTION_DEADLINE},
    {"destructive", no_argument, NULL, OPTION_DESTRUCTIVE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int usage_error(const struct verb *verb, const char *text)
{
	fprintf(stderr, "popgate %s: %s; see popgate %s --help\n", verb->name, text, verb->name);
	return PROCESS_EXIT_USAGE;
}

static int check_options(const struct verb *verb, const struct options *options)
{
	if (options->imap != NULL && options->file != NULL)
		return usage_error(verb, "--config and --imap exclude each other");
	if (options->imap == NULL && (options->listen != NULL || options->ca_file != NULL))
		return usage_error(verb, "--listen and --ca-file go with --imap; a file has its own keys for them");
	return PROCESS_EXIT_OK;
}

/* Where an option's argument goes; NULL: it has none, or the verb does not take it. */
static const char **place_of(const struct verb *verb, struct options *options, int option)
{
	const struct {
		int option;
		unsigned takes;
		const char **place;
	} places[] = {
	    {'c', TAKES_CONF, &options->file},
	    {OPTION_IMAP, TAKES_CONF, &options->imap},
	    {OPTION_LISTEN, TAKES_CONF, &options->listen},
	    {OPTION_CA_FILE, TAKES_CONF, &options->ca_file},
	    {OPTION_SETTINGS, TAKES_TEST, &options->settings},
	    {OPTION_USER, TAKES_TEST, &options->user},
	    {OPTION_PASSWORD_FILE, TAKES_TEST, &options->password_file},
	    {OPTION_DEADLINE, TAKES_TEST, &options->deadline},
	};

	if (option == OPTION_PLUGIN_DIR)
		return &options->plugin_directory;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].option == option && (places[i].takes & verb->takes) != 0)
			return places[i].place;
	return NULL;
}

/* 0, or -1: the verb does not take it. */
static int take_option(const struct verb *verb, struct options *options, int option)
{
	const char **place = place_of(verb, options, option);

	if (place != NULL)
		*place = optarg;
	else if (option == OPTION_DEBUG && (verb->takes & TAKES_CONF) != 0)
		options->debug = true;
	else if (option == OPTION_DESTRUCTIVE && (verb->takes & TAKES_TEST) != 0)
		options->destructive = true;
	else
		return -1;
	return 0;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct options options = {0};
	int option, result;

	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(verb->help, stdout);
			return PROCESS_EXIT_OK;
		}
		if (take_option(verb, &options, option) != 0)
			return usage_error(verb, "unknown or incomplete option");
	}
	if ((verb->takes & TAKES_WORD) != 0 && optind < argc)
		options.word = argv[optind++];
	if (optind < argc)
		return usage_error(verb, "words without an option");
	result = check_options(verb, &options);
	return result == PROCESS_EXIT_OK ? verb->run(&options) : result;
}

int main(int argc, char **argv)
{
	const char *name = argc < 2 ? "" : argv[1];

	log_to(STDERR_FILENO); /* as long as it may still be opened */
	if (strcmp(name, "--version") == 0) {
		printf("popgate %s, plugin ABI %u.%u\n", PACKAGE_VERSION, POPGATE_ABI_MAJOR, POPGATE_ABI_MINOR);
		return PROCESS_EXIT_OK;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_usage(stdout);
		return PROCESS_EXIT_OK;
	}
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(name, verbs[i].name) == 0)
			return verbs[i].own != NULL ? verbs[i].own(argc - 1, argv + 1)
						    : run_verb(&verbs[i], argc - 1, argv + 1);
	if (*name != '\0')
		fprintf(stderr, "popgate: there is no verb `%s`\n\n", name);
	print_usage(stderr);
	return PROCESS_EXIT_USAGE;
}
