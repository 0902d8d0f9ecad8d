/* proof - see proof.h. */
#include "accounts/proof.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scram_keys.h"

#define ITERATIONS 10000 /* of SCRAM: a client computes them too, and it may be a small device */

_Static_assert(PROOF_HASH_SIZE >= CRYPT_OUTPUT_SIZE, "room for any hash");

int proof_hash(const struct secret *password, char hash_r[PROOF_HASH_SIZE])
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash = NULL;

	if (data != NULL && crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) != NULL)
		hash = crypt_rn((const char *)password->data, setting, data, sizeof(*data));
	if (hash != NULL)
		snprintf(hash_r, PROOF_HASH_SIZE, "%s", hash);
	if (data != NULL)
		secret_wipe(data, sizeof(*data));
	free(data);
	return hash == NULL ? -1 : 0;
}

static int fail(struct book *book, const char *text)
{
	conf_report_add(book->report, book->path, 0, "%s; nothing was changed", text);
	return -1;
}

static int set(struct book *book, size_t account, const char *key, const char *text)
{
	return book_set(book, account, &(struct account_value){key, text}, 1);
}

/* What SASLprep makes of other characters, clients don't agree about. */
static bool is_printable_ascii(const struct secret *password)
{
	for (size_t i = 0; i < password->size; i++)
		if (password->data[i] < 0x20 || password->data[i] > 0x7e)
			return false;
	return true;
}

static int set_scram(struct book *book, size_t account, const struct secret *password, enum scram_kind kind)
{
	char text[SCRAM_TEXT_SIZE];
	struct scram_keys keys;

	if (!is_printable_ascii(password))
		return fail(book, "keys of SCRAM are made of printable ASCII alone: choose another password, or remove "
				  "`scram_sha_1` and `scram_sha_256` from the account");
	if (scram_keys_make(kind, password->data, password->size, ITERATIONS, &keys) != 0)
		return fail(book, "keys of SCRAM cannot be made");
	scram_keys_write(kind, &keys, text);
	return set(book, account, kind == SCRAM_SHA_1 ? "scram_sha_1" : "scram_sha_256", text);
}

int proof_set(struct book *book, size_t account, const struct secret *password, bool scram)
{
	unsigned has = account_proofs(&book->accounts->items[account]);
	char hash[PROOF_HASH_SIZE];

	if (proof_hash(password, hash) != 0)
		return fail(book, "the hash cannot be made");
	if (set(book, account, "hash", hash) != 0)
		return -1;
	if (((has & ACCOUNT_SCRAM_SHA_1) != 0 || scram) && set_scram(book, account, password, SCRAM_SHA_1) != 0)
		return -1;
	if (((has & ACCOUNT_SCRAM_SHA_256) != 0 || scram) && set_scram(book, account, password, SCRAM_SHA_256) != 0)
		return -1;
	return (has & ACCOUNT_SECRET) != 0 ? set(book, account, "secret", (const char *)password->data) : 0;
}
