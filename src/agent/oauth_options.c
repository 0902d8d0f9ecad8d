/* oauth_options - see oauth_verb.h: the command line of `popgate oauth`. */
#include "agent/oauth_verb.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"

const char oauth_verb_help[] = "Usage: popgate oauth login USER [--device | --browser [--port PORT]] [-c FILE]\n"
			       "       popgate oauth status [USER] [-c FILE]\n"
			       "       popgate oauth logout USER [-c FILE]\n"
			       "\nUSER is an account with a key `oauth`. login has its owner allow popgate, once, to\n"
			       "read the mailbox: by a code for another device, or in a browser. status tells\n"
			       "whose tokens are there and good, logout forgets one. A gateway that runs takes\n"
			       "all that up at once.\n\n"
			       "  -c, --config FILE      the configuration file (default " CONFIG_FILE ")\n"
			       "      --device           by a code, to be typed in on any device\n"
			       "      --browser          by an address, to be opened in a browser\n"
			       "      --port PORT        where the browser comes back to, on this machine's loopback\n"
			       "  -h, --help             this text\n"
			       "\nExit status: 0 success (status: nobody has to log in), 1 something that was tried\n"
			       "failed, 2 the command line is wrong, 3 the configuration or a key is wrong.\n";

enum option_id { OPTION_DEVICE = 256, OPTION_BROWSER, OPTION_PORT };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"device", no_argument, NULL, OPTION_DEVICE},
    {"browser", no_argument, NULL, OPTION_BROWSER},
    {"port", required_argument, NULL, OPTION_PORT},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int usage_error(const char *text)
{
	fprintf(stderr, "popgate oauth: %s; see popgate oauth --help\n", text);
	return PROCESS_EXIT_USAGE;
}

/* 0 or -1 */
static int take_port(struct oauth_order *order)
{
	uint64_t port;

	if (number_parse(optarg, strlen(optarg), 65535, &port) != 0)
		return -1;
	order->port = (unsigned)port;
	return 0;
}

static int run(struct oauth_order order, const char *file)
{
	struct process_identity identity;
	struct conf_report report = {0};
	int result = PROCESS_EXIT_CONF;

	order.conf = conf_read(file, &report);
	order.identity = &identity;
	if (order.conf != NULL && process_identity_find(order.conf, &identity, &report) == 0)
		result = oauth_verb_run(&order, &report);
	if (process_tell_faults(&report))
		result = PROCESS_EXIT_CONF;
	conf_free(&order.conf);
	return result;
}

int oauth_verb(int argc, char **argv)
{
	struct oauth_order order = {0};
	const char *file = CONFIG_FILE;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(oauth_verb_help, stdout);
			return PROCESS_EXIT_OK;
		}
		if (option == 'c')
			file = optarg;
		else if (option == OPTION_DEVICE)
			order.device = true;
		else if (option == OPTION_BROWSER)
			order.browser = true;
		else if (option != OPTION_PORT || take_port(&order) != 0)
			return usage_error(option == OPTION_PORT ? "--port takes a number, 0 to 65535"
								 : "unknown or incomplete option");
	}
	if (optind < argc)
		order.action = argv[optind++];
	if (optind < argc)
		order.user = argv[optind++];
	return optind < argc ? usage_error("words without an option") : run(order, file);
}
