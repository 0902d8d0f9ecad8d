/* keyring - see keyring.h. What tells names that are there from others would be a salt that changes, or looks
 * different: so it is a keyed digest of the name, and as long as others, with as many iterations. */
#include "broker/keyring.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/scram.h"
#include "common/secret.h"
#include "common/text.h"

#define KINDS	       2
#define KEY_SIZE       32
#define ITERATIONS_MAX 65536 /* of keys that are made here: a fifth of a second */

struct keyring {
	const struct accounts *accounts;
	uint8_t key[KEY_SIZE];
	struct {
		unsigned iterations;
		size_t salt_size;
		struct scram_keys **made; /* by account; NULL: not yet */
	} kinds[KINDS];
};

static const char *text_of(const struct account *account, enum scram_kind kind)
{
	return kind == SCRAM_SHA_1 ? account->scram_sha_1 : account->scram_sha_256;
}

/* ---- making ---- */

/* Octets of a file that says which machine this is, or which boot of it. */
static size_t read_identity(const char *path, char text_r[64])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text_r, 64);

	if (fd >= 0)
		close(fd);
	return got < 16 ? 0 : (size_t)got;
}

/* Others don't know it, and it is the same tomorrow. Without it random numbers do until the next start. */
static int make_key(struct keyring *keyring, const char *path)
{
	char identity[64];
	size_t size = read_identity("/etc/machine-id", identity);
	unsigned digest = 0;

	if (size == 0)
		size = read_identity("/proc/sys/kernel/random/boot_id", identity);
	if (size == 0)
		return getrandom(keyring->key, KEY_SIZE, 0) == KEY_SIZE ? 0 : -1;
	return HMAC(EVP_sha256(), identity, (int)size, (const unsigned char *)path, strlen(path), keyring->key,
		    &digest) == NULL
		   ? -1
		   : 0;
}

/* Made keys look like the first ones in the file whose making does not hold up other logins. */
static void take_example(struct keyring *keyring, enum scram_kind kind)
{
	struct scram_keys keys = {.iterations = SCRAM_ITERATIONS_MIN, .salt_size = SCRAM_SALT};

	for (size_t i = 0; i < keyring->accounts->count; i++) {
		const char *text = text_of(&keyring->accounts->items[i], kind);
		struct scram_keys found;

		if (text == NULL || scram_keys_read(kind, text, &found) != 0 || found.iterations > ITERATIONS_MAX)
			continue;
		keys = found;
		break;
	}
	keyring->kinds[kind].iterations = keys.iterations;
	keyring->kinds[kind].salt_size = keys.salt_size;
	secret_wipe(&keys, sizeof(keys));
}

struct keyring *keyring_new(const struct accounts *accounts, const char *path)
{
	struct keyring *keyring = calloc(1, sizeof(*keyring));
	int result = keyring == NULL ? -1 : make_key(keyring, path);

	for (int i = 0; i < KINDS && result == 0; i++) {
		keyring->accounts = accounts;
		take_example(keyring, (enum scram_kind)i);
		keyring->kinds[i].made = calloc(accounts->count + 1, sizeof(struct scram_keys *));
		if (keyring->kinds[i].made == NULL)
			result = -1;
	}
	if (result != 0)
		keyring_free(&keyring);
	return keyring;
}

void keyring_free(struct keyring **keyring)
{
	struct keyring *old = *keyring;

	*keyring = NULL;
	if (old == NULL)
		return;
	for (int i = 0; i < KINDS; i++) {
		for (size_t k = 0; old->kinds[i].made != NULL && k < old->accounts->count; k++) {
			if (old->kinds[i].made[k] != NULL)
				secret_wipe(old->kinds[i].made[k], sizeof(struct scram_keys));
			free(old->kinds[i].made[k]);
		}
		free(old->kinds[i].made);
	}
	secret_wipe(old->key, KEY_SIZE);
	free(old);
}

/* ---- finding ---- */

/* A digest of word and name that others cannot foretell. Names that differ by ASCII case are one. */
static int digest(const struct keyring *keyring, const char *word, enum scram_kind kind, const char *name,
		  uint8_t digest_r[KEY_SIZE])
{
	size_t prefix = strlen(word) + 1, size = strlen(name);
	unsigned char *text = malloc(prefix + size + 1);
	unsigned got = 0;
	const void *done;

	if (text == NULL)
		return -1;
	memcpy(text, word, prefix);
	text[prefix - 1] = (unsigned char)kind;
	for (size_t i = 0; i < size; i++)
		text[prefix + i] = (unsigned char)text_lower(name[i]);
	done = HMAC(EVP_sha256(), keyring->key, KEY_SIZE, text, prefix + size, digest_r, &got);
	free(text);
	return done == NULL ? -1 : 0;
}

/* Salt and iterations for a name without keys. A salt is longer than a digest only if somebody's is. */
static int begin(const struct keyring *keyring, enum scram_kind kind, const char *name, struct scram_keys *keys_r)
{
	*keys_r = (struct scram_keys){.iterations = keyring->kinds[kind].iterations,
				      .salt_size = keyring->kinds[kind].salt_size};
	_Static_assert(SCRAM_SALT_MAX == 2 * KEY_SIZE, "two digests are the longest salt");
	return digest(keyring, "salt", kind, name, keys_r->salt) != 0 ||
		       digest(keyring, "more salt", kind, name, keys_r->salt + KEY_SIZE) != 0
		   ? -1
		   : 0;
}

static int make_up(const struct keyring *keyring, enum scram_kind kind, const char *name, struct scram_keys *keys_r)
{
	_Static_assert(SCRAM_DIGEST_MAX == KEY_SIZE, "one digest is a key");
	return begin(keyring, kind, name, keys_r) != 0 || digest(keyring, "stored", kind, name, keys_r->stored) != 0 ||
		       digest(keyring, "server", kind, name, keys_r->server) != 0
		   ? -1
		   : 0;
}

/* Of the account's password; one that SCRAM cannot have is as good as none. NULL: no memory. */
static struct scram_keys *make(const struct keyring *keyring, const struct account *account, enum scram_kind kind)
{
	struct scram_keys *keys = malloc(sizeof(*keys));

	if (keys == NULL || begin(keyring, kind, account->user, keys) != 0 ||
	    (scram_derive(kind, account->secret, keys) != 0 && make_up(keyring, kind, account->user, keys) != 0)) {
		free(keys);
		return NULL;
	}
	return keys;
}

/* Those that were made before, or are now. */
static int find_made(struct keyring *keyring, const struct account *account, enum scram_kind kind,
		     struct scram_keys *keys_r)
{
	size_t place = (size_t)(account - keyring->accounts->items);
	struct scram_keys **made = keyring->kinds[kind].made;

	if (made[place] == NULL)
		made[place] = make(keyring, account, kind); /* fanalyzer: keyring_free gives it back */
	if (made[place] == NULL)
		return -1;
	*keys_r = *made[place];
	return 0;
}

int keyring_find(struct keyring *keyring, const struct account *account, const char *name, enum scram_kind kind,
		 bool whole, struct scram_keys *keys_r)
{
	const char *text = account == NULL ? NULL : text_of(account, kind);

	if (text != NULL && scram_keys_read(kind, text, keys_r) == 0)
		return 0;
	if (whole && account != NULL && account->secret != NULL)
		return find_made(keyring, account, kind, keys_r);
	return make_up(keyring, kind, account == NULL ? name : account->user, keys_r);
}
