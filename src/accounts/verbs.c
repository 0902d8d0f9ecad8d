/* verbs - see verbs.h. Where the file is, its configuration says. */
#include "accounts/verbs.h"

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
    "       popgate account remove | disable | enable USER\n"
    "       popgate account list\n"
    "       popgate account device add | remove USER NAME\n"
    "       popgate account device list [USER]\n"
    "\nEdits the accounts file, and leaves everything else in it as it stands. A new\n"
    "account's password is asked for as by `popgate passwd`; a device's is made and\n"
    "printed, this once.\n\n"
    "  of add:\n"
    "      --backend NAME     where the mailbox is (default: as the routes say)\n"
    "      --upstream-user NAME\n"
    "      --folder NAME\n"
    "      --secret-file FILE, --secret-credential NAME, --oauth PROVIDER\n"
    "                         what opens the mailbox (default: the user's password)\n"
    "      --auth-user NAME   who logs in upstream for the user\n"
    "      --network NETWORK  from where the account may be used; several may be given\n"
    "      --scram            also make keys for SCRAM\n"
    "      --device NAME      no password but one for this device\n"
    "      --no-password      none here: the upstream proves the user\n"
    "      --disabled         lets nobody in until `popgate account enable`\n\n" HELP_COMMON;

/* One run. */
struct run {
	struct accounts_options options;
	struct conf *conf;
	struct conf_report report;
	struct book book;
	struct secret password;
	char device[DEVICE_PASSWORD_SIZE];
	bool had_tokens; /* the account that was removed */
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

static int make_device(struct run *run, size_t account, const char *name)
{
	struct device_key key;

	if (device_make(run->device, &key) == 0)
		return book_add_device(&run->book, account, name, &key);
	conf_report_add(&run->report, run->book.path, 0, "a password cannot be made: no random numbers");
	return -1;
}

static int change_password(struct run *run)
{
	size_t account;

	return book_find(&run->book, run->options.words[0], &account) != 0
		   ? -1
		   : proof_set(&run->book, account, &run->password, run->options.scram);
}

static int change_add(struct run *run)
{
	size_t account = run->book.accounts->count;

	if (add_account(&run->book, &run->options, run->options.words[0]) != 0)
		return -1;
	if (run->options.device != NULL)
		return make_device(run, account, run->options.device);
	return run->password.data == NULL ? 0 : proof_set(&run->book, account, &run->password, run->options.scram);
}

static int change_remove(struct run *run)
{
	size_t account;

	if (book_find(&run->book, run->options.words[0], &account) != 0)
		return -1;
	run->had_tokens = run->book.accounts->items[account].source.kind == CONF_SOURCE_OAUTH;
	return book_remove(&run->book, account);
}

static int change_disable(struct run *run)
{
	size_t account;

	return book_find(&run->book, run->options.words[0], &account) != 0 ? -1
									   : book_disable(&run->book, account, true);
}

static int change_enable(struct run *run)
{
	size_t account;

	return book_find(&run->book, run->options.words[0], &account) != 0 ? -1
									   : book_disable(&run->book, account, false);
}

static int change_device_add(struct run *run)
{
	size_t account;

	return book_find(&run->book, run->options.words[0], &account) != 0
		   ? -1
		   : make_device(run, account, run->options.words[1]);
}

static int change_device_remove(struct run *run)
{
	size_t account;

	return book_find(&run->book, run->options.words[0], &account) != 0
		   ? -1
		   : book_remove_device(&run->book, account, run->options.words[1]);
}

/* ---- their course ---- */

struct change {
	const char *name;	      /* behind `popgate account`; NULL: `popgate passwd` */
	int (*make)(struct run *run); /* NULL: only shows */
	const char *done;
	int words; /* who only shows may be given less */
	bool adds, asks;
};

static const struct change changes[] = {
    {"add", change_add, "is there", 1, true, true},
    {"remove", change_remove, "is removed", 1, false, false},
    {"disable", change_disable, "is disabled", 1, false, false},
    {"enable", change_enable, "is enabled", 1, false, false},
    {"list", NULL, NULL, 0, false, false},
    {"device add", change_device_add, "has a new device", 2, false, false},
    {"device remove", change_device_remove, "has a device less", 2, false, false},
    {"device list", NULL, NULL, 1, false, false},
};
static const struct change password_change = {NULL, change_password, "has a new password", 1, false, true};

/* A device's password goes to standard output alone, so that it can be handed on. */
static int finish(struct run *run, const struct change *change, accounts_reload_fn *reload)
{
	if (run->device[0] != '\0')
		printf("%s\n", run->device);
	if (run->had_tokens)
		fprintf(
		    stderr,
		    "Its token is kept, and would be that of the next account `%s`: popgate oauth logout forgets it\n",
		    run->options.words[0]);
	fprintf(stderr, "%s: the account `%s` %s", run->book.path, run->options.words[0], change->done);
	if (run->options.reload) {
		fputs("\n", stderr);
		book_close(&run->book); /* let the lock go: the reload may take its time */
		return reload(run->conf);
	}
	fputs("; popgate takes it up at its next reload (popgate reload)\n", stderr);
	return PROCESS_EXIT_OK;
}

static int edit(struct run *run, const struct change *change, accounts_reload_fn *reload)
{
	bool makes = change->make == change_add;
	int result = PROCESS_EXIT_FAILURE;

	if (book_open(&run->book, run->conf, makes, &run->report) == 0 && change->make(run) == 0 &&
	    book_save(&run->book) == 0)
		result = finish(run, change, reload);
	conf_report_print(&run->report, stderr);
	return result;
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
		list_accounts(accounts, run->conf, stdout);
	else if (account != NULL || run->options.word_count == 0)
		devices_list(accounts, account, run->conf, stdout);
	else
		result = failed(run->verb, "there is no such account");
	accounts_free(&accounts);
	return result;
}

static int ask(struct run *run, const struct change *change)
{
	const char *why;

	if (!change->asks || (change->adds && !add_asks(&run->options)))
		return PROCESS_EXIT_OK;
	return ask_password(run->options.words[0], &run->password, &why) == 0
		   ? PROCESS_EXIT_OK
		   : failed(run->verb, why == NULL ? "no password was given" : why);
}

static int go(struct run *run, const struct change *change, accounts_reload_fn *reload)
{
	const char *file = run->options.file == NULL ? CONFIG_FILE : run->options.file, *why;
	int result;

	for (int i = 0; i < run->options.word_count; i++)
		if (!add_is_name(run->options.words[i]))
			return usage(run->verb, "a name must be 1 to 512 octets of UTF-8 without control characters");
	run->conf = conf_read(file, &run->report);
	if (run->conf == NULL) {
		conf_report_print(&run->report, stderr);
		return PROCESS_EXIT_CONF;
	}
	if (change->make == NULL)
		return show(run, change);
	why = change->adds ? add_judge(&run->options, run->options.words[0], run->conf) : NULL;
	if (why != NULL)
		return usage(run->verb, why);
	result = ask(run, change);
	return result == PROCESS_EXIT_OK ? edit(run, change, reload) : result;
}

static int begin(struct run *run, const struct change *change, int argc, char **argv, accounts_reload_fn *reload)
{
	int result;

	if (accounts_options_read(&run->options, argc, argv, change->adds) != 0)
		return usage(run->verb, "unknown or incomplete option");
	if (run->options.help) {
		fputs(change == &password_change ? accounts_passwd_help : accounts_account_help, stdout);
		return PROCESS_EXIT_OK;
	}
	if (run->options.word_count > change->words ||
	    (run->options.word_count < change->words && change->make != NULL))
		return usage(run->verb, change->words == 0   ? "it takes no name"
					: change->words == 1 ? "it takes one name, the user's"
							     : "it takes the user's name and the device's");
	process_keep_private();
	run->book.folder = -1;
	result = go(run, change, reload);
	book_close(&run->book);
	secret_clear(&run->password);
	secret_wipe(run->device, sizeof(run->device));
	conf_report_free(&run->report);
	conf_free(&run->conf);
	return result;
}

int accounts_passwd(int argc, char **argv, accounts_reload_fn *reload)
{
	struct run run = {.verb = "passwd"};

	return begin(&run, &password_change, argc, argv, reload);
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

int accounts_account(int argc, char **argv, accounts_reload_fn *reload)
{
	struct run run = {.verb = "account"};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		int taken = takes(&changes[i], argc, argv);

		if (taken > 0)
			return begin(&run, &changes[i], argc - taken, argv + taken, reload);
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(accounts_account_help, stdout);
			return PROCESS_EXIT_OK;
		}
	}
	return usage(run.verb, "add, remove, list, disable, enable, device add, device remove, or device list?");
}
