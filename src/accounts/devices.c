/* devices - see devices.h. */
#include "accounts/devices.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "accounts/list.h"
#include "common/process.h"
#include "common/stamp.h"
#include "state/uses.h"

#define NAME_ROOM 2600 /* octets of a name that was made harmless */
#define PATIENCE  2000 /* milliseconds */

/* What the lines are made of. */
struct table {
	struct uses *uses; /* NULL: nothing was ever noted, or it cannot be known */
	bool unknown, tsv;
	int user_width, device_width; /* of the columns; no user_width: there is none */
	FILE *stream;
};

static void tell(struct table *table, const char *text)
{
	fprintf(stderr, "popgate account: when devices were used is not known: %s\n", text);
	table->unknown = true;
	uses_close(&table->uses);
}

/* Who only looks makes nothing. */
static void open_uses(struct table *table, struct conf *conf)
{
	struct process_identity identity;
	struct conf_report report = {0};
	struct popgate_error error;
	char path[4096];

	if (process_identity_find(conf, &identity, &report) != 0 || process_choose_state_directory(conf, &report) != 0)
		tell(table, report.first == NULL ? "out of memory" : report.first->text);
	else if (process_identity_assume(&identity) != 0)
		tell(table, "root cannot be given up");
	else if (snprintf(path, sizeof(path), "%s/" USES_FILE, conf->state_directory) >= (int)sizeof(path) ||
		 (access(path, F_OK) != 0 && errno != ENOENT))
		tell(table, strerror(errno));
	else if (access(path, F_OK) == 0 && (table->uses = uses_open(conf->state_directory, PATIENCE, &error)) == NULL)
		tell(table, error.text);
	conf_report_free(&report);
}

static void print(const struct table *table, const char *user, const char *device, const char *when, const char *from)
{
	if (table->tsv) {
		fprintf(table->stream, "%s\t%s\t%s\t%s\n", user, device, when, from);
		return;
	}
	if (table->user_width > 0)
		fprintf(table->stream, "%-*s  ", table->user_width, user);
	fprintf(table->stream, "%-*s  %-20s  %s\n", table->device_width, device, when, from);
}

static void print_device(struct table *table, const struct account *account, const struct account_device *device)
{
	char user[NAME_ROOM], name[NAME_ROOM], when[STAMP_SIZE] = "never";
	struct use use = {.address = "-"};
	struct popgate_error error;
	int found = table->uses == NULL ? 1 : uses_find(table->uses, device->key.salt, &use, &error);

	list_name(account->user, user, sizeof(user));
	list_name(device->name, name, sizeof(name));
	if (found < 0)
		tell(table, error.text);
	if (found == 0)
		stamp_write(use.when, when);
	else if (table->unknown)
		snprintf(when, sizeof(when), "unknown");
	if (table->tsv)
		print(table, account->user, device->name, when, use.address);
	else
		print(table, user, name, when, use.address);
}

static void widen(int *width, const char *name)
{
	char shown[NAME_ROOM];
	int size;

	list_name(name, shown, sizeof(shown));
	size = (int)strlen(shown);
	*width = size > *width ? size : *width;
}

static void measure(struct table *table, const struct account *account, bool users)
{
	if (users && account->device_count > 0)
		widen(&table->user_width, account->user);
	for (size_t i = 0; i < account->device_count; i++)
		widen(&table->device_width, account->devices[i].name);
}

static void print_account(struct table *table, const struct account *account)
{
	for (size_t i = 0; i < account->device_count; i++)
		print_device(table, account, &account->devices[i]);
}

void devices_list(const struct accounts *accounts, const struct account *one, struct conf *conf, bool tsv, FILE *stream)
{
	struct table table = {.stream = stream, .tsv = tsv, .device_width = (int)strlen("DEVICE")};
	const struct account *first = one == NULL ? accounts->items : one;
	const size_t count = one == NULL ? accounts->count : 1;

	if (one == NULL)
		table.user_width = (int)strlen("USER");
	for (size_t i = 0; i < count; i++)
		measure(&table, &first[i], one == NULL);
	open_uses(&table, conf);
	if (!tsv)
		print(&table, "USER", "DEVICE", "LAST USED", "FROM");
	for (size_t i = 0; i < count; i++)
		print_account(&table, &first[i]);
	uses_close(&table.uses);
}
