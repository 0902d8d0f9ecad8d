/* tally - see tally.h. No locks: a slot has one writer. */
#include "common/tally.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define SLOTS  8192 /* of a row; a power of two */
#define PROBES 16   /* slots where a key may stand */
#define FRONTS 256  /* as many as popgate.conf allows */

struct slot {
	_Atomic uint64_t key;
	_Atomic uint32_t count; /* 0: free */
};

struct tally {
	size_t octets;
	uint64_t seed; /* so that nobody can choose addresses that crowd one neighbourhood */
	unsigned fronts;
	_Atomic uint32_t totals[FRONTS];
	struct slot slots[]; /* row after row */
};

struct tally *tally_new(unsigned fronts)
{
	size_t octets = sizeof(struct tally) + (size_t)fronts * SLOTS * sizeof(struct slot);
	struct tally *tally = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (tally == MAP_FAILED)
		return NULL;
	tally->octets = octets;
	tally->fronts = fronts;
	if (getrandom(&tally->seed, sizeof(tally->seed), 0) != (ssize_t)sizeof(tally->seed))
		tally_free(&tally);
	return tally;
}

void tally_free(struct tally **tally)
{
	if (*tally != NULL)
		munmap(*tally, (*tally)->octets);
	*tally = NULL;
}

static struct slot *row_of(struct tally *tally, unsigned front)
{
	return &tally->slots[(size_t)front * SLOTS];
}

static struct slot *slot_at(struct slot *row, uint64_t key, size_t probe)
{
	return &row[(key + probe) & (SLOTS - 1)];
}

void tally_reset(struct tally *tally, unsigned front)
{
	struct slot *row = row_of(tally, front);

	tally_total(tally, front, 0);
	for (size_t i = 0; i < SLOTS; i++)
		atomic_store_explicit(&row[i].count, 0, memory_order_relaxed);
}

void tally_total(struct tally *tally, unsigned front, unsigned total)
{
	atomic_store_explicit(&tally->totals[front % FRONTS], total, memory_order_relaxed);
}

bool tally_has_room(const struct tally *tally, unsigned front, unsigned most)
{
	for (unsigned i = 0; i < tally->fronts && i < FRONTS; i++)
		if (i != front && atomic_load_explicit(&tally->totals[i], memory_order_relaxed) < most)
			return true;
	return false;
}

/* A finaliser of good dispersion over the seeded address. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static uint64_t key_of(const struct tally *tally, uint64_t network)
{
	uint64_t key = mix(network ^ tally->seed);

	return key == 0 ? 1 : key;
}

/* The address's octets that count, in a number: IPv4's, also where it is written as one of IPv6; of others the
 * network. *here_r: it is this machine's own. */
static uint64_t network_of(const struct sockaddr *address, bool *here_r)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;
	uint64_t network = 0;

	*here_r = false;
	if (address->sa_family == AF_INET6) {
		memcpy(&six, address, sizeof(six));
		*here_r = IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
		if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
			memcpy(&network, six.sin6_addr.s6_addr, sizeof(network));
			return network;
		}
		memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, sizeof(four.sin_addr));
	} else {
		memcpy(&four, address, sizeof(four));
	}
	*here_r = ntohl(four.sin_addr.s_addr) == INADDR_LOOPBACK;
	return four.sin_addr.s_addr;
}

uint64_t tally_key_told(const struct tally *tally, const struct sockaddr *address)
{
	bool here;

	return key_of(tally, network_of(address, &here));
}

uint64_t tally_key(const struct tally *tally, const struct sockaddr *address)
{
	uint64_t network;
	bool here = true;

	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return 0;
	network = network_of(address, &here);
	return here ? 0 : key_of(tally, network);
}

static struct slot *find(struct slot *row, uint64_t key)
{
	for (size_t i = 0; i < PROBES; i++) {
		struct slot *slot = slot_at(row, key, i);

		if (atomic_load_explicit(&slot->key, memory_order_relaxed) == key &&
		    atomic_load_explicit(&slot->count, memory_order_relaxed) > 0)
			return slot;
	}
	return NULL;
}

static struct slot *claim(struct slot *row, uint64_t key)
{
	for (size_t i = 0; i < PROBES; i++) {
		struct slot *slot = slot_at(row, key, i);

		if (atomic_load_explicit(&slot->count, memory_order_relaxed) == 0) {
			atomic_store_explicit(&slot->key, key, memory_order_relaxed);
			return slot;
		}
	}
	return NULL;
}

unsigned tally_enter(struct tally *tally, unsigned front, uint64_t key)
{
	struct slot *row = row_of(tally, front), *own;
	unsigned sum = 0;

	if (key == 0)
		return 0;
	own = find(row, key);
	if (own == NULL)
		own = claim(row, key);
	if (own != NULL)
		atomic_fetch_add_explicit(&own->count, 1, memory_order_relaxed);
	for (unsigned i = 0; i < tally->fronts; i++) {
		struct slot *slot = find(row_of(tally, i), key);

		if (slot != NULL)
			sum += atomic_load_explicit(&slot->count, memory_order_relaxed);
	}
	return sum;
}

void tally_leave(struct tally *tally, unsigned front, uint64_t key)
{
	struct slot *slot = key == 0 ? NULL : find(row_of(tally, front), key);

	if (slot != NULL)
		atomic_fetch_sub_explicit(&slot->count, 1, memory_order_relaxed);
}
