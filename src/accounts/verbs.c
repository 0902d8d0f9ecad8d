/* verbs - see verbs.h. Where the file is, its configuration says. */
#include "accounts/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/add.h"
#include "accounts/ask.h"
#include "accounts/book.h"
#include "accounts/devices.h"
#include "accounts/list.h"
#include "accounts/options.h"
#include "accounts/proof.h"
#include "common/process.h"

#define HELP_COMMON                                                                                                    \
	"  -c, --config FILE      the configuration, which names the accounts file\n"                                  \
	"                         (default " CONFIG_FILE ")\n"                                                         \
	"      --reload           have a running popgate take it up at once\n"                                         \
	"  -h, --help             this text\n"

const char accounts_passwd_help[] =
    "Usage: popgate passwd [-c FILE] [--scram] [--reload] USER\n"
    "\nGives an account a new password: asks for it twice, or takes the first line of\n"
    "standard input if that is no terminal. Keys of SCRAM and a secret that the account\n"
    "has are renewed too; its devices keep theirs.\n\n"
    "      --scram            also make keys for SCRAM-SHA-1 and SCRAM-SHA-256\n" HELP_COMMON;

const char accounts_account_help[] =
    "Usage: popgate account add USER [OPTIONS]\n"
    "       popgate account set USER [OPTIONS] [--unset KEY]\n"
    "       popgate account remove | disable | enable USER\n"
    "       popgate account import FILE\n"
    "       popgate account list [--tsv]\n"
    "       popgate account device add | renew | remove USER NAME\n"
    "       popgate account device list [--tsv] [USER]\n"
    "\nEdits the accounts file, and leaves everything else in it as it stands. A new\n"
    "account's password is asked for as by `popgate passwd`; a device's is made and\n"
    "printed, this once. Import adds all accounts of another accounts file.\n"
    "Lists for programs have tabs and no heading (--tsv).\n\n"
    "  of add and set, keys of the account (popgate-accounts(5)):\n"
    "      --backend NAME, --upstream-user NAME, --folder NAME\n"
    "                         where the mailbox is (default: as the routes say)\n"
    "      --folders NAME     what the login name may ask for; several may be given\n"
    "      --secret-file FILE, --secret-credential NAME, --oauth PROVIDER,\n"
    "      --secret-command WORD [--secret-command WORD ...], --upstream-secret\n"
    "                         what opens the mailbox (default: the user's password)\n"
    "      --auth-user NAME   who logs in upstream for the user\n"
    "      --networks NETWORK from where it may be used; several may be given\n"
    "      --max-sessions N, --max-octets N, --login-delay SECONDS\n"
    "      --disabled         lets nobody in until `popgate account enable`\n"
    "      --hash, --secret, --scram-sha-1, --scram-sha-256\n"
    "                         what proves the user, made elsewhere\n"
    "  --upstream-secret and the last line's are asked for, or taken from standard\n"
    "  input, a line each, in the order of the options, behind a new account's password\n\n"
    "  of add:\n"
    "      --scram            also make keys for SCRAM of the password\n"
    "      --device NAME      no password but one for this device\n"
    "      --no-password      none here: the upstream proves the user\n"
    "  of set:\n"
    "      --unset KEY        takes a key away; several may be given\n\n" HELP_COMMON;

#define SECRETS 8 /* that may be asked for at a time, more than there are keys for them */

/* One run. */
struct run {
	struct accounts_options options;
	struct conf *conf;
	struct conf_report report;
	struct book book;
	struct secret password, secrets[SECRETS];
	char device[DEVICE_PASSWORD_SIZE];
	bool had_tokens; /* the account that was removed, or changed */
	bool wants_token;
	size_t imported;
	const char *verb;
};

static int usage(const char *verb, const char *text)
{
	fprintf(stderr, "popgate %s: %s; see popgate %s --help\n", verb, text, verb);
	return PROCESS_EXIT_USAGE;
}

static int failed(const char *verb, const char *text)
{
	fprintf(stderr, "popgate %s: %s\n", verb, text);
	return PROCESS_EXIT_FAILURE;
}

/* ---- the changes ---- */

typedef int enter_fn(struct book *book, size_t account, const char *name, const struct device_key *key);

static int make_device(struct run *run, size_t account, const char *name, enter_fn *enter)
{
	struct device_key key;

	if (device_make(run->device, &key) == 0)
		return enter(&run->book, account, name, &key);
	conf_report_add(&run->report, run->book.path, 0, "a password cannot be made: no random numbers");
	return -1;
}

/* The account that the first word names. -1: there is none, with a fault. */
static int find(struct run *run, size_t *account_r)
{
	return book_find(&run->book, run->options.words[0], account_r);
}

static int change_password(struct run *run)
{
	size_t account;

	return find(run, &account) != 0 ? -1 : proof_set(&run->book, account, &run->password, run->options.scram);
}

/* Whether the account opens by a token that its owner has to allow. */
static bool needs_login(const struct run *run, size_t account)
{
	const struct conf_source *source = &run->book.accounts->items[account].source;
	const struct conf_provider *provider;

	provider = source->kind == CONF_SOURCE_OAUTH ? conf_provider_find(run->conf, source->text) : NULL;
	return provider != NULL && provider->grant == CONF_GRANT_REFRESH;
}

static int change_add(struct run *run)
{
	const struct accounts_options *options = &run->options;
	size_t account = run->book.accounts->count;

	if (book_add(&run->book, options->words[0], options->values, options->value_count) != 0)
		return -1;
	run->wants_token = needs_login(run, account);
	if (options->device != NULL)
		return make_device(run, account, options->device, book_add_device);
	return run->password.data == NULL ? 0 : proof_set(&run->book, account, &run->password, options->scram);
}

static int change_import(struct run *run)
{
	return book_import(&run->book, run->options.words[0], &run->imported);
}

static int change_set(struct run *run)
{
	const struct accounts_options *options = &run->options;
	size_t account;

	if (find(run, &account) != 0)
		return -1;
	run->had_tokens = needs_login(run, account);
	for (size_t i = 0; i < options->unset_count; i++)
		if (book_unset(&run->book, account, options->unset[i]) != 0)
			return -1;
	if (book_set(&run->book, account, options->values, options->value_count) != 0)
		return -1;
	run->wants_token = needs_login(run, account) && accounts_options_have(options, "oauth");
	run->had_tokens = run->had_tokens && !needs_login(run, account);
	return 0;
}

static int change_remove(struct run *run)
{
	size_t account;

	if (find(run, &account) != 0)
		return -1;
	run->had_tokens = needs_login(run, account);
	return book_remove(&run->book, account);
}

static int change_disable(struct run *run)
{
	const struct account_value disabled = {"disabled", "true"};
	size_t account;

	return find(run, &account) != 0 ? -1 : book_set(&run->book, account, &disabled, 1);
}

static int change_enable(struct run *run)
{
	size_t account;

	return find(run, &account) != 0 ? -1 : book_unset(&run->book, account, "disabled");
}

static int change_device_add(struct run *run)
{
	size_t account;

	return find(run, &account) != 0 ? -1 : make_device(run, account, run->options.words[1], book_add_device);
}

static int change_device_renew(struct run *run)
{
	size_t account;

	return find(run, &account) != 0 ? -1 : make_device(run, account, run->options.words[1], book_renew_device);
}

static int change_device_remove(struct run *run)
{
	size_t account;

	return find(run, &account) != 0 ? -1 : book_remove_device(&run->book, account, run->options.words[1]);
}

/* ---- their course ---- */

struct change {
	const char *name;	      /* behind `popgate account`; NULL: `popgate passwd` */
	int (*make)(struct run *run); /* NULL: only shows */
	const char *done;	      /* of the account; NULL: of several */
	int words;		      /* who only shows may be given less */
	unsigned takes;		      /* options */
	bool asks;		      /* for a password */
};

static const struct change changes[] = {
    {"add", change_add, "is there", 1, OPTIONS_KEYS | OPTIONS_NEW | OPTIONS_SCRAM, true},
    {"set", change_set, "is changed", 1, OPTIONS_KEYS | OPTIONS_UNSET, false},
    {"remove", change_remove, "is removed", 1, 0, false},
    {"disable", change_disable, "is disabled", 1, 0, false},
    {"enable", change_enable, "is enabled", 1, 0, false},
    {"import", change_import, NULL, 1, 0, false},
    {"list", NULL, NULL, 0, OPTIONS_TSV, false},
    {"device add", change_device_add, "has a new device", 2, 0, false},
    {"device renew", change_device_renew, "has a new password for a device", 2, 0, false},
    {"device remove", change_device_remove, "has a device less", 2, 0, false},
    {"device list", NULL, NULL, 1, OPTIONS_TSV, false},
};
static const struct change password_change = {NULL, change_password, "has a new password", 1, OPTIONS_SCRAM, true};

static void tell_tokens(const struct run *run)
{
	if (run->had_tokens)
		fprintf(
		    stderr,
		    "Its token is kept, and would be that of the next account `%s`: popgate oauth logout forgets it\n",
		    run->options.words[0]);
	if (run->wants_token)
		fprintf(stderr, "The mailbox's owner has to allow that once: popgate oauth login %s\n",
			run->options.words[0]);
}

/* A device's password goes to standard output alone, so that it can be handed on; and before the file is replaced,
 * since one that nobody has seen would shut the device out. */
static int show_password(struct run *run)
{
	if (run->device[0] == '\0')
		return 0;
	signal(SIGPIPE, SIG_IGN);
	if (printf("%s\n", run->device) > 0 && fflush(stdout) == 0)
		return 0;
	conf_report_add(&run->report, run->book.path, 0,
			"the new password cannot be written to standard output: %s; nothing was changed",
			strerror(errno));
	return -1;
}

/* It is as it was wished, and no use as it is: that may be mended by the next change. */
static void tell_hindrances(const struct run *run, const struct change *change, const struct accounts_help *help)
{
	const struct account *one = accounts_find(run->book.accounts, run->options.words[0]);
	const struct accounts alone = {.items = (struct account *)one, .count = one == NULL ? 0 : 1};
	struct conf_report report = {0};

	help->judge(run->conf, change->done == NULL ? run->book.accounts : &alone, &report);
	conf_report_print(&report, stderr);
	conf_report_free(&report);
}

static int finish(struct run *run, const struct change *change, const struct accounts_help *help)
{
	tell_tokens(run);
	if (change->make != change_remove)
		tell_hindrances(run, change, help);
	if (change->done == NULL)
		fprintf(stderr, "%s: %zu accounts were added", run->book.path, run->imported);
	else
		fprintf(stderr, "%s: the account `%s` %s", run->book.path, run->options.words[0], change->done);
	if (run->options.reload) {
		fputs("\n", stderr);
		book_close(&run->book); /* let the lock go: the reload may take its time */
		return help->reload(run->conf);
	}
	fputs("; popgate takes it up at its next reload (popgate reload)\n", stderr);
	return PROCESS_EXIT_OK;
}

static int edit(struct run *run, const struct change *change, const struct accounts_help *help)
{
	bool makes = change->make == change_add || change->make == change_import;
	int result = PROCESS_EXIT_FAILURE;

	if (book_open(&run->book, run->conf, makes, &run->report) == 0 && change->make(run) == 0 &&
	    book_write(&run->book) == 0 && show_password(run) == 0) {
		if (book_replace(&run->book) == 0)
			result = finish(run, change, help);
		else if (run->device[0] != '\0')
			conf_report_add(&run->report, run->book.path, 0,
					"the password that was written is good for nothing");
	}
	conf_report_print(&run->report, stderr);
	return result == PROCESS_EXIT_OK && run->report.count > 0 ? PROCESS_EXIT_FAILURE : result;
}

static int show(struct run *run, const struct change *change)
{
	struct accounts *accounts = NULL;
	const struct account *account;
	int result = PROCESS_EXIT_OK;

	if (run->conf->accounts_file == NULL)
		conf_report_add(&run->report, run->conf->source, 0, "there are no local accounts");
	else
		accounts = accounts_read(run->conf, &run->report);
	if (accounts == NULL) {
		conf_report_print(&run->report, stderr);
		return PROCESS_EXIT_CONF;
	}
	account = run->options.word_count == 0 ? NULL : accounts_find(accounts, run->options.words[0]);
	if (change->words == 0)
		(run->options.tsv ? list_accounts_tsv : list_accounts)(accounts, run->conf, stdout);
	else if (account != NULL || run->options.word_count == 0)
		devices_list(accounts, account, run->conf, run->options.tsv, stdout);
	else
		result = failed(run->verb, "there is no such account");
	accounts_free(&accounts);
	if (fflush(stdout) != 0 || ferror(stdout))
		return failed(run->verb, "standard output cannot be written to");
	return result;
}

static int ask_for(struct run *run, const char *what, const char *name, struct secret *secret_r)
{
	const char *why;

	if (ask_secret(what, run->options.words[0], secret_r, &why) == 0)
		return PROCESS_EXIT_OK;
	fprintf(stderr, "popgate %s: %s %s\n", run->verb, name, why == NULL ? "was not given" : why);
	return PROCESS_EXIT_FAILURE;
}

/* The password, then what options ask for, in their order. */
static int ask(struct run *run, const struct change *change)
{
	struct accounts_options *options = &run->options;
	int result = PROCESS_EXIT_OK;
	size_t asked = 0;
	char what[128];

	if (change->asks && (change->make != change_add || add_asks(options)))
		result = ask_for(run, "Password", "the password", &run->password);
	for (size_t i = 0; result == PROCESS_EXIT_OK && i < options->value_count; i++) {
		struct account_value *value = &options->values[i];

		if (value->text != NULL)
			continue;
		if (asked == SECRETS)
			return failed(run->verb, "these are too many secrets");
		snprintf(what, sizeof(what), "%s (%s)", value->key, account_table_key(value->key)->help);
		result = ask_for(run, what, value->key, &run->secrets[asked]);
		if (result == PROCESS_EXIT_OK)
			value->text = (const char *)run->secrets[asked++].data;
	}
	/* a line too many may be a sign that they were taken for others than they are */
	if (result == PROCESS_EXIT_OK && (run->password.data != NULL || asked > 0) && !ask_is_done())
		return failed(run->verb, "standard input has more lines than there are secrets to ask for");
	return result;
}

/* What can be told to be wrong before anything is asked. */
static int judge(struct run *run, const struct change *change)
{
	struct accounts_options *options = &run->options;

	for (int i = 0; i < options->word_count; i++)
		if (!account_is_name(options->words[i]))
			return usage(run->verb, "a name must be 1 to 512 octets of UTF-8 without control characters");
	if (change->make == change_add && options->scram && !add_asks(options))
		return usage(run->verb, "--scram needs a password");
	if (change->make == change_set && options->value_count + options->unset_count == 0)
		return usage(run->verb, "there is nothing to set or to unset");
	if ((change->takes & OPTIONS_KEYS) == 0 ||
	    add_judge(options, options->words[0], run->conf, "popgate account", &run->report) == 0)
		return PROCESS_EXIT_OK;
	conf_report_print(&run->report, stderr);
	return PROCESS_EXIT_USAGE;
}

static int go(struct run *run, const struct change *change, const struct accounts_help *help)
{
	int result;

	run->conf = conf_read(run->options.file == NULL ? CONFIG_FILE : run->options.file, &run->report);
	if (run->conf == NULL) {
		conf_report_print(&run->report, stderr);
		return PROCESS_EXIT_CONF;
	}
	result = judge(run, change);
	if (result == PROCESS_EXIT_OK && change->make == NULL)
		return show(run, change);
	if (result == PROCESS_EXIT_OK)
		result = ask(run, change);
	return result == PROCESS_EXIT_OK ? edit(run, change, help) : result;
}

static void end(struct run *run)
{
	book_close(&run->book);
	secret_clear(&run->password);
	for (size_t i = 0; i < SECRETS; i++)
		secret_clear(&run->secrets[i]);
	secret_wipe(run->device, sizeof(run->device));
	accounts_options_free(&run->options);
	conf_report_free(&run->report);
	conf_free(&run->conf);
}

static int begin(struct run *run, const struct change *change, int argc, char **argv, const struct accounts_help *help)
{
	int result = PROCESS_EXIT_OK;

	run->book.folder = -1;
	if (accounts_options_read(&run->options, argc, argv, change->takes) != 0) {
		result = usage(run->verb, run->options.why == NULL ? "unknown or incomplete option" : run->options.why);
	} else if (run->options.help) {
		fputs(change == &password_change ? accounts_passwd_help : accounts_account_help, stdout);
	} else if (run->options.word_count > change->words ||
		   (run->options.word_count < change->words && change->make != NULL)) {
		result = usage(run->verb, change->words == 0		  ? "it takes no name"
					  : change->make == change_import ? "it takes one file"
					  : change->words == 1		  ? "it takes one name, the user's"
							       : "it takes the user's name and the device's");
	} else {
		process_keep_private();
		result = go(run, change, help);
	}
	end(run);
	return result;
}

int accounts_passwd(int argc, char **argv, const struct accounts_help *help)
{
	struct run run = {.verb = "passwd"};
	char name[] = "popgate passwd";

	argv[0] = name; /* faults of options begin with it */
	return begin(&run, &password_change, argc, argv, help);
}

/* The words of a change's name, of which there are one or two. */
static int takes(const struct change *change, int argc, char **argv)
{
	size_t first = strcspn(change->name, " ");

	if (argc < 2 || strlen(argv[1]) != first || strncmp(change->name, argv[1], first) != 0)
		return 0;
	if (change->name[first] == '\0')
		return 1;
	return argc > 2 && strcmp(change->name + first + 1, argv[2]) == 0 ? 2 : 0;
}

int accounts_account(int argc, char **argv, const struct accounts_help *help)
{
	struct run run = {.verb = "account"};
	char name[] = "popgate account";

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		int taken = takes(&changes[i], argc, argv);

		if (taken > 0)
			argv[taken] = name;
		if (taken > 0)
			return begin(&run, &changes[i], argc - taken, argv + taken, help);
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(accounts_account_help, stdout);
			return PROCESS_EXIT_OK;
		}
	}
	return usage(
	    run.verb,
	    "add, set, import, remove, list, disable, enable, device add, device renew, device remove, or device "
	    "list?");
}
