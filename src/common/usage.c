/* usage - see usage.h. Made by the supervisor, used by the broker; every other process unmaps it. What stands in the
 * table is not relied upon: a broker that died may have left an entry half written. */
#include "common/usage.h"

/* The plain functions need no memory of their own. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/fold.h"

#define BUCKETS 4096
#define WAYS	16 /* entries of a bucket */
#define BROKERS 4  /* that may run at a time; of more, the sessions of the oldest don't count */

struct sessions {
	_Atomic uint32_t broker, count;
};

struct entry {
	_Atomic uint64_t key; /* 0: free */
	_Atomic int64_t last;
	_Atomic uint64_t octets;
	_Atomic uint32_t day;
	struct sessions sessions[BROKERS];
};

struct usage {
	unsigned char seed[32]; /* so that nobody can choose neighbours */
	_Atomic uint32_t numbered;
	_Atomic uint32_t brokers[BROKERS]; /* their numbers; 0: none */
	struct entry entries[BUCKETS][WAYS];
};

struct usage *usage_new(void)
{
	struct usage *usage = mmap(NULL, sizeof(*usage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (usage == MAP_FAILED)
		return NULL;
	if (getrandom(usage->seed, sizeof(usage->seed), 0) != (ssize_t)sizeof(usage->seed))
		usage_free(&usage);
	return usage;
}

void usage_free(struct usage **usage)
{
	if (*usage != NULL)
		munmap(*usage, sizeof(**usage));
	*usage = NULL;
}

/* ---- brokers ---- */

uint32_t usage_broker_new(struct usage *usage)
{
	uint32_t broker = ++usage->numbered;

	if (broker == 0)
		broker = ++usage->numbered;
	usage->brokers[broker % BROKERS] = broker;
	return broker;
}

void usage_broker_gone(struct usage *usage, uint32_t broker)
{
	if (usage->brokers[broker % BROKERS] == broker)
		usage->brokers[broker % BROKERS] = 0;
}

static unsigned sessions_of(const struct usage *usage, const struct entry *entry)
{
	unsigned sum = 0;

	for (size_t i = 0; i < BROKERS; i++)
		if (usage->brokers[i] != 0 && entry->sessions[i].broker == usage->brokers[i])
			sum += entry->sessions[i].count;
	return sum;
}

/* ---- entries ---- */

uint64_t usage_key(const struct usage *usage, const char *place, const char *user)
{
	unsigned char octets[SHA256_DIGEST_LENGTH];
	SHA256_CTX context;
	uint64_t key;

	SHA256_Init(&context);
	SHA256_Update(&context, usage->seed, sizeof(usage->seed));
	fold_into(&context, place);
	fold_into(&context, user);
	SHA256_Final(octets, &context);
	memcpy(&key, octets, sizeof(key));
	return key == 0 ? 1 : key;
}

static struct entry *find(struct usage *usage, uint64_t key)
{
	struct entry *bucket = usage->entries[key % BUCKETS];

	for (size_t i = 0; i < WAYS; i++)
		if (bucket[i].key == key)
			return &bucket[i];
	return NULL;
}

static bool is_cheaper(const struct usage *usage, const struct entry *a, const struct entry *b)
{
	bool busy_a = sessions_of(usage, a) > 0, busy_b = sessions_of(usage, b) > 0;

	return busy_a != busy_b ? busy_b : a->last < b->last;
}

static struct entry *claim(struct usage *usage, uint64_t key)
{
	struct entry *bucket = usage->entries[key % BUCKETS], *entry = find(usage, key);

	if (entry != NULL)
		return entry;
	entry = &bucket[0];
	for (size_t i = 1; i < WAYS; i++)
		if (is_cheaper(usage, &bucket[i], entry))
			entry = &bucket[i];
	memset(entry, 0, sizeof(*entry));
	entry->key = key;
	return entry;
}

static struct sessions *own_sessions(struct entry *entry, uint32_t broker)
{
	struct sessions *own = &entry->sessions[broker % BROKERS];

	if (own->broker != broker)
		own->count = 0;
	own->broker = broker;
	return own;
}

/* ---- what happens ---- */

struct usage_record usage_look(struct usage *usage, uint64_t key, uint32_t day)
{
	const struct entry *entry = find(usage, key);

	if (entry == NULL)
		return (struct usage_record){0};
	return (struct usage_record){.last = entry->last,
				     .octets = entry->day == day ? entry->octets : 0,
				     .sessions = sessions_of(usage, entry)};
}

void usage_enter(struct usage *usage, uint64_t key, uint32_t broker, int64_t now)
{
	struct entry *entry = claim(usage, key);

	entry->last = now;
	own_sessions(entry, broker)->count++;
}

void usage_leave(struct usage *usage, uint64_t key, uint32_t broker)
{
	struct entry *entry = find(usage, key);
	struct sessions *own = entry == NULL ? NULL : own_sessions(entry, broker);

	if (own != NULL && own->count > 0)
		own->count--;
}

void usage_add(struct usage *usage, uint64_t key, uint64_t octets, uint32_t day)
{
	struct entry *entry = claim(usage, key);
	uint64_t before = entry->day == day ? entry->octets : 0;

	entry->octets = octets > UINT64_MAX - before ? UINT64_MAX : before + octets;
	entry->day = day;
}
