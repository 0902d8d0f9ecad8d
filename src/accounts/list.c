/* list - see list.h. Names go to a terminal: what could steer it is made harmless. */
#include "accounts/list.h"

#include <string.h>

#include "common/conf_source.h"
#include "common/text.h"

#define COLUMNS 5
#define ROOM	2600 /* octets of a field */

/* The columns that names of other scripts take are not known here: such a table is a little crooked. */
struct row {
	char fields[COLUMNS][ROOM];
};

/* C1 controls are the only ones that a checked name may hold. */
void list_name(const char *name, char *out, size_t size)
{
	for (const char *at = strchr(name, 0xc2); at != NULL; at = strchr(at + 1, 0xc2)) {
		if ((unsigned char)at[1] < 0xa0) {
			text_harmless(name, strlen(name), out, size);
			return;
		}
	}
	snprintf(out, size, "%s", name);
}

static void append(char *out, size_t size, const char *text)
{
	size_t used = strlen(out);

	snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "", text);
}

static void fill_proofs(const struct account *account, char *out, size_t size)
{
	static const struct {
		unsigned proof;
		const char *name;
	} names[] = {{ACCOUNT_HASH, "hash"},
		     {ACCOUNT_DEVICES, "devices"},
		     {ACCOUNT_SCRAM_SHA_1, "scram-sha-1"},
		     {ACCOUNT_SCRAM_SHA_256, "scram-sha-256"},
		     {ACCOUNT_SECRET, "secret"}};

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((account_proofs(account) & names[i].proof) != 0)
			append(out, size, names[i].name);
	if (out[0] == '\0')
		snprintf(out, size, "upstream");
}

static void fill_place(const struct account *account, const struct conf *conf, char *out, size_t size)
{
	char user[ROOM / 3], folder[ROOM / 3];
	const char *source = conf_source_key(account->source.kind);
	bool by_route = account->backend == ACCOUNT_BY_ROUTE;

	list_name(account->upstream_user != NULL ? account->upstream_user
		  : by_route			 ? ""
						 : account->user,
		  user, sizeof(user));
	list_name(account->folder == NULL ? "" : account->folder, folder, sizeof(folder));
	snprintf(out, size, "%s%s%s%s%s%s%s", by_route ? "(routes)" : conf->backends[account->backend].name,
		 user[0] == '\0' ? "" : ":", user, folder[0] == '\0' ? "" : "/", folder, source == NULL ? "" : " by ",
		 source == NULL ? "" : source);
}

static void fill(const struct account *account, const struct conf *conf, struct row *row)
{
	list_name(account->user, row->fields[0], ROOM);
	fill_proofs(account, row->fields[1], ROOM);
	snprintf(row->fields[2], ROOM, "%zu", account->device_count);
	fill_place(account, conf, row->fields[3], ROOM);
	snprintf(row->fields[4], ROOM, "%s", account->disabled ? "disabled" : "");
}

static void print(const struct row *row, const size_t *widths, FILE *stream)
{
	size_t last = row->fields[COLUMNS - 1][0] == '\0' ? COLUMNS - 2 : COLUMNS - 1;

	for (size_t i = 0; i < last; i++)
		fprintf(stream, "%-*s  ", (int)widths[i], row->fields[i]);
	fprintf(stream, "%s\n", row->fields[last]);
}

void list_accounts(const struct accounts *accounts, const struct conf *conf, FILE *stream)
{
	struct row row = {.fields = {"USER", "PROVED BY", "DEVICES", "LEADS TO", ""}};
	size_t widths[COLUMNS];

	for (size_t i = 0; i < COLUMNS; i++)
		widths[i] = strlen(row.fields[i]);
	for (size_t n = 0; n < accounts->count; n++) {
		fill(&accounts->items[n], conf, &row);
		for (size_t i = 0; i < COLUMNS; i++)
			if (strlen(row.fields[i]) > widths[i])
				widths[i] = strlen(row.fields[i]);
	}
	row = (struct row){.fields = {"USER", "PROVED BY", "DEVICES", "LEADS TO", ""}};
	print(&row, widths, stream);
	for (size_t n = 0; n < accounts->count; n++) {
		fill(&accounts->items[n], conf, &row);
		print(&row, widths, stream);
	}
}

static const char *or_nothing(const char *text)
{
	return text == NULL ? "" : text;
}

void list_accounts_tsv(const struct accounts *accounts, const struct conf *conf, FILE *stream)
{
	char proofs[ROOM];

	for (size_t i = 0; i < accounts->count; i++) {
		const struct account *account = &accounts->items[i];
		bool by_route = account->backend == ACCOUNT_BY_ROUTE;

		fill_proofs(account, proofs, sizeof(proofs));
		fprintf(stream, "%s\t%s\t%zu\t%s\t%s\t%s\t%s\t%s\n", account->user, proofs, account->device_count,
			by_route ? "" : conf->backends[account->backend].name, or_nothing(account->upstream_user),
			or_nothing(account->folder), or_nothing(conf_source_key(account->source.kind)),
			account->disabled ? "disabled" : "");
	}
}
