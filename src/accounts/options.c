/* options - see options.h. */
#include "accounts/options.h"

#include <getopt.h>

enum id {
	ID_RELOAD = 256,
	ID_SCRAM,
	ID_FIRST_OF_ADD,
	ID_BACKEND = ID_FIRST_OF_ADD,
	ID_UPSTREAM_USER,
	ID_FOLDER,
	ID_AUTH_USER,
	ID_SECRET_FILE,
	ID_SECRET_CREDENTIAL,
	ID_OAUTH,
	ID_NETWORK,
	ID_DEVICE,
	ID_NO_PASSWORD,
	ID_DISABLED
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"reload", no_argument, NULL, ID_RELOAD},
    {"scram", no_argument, NULL, ID_SCRAM},
    {"backend", required_argument, NULL, ID_BACKEND},
    {"upstream-user", required_argument, NULL, ID_UPSTREAM_USER},
    {"folder", required_argument, NULL, ID_FOLDER},
    {"auth-user", required_argument, NULL, ID_AUTH_USER},
    {"secret-file", required_argument, NULL, ID_SECRET_FILE},
    {"secret-credential", required_argument, NULL, ID_SECRET_CREDENTIAL},
    {"oauth", required_argument, NULL, ID_OAUTH},
    {"network", required_argument, NULL, ID_NETWORK},
    {"device", required_argument, NULL, ID_DEVICE},
    {"no-password", no_argument, NULL, ID_NO_PASSWORD},
    {"disabled", no_argument, NULL, ID_DISABLED},
    {NULL, 0, NULL, 0},
};

/* Where an option's argument goes; NULL: it has none. */
static const char **place_of(struct accounts_options *options, int option)
{
	const struct {
		int option;
		const char **place;
	} places[] = {
	    {'c', &options->file},
	    {ID_BACKEND, &options->backend},
	    {ID_UPSTREAM_USER, &options->upstream_user},
	    {ID_FOLDER, &options->folder},
	    {ID_AUTH_USER, &options->auth_user},
	    {ID_SECRET_FILE, &options->secret_file},
	    {ID_SECRET_CREDENTIAL, &options->secret_credential},
	    {ID_OAUTH, &options->oauth},
	    {ID_DEVICE, &options->device},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].option == option)
			return places[i].place;
	return NULL;
}

static int take(struct accounts_options *options, int option)
{
	const char **place = place_of(options, option);

	if (place != NULL)
		*place = optarg;
	else if (option == 'h')
		options->help = true;
	else if (option == ID_RELOAD)
		options->reload = true;
	else if (option == ID_SCRAM)
		options->scram = true;
	else if (option == ID_NO_PASSWORD)
		options->no_password = true;
	else if (option == ID_DISABLED)
		options->disabled = true;
	else if (option == ID_NETWORK && options->network_count < OPTIONS_NETWORKS)
		options->networks[options->network_count++] = optarg;
	else
		return -1;
	return 0;
}

int accounts_options_read(struct accounts_options *options, int argc, char **argv, bool adds)
{
	int option;

	optind = 0; /* from the start, and words are looked for anew */
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1)
		if ((option >= ID_FIRST_OF_ADD && !adds) || take(options, option) != 0)
			return -1;
	options->words = argv + optind;
	options->word_count = argc - optind;
	return 0;
}
