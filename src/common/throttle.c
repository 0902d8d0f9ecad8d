/* throttle - see throttle.h. Made by the supervisor, used by the broker; every other process unmaps it. What stands in
 * the table is not relied upon: a broker that died may have left an entry half written. */
#include "common/throttle.h"

/* The plain functions need no memory of their own. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <arpa/inet.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/fold.h"

#define FIRST_PENALTY 2000		      /* milliseconds */
#define FORGET_AFTER  INT64_C(600000)	      /* milliseconds without a refusal, after which the count begins anew */
#define PROVEN_FOR    (INT64_C(7) * 86400000) /* milliseconds that a success counts */
#define DUE_MAX	      INT64_C(60000)	      /* milliseconds; no penalty is longer */
#define COUNT_MAX     1000
#define BUCKETS	      1024 /* of each table */
#define WAYS	      16   /* entries of a bucket */
#define SAMPLES	      16
#define SAMPLE_MAX    10000 /* milliseconds */

struct entry {
	_Atomic uint64_t key; /* 0: free */
	_Atomic int64_t due, refused, accepted;
	_Atomic unsigned count; /* refusals */
};

struct table {
	struct entry entries[BUCKETS][WAYS];
};

struct throttle {
	unsigned char seed[32]; /* so that nobody can choose neighbours */
	struct table addresses, users, pairs;
	_Atomic unsigned noted, drawn;
	_Atomic int64_t samples[SAMPLES]; /* how long the upstream took to refuse */
};

int64_t throttle_penalty(unsigned refusals, int64_t most)
{
	int64_t penalty = FIRST_PENALTY;

	while (refusals-- > 1 && penalty < most)
		penalty *= 2;
	return penalty < most ? penalty : most;
}

struct throttle *throttle_new(void)
{
	struct throttle *throttle =
	    mmap(NULL, sizeof(*throttle), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (throttle == MAP_FAILED)
		return NULL;
	if (getrandom(throttle->seed, sizeof(throttle->seed), 0) != (ssize_t)sizeof(throttle->seed))
		throttle_free(&throttle);
	return throttle;
}

void throttle_free(struct throttle **throttle)
{
	if (*throttle != NULL)
		munmap(*throttle, sizeof(**throttle));
	*throttle = NULL;
}

/* ---- keys ---- */

/* The network's octets, the family first. */
struct network {
	unsigned char octets[7];
	bool here; /* this machine */
};

static struct network network_of(const char *peer)
{
	struct network network = {0};
	struct in6_addr six;
	struct in_addr four;
	char text[INET6_ADDRSTRLEN];
	size_t size = strcspn(peer, "%"); /* a link's name may follow */

	if (size >= sizeof(text))
		return network;
	memcpy(text, peer, size);
	text[size] = '\0';
	if (inet_pton(AF_INET, text, &four) == 1) {
		network.octets[0] = 4;
		memcpy(network.octets + 1, &four, sizeof(four));
		network.here = four.s_addr == htonl(INADDR_LOOPBACK);
	} else if (inet_pton(AF_INET6, text, &six) == 1) {
		network.octets[0] = 6;
		memcpy(network.octets + 1, &six, 6);
		network.here = IN6_IS_ADDR_LOOPBACK(&six);
	}
	return network;
}

static uint64_t digest(const struct throttle *throttle, const struct network *network, const char *place,
		       const char *user)
{
	unsigned char octets[SHA256_DIGEST_LENGTH];
	SHA256_CTX context;
	uint64_t key;

	SHA256_Init(&context);
	SHA256_Update(&context, throttle->seed, sizeof(throttle->seed));
	if (network != NULL)
		SHA256_Update(&context, network->octets, sizeof(network->octets));
	if (place != NULL && user != NULL) {
		fold_into(&context, place);
		fold_into(&context, user);
	}
	SHA256_Final(octets, &context);
	memcpy(&key, octets, sizeof(key));
	return key == 0 ? 1 : key;
}

static struct throttle_keys identify(const struct throttle *throttle, const struct network *network, const char *place,
				     const char *user)
{
	return (struct throttle_keys){
	    .address = network->here ? 0 : digest(throttle, network, NULL, NULL),
	    .user = digest(throttle, NULL, place, user),
	    .pair = digest(throttle, network, place, user),
	};
}

struct throttle_keys throttle_identify(const struct throttle *throttle, const char *peer, const char *place,
				       const char *user)
{
	const struct network network = network_of(peer);

	return identify(throttle, &network, place, user);
}

struct throttle_keys throttle_identify_told(const struct throttle *throttle, const char *peer, const char *place,
					    const char *user)
{
	struct network network = network_of(peer);

	network.here = false;
	return identify(throttle, &network, place, user);
}

/* ---- entries ---- */

static struct entry *find(struct entry *bucket, uint64_t key)
{
	for (size_t i = 0; key != 0 && i < WAYS; i++)
		if (bucket[i].key == key)
			return &bucket[i];
	return NULL;
}

static bool is_within(int64_t time, int64_t span, int64_t now)
{
	return time != 0 && time <= now && now - time < span;
}

static unsigned count_of(const struct entry *entry, int64_t now)
{
	unsigned count = entry == NULL || !is_within(entry->refused, FORGET_AFTER, now) ? 0 : entry->count;

	return count < COUNT_MAX ? count : COUNT_MAX;
}

static int64_t due_of(const struct entry *entry, int64_t now)
{
	int64_t due = entry == NULL ? 0 : entry->due;

	return due - now > DUE_MAX ? 0 : due;
}

static bool is_proven(const struct entry *entry, int64_t now)
{
	return entry != NULL && is_within(entry->accepted, PROVEN_FOR, now);
}

/* The pairs of one user share a bucket: whoever has an account can crowd out his own and a few neighbours. */
static struct entry *bucket_of(struct table *table, uint64_t key)
{
	return table->entries[key % BUCKETS];
}

/* Whom to replace: the least refused, of them the one of the longest ago. */
static bool is_cheaper(const struct entry *a, const struct entry *b, int64_t now)
{
	unsigned count_a = count_of(a, now), count_b = count_of(b, now);

	return count_a != count_b ? count_a < count_b : a->refused < b->refused;
}

/* The key's entry; a new one inherits the count of what it replaces, and its age. */
static struct entry *claim(struct entry *bucket, uint64_t key, int64_t now)
{
	struct entry *entry = find(bucket, key);

	if (entry != NULL || key == 0)
		return entry;
	entry = &bucket[0];
	for (size_t i = 1; i < WAYS; i++)
		if (is_cheaper(&bucket[i], entry, now))
			entry = &bucket[i];
	entry->key = key;
	entry->due = 0;
	return entry;
}

static void postpone(struct entry *entry, int64_t due)
{
	if (entry != NULL && entry->due < due)
		entry->due = due;
}

/* One refusal more; returns how many there are. */
static unsigned add(struct entry *entry, int64_t now)
{
	if (entry == NULL)
		return 0;
	entry->count = count_of(entry, now) + 1;
	entry->refused = now;
	return entry->count;
}

/* ---- what happens ---- */

struct throttle_record throttle_look(struct throttle *throttle, const struct throttle_keys *keys, int64_t now)
{
	const struct entry *address = find(bucket_of(&throttle->addresses, keys->address), keys->address);
	const struct entry *user = find(bucket_of(&throttle->users, keys->user), keys->user);
	const struct entry *pair = find(bucket_of(&throttle->pairs, keys->user), keys->pair);
	struct throttle_record record = {.address_bad = count_of(address, now) > 0,
					 .user_bad = count_of(user, now) > 0,
					 .proven = is_proven(pair, now)};

	if (record.proven) {
		record.due = due_of(pair, now);
	} else {
		int64_t due = due_of(user, now);

		record.due = due_of(address, now);
		if (record.due < due)
			record.due = due;
	}
	return record;
}

/* All that one outcome touches. */
struct touched {
	struct entry *address, *user, *pair; /* pair: NULL where it has not logged in */
	bool proven;
};

static struct touched touch(struct throttle *throttle, const struct throttle_keys *keys, int64_t now)
{
	struct touched touched = {.address = claim(bucket_of(&throttle->addresses, keys->address), keys->address, now),
				  .user = claim(bucket_of(&throttle->users, keys->user), keys->user, now),
				  .pair = find(bucket_of(&throttle->pairs, keys->user), keys->pair)};

	touched.proven = is_proven(touched.pair, now);
	return touched;
}

static void postpone_all(const struct touched *touched, int64_t due)
{
	postpone(touched->address, due);
	postpone(touched->user, due);
	postpone(touched->pair, due);
}

static void note_sample(struct throttle *throttle, int64_t took)
{
	throttle->samples[throttle->noted++ % SAMPLES] = took < SAMPLE_MAX ? took : SAMPLE_MAX;
}

static int64_t draw_sample(struct throttle *throttle)
{
	unsigned noted = throttle->noted;
	int64_t took = noted == 0 ? 0 : throttle->samples[throttle->drawn++ % (noted < SAMPLES ? noted : SAMPLES)];

	return took > 0 && took <= SAMPLE_MAX ? took : 0;
}

int64_t throttle_refused(struct throttle *throttle, const struct throttle_keys *keys, int64_t begun, int64_t sent,
			 bool upstream, int64_t now, int64_t most)
{
	struct touched touched = touch(throttle, keys, now);
	unsigned address = add(touched.address, now), user = add(touched.user, now), pair = add(touched.pair, now);
	unsigned count = touched.proven ? pair : address > user ? address : user;
	int64_t tried = sent > 0 ? sent : now, penalty = throttle_penalty(count, most), verdict = begun + penalty;
	int64_t answered = now,
		next = tried + penalty; /* who has waited for his turn does not pay for the next one's */

	if (upstream)
		note_sample(throttle, now - tried);
	else
		answered = tried + draw_sample(throttle);
	answered = answered < now ? now : answered;
	if (verdict < answered)
		verdict = answered;
	postpone_all(&touched, next > verdict ? next : verdict);
	return verdict;
}

void throttle_left(struct throttle *throttle, const struct throttle_keys *keys, int64_t begun, int64_t most)
{
	struct touched touched = touch(throttle, keys, begun);

	postpone_all(&touched, begun + throttle_penalty(1, most));
}

void throttle_accepted(struct throttle *throttle, const struct throttle_keys *keys, int64_t now)
{
	struct entry *bucket = bucket_of(&throttle->pairs, keys->user), *pair = find(bucket, keys->pair);

	for (size_t i = 0; pair == NULL && i < WAYS; i++)
		if (bucket[i].key == 0)
			pair = &bucket[i];
	if (pair == NULL) {
		pair = &bucket[0];
		for (size_t i = 1; i < WAYS; i++)
			if (bucket[i].accepted < pair->accepted)
				pair = &bucket[i];
	}
	if (pair->key != keys->pair) {
		pair->key = keys->pair;
		pair->due = 0;
		pair->count = 0;
	}
	pair->accepted = now;
}
