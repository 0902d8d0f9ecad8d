/* tries - see tries.h. A pair that has logged in lately has a share of its own, so that nobody at the same address, or
 * at the same user's door, can take it away. */
#include "broker/tries.h"

#define ADDRESS_TRIES	  16 /* at once, of an address without refusals */
#define ADDRESS_TRIES_BAD 4
#define USER_TRIES	  4
#define USER_TRIES_BAD	  2
#define PAIR_TRIES	  2
#define PAIR_WAITING	  2   /* for their turn; more would take it from others */
#define ASK_AGAIN	  100 /* milliseconds, where others are before it */

static uint16_t *place_of(uint16_t *counters, uint64_t key)
{
	return &counters[key % TRIES_PLACES];
}

void tries_begin(const struct tries *tries, struct tries_one *one, const char *peer, bool told, const char *place,
		 const char *user, int64_t now)
{
	*one = (struct tries_one){.begun = now};
	if (tries->most > 0)
		one->keys = told ? throttle_identify_told(tries->throttle, peer, place, user)
				 : throttle_identify(tries->throttle, peer, place, user);
}

static bool has_room(struct tries *tries, const struct tries_one *one, const struct throttle_record *record)
{
	const struct throttle_keys *keys = &one->keys;

	if (record->proven)
		return *place_of(tries->pairs, keys->pair) < PAIR_TRIES;
	if (keys->address != 0 &&
	    *place_of(tries->addresses, keys->address) >= (record->address_bad ? ADDRESS_TRIES_BAD : ADDRESS_TRIES))
		return false;
	return *place_of(tries->users, keys->user) < (record->user_bad ? USER_TRIES_BAD : USER_TRIES);
}

/* Adds `by` to what the try is counted as. */
static void count(struct tries *tries, const struct tries_one *one, int by)
{
	uint16_t *counters[2];

	counters[0] = one->proven ? place_of(tries->pairs, one->keys.pair) : place_of(tries->users, one->keys.user);
	counters[1] = one->proven || one->keys.address == 0 ? NULL : place_of(tries->addresses, one->keys.address);
	for (int i = 0; i < 2; i++)
		if (counters[i] != NULL)
			*counters[i] = (uint16_t)(*counters[i] + by);
}

/* Returns `when`, or -1. */
static int64_t wait_until(struct tries *tries, struct tries_one *one, int64_t when)
{
	uint16_t *waiting = place_of(tries->waiting, one->keys.pair);

	if (!one->waiting && *waiting >= PAIR_WAITING)
		return -1;
	if (!one->waiting)
		(*waiting)++;
	one->waiting = true;
	return when;
}

static void stop_waiting(struct tries *tries, struct tries_one *one)
{
	if (one->waiting)
		(*place_of(tries->waiting, one->keys.pair))--;
	one->waiting = false;
}

int64_t tries_ask(struct tries *tries, struct tries_one *one, int64_t now)
{
	struct throttle_record record;

	one->sent = 0;
	one->upstream = false;
	if (tries->most == 0)
		return 0;
	record = throttle_look(tries->throttle, &one->keys, now);
	if (record.due > now)
		return wait_until(tries, one, record.due);
	if (!has_room(tries, one, &record))
		return record.address_bad || record.user_bad ? wait_until(tries, one, now + ASK_AGAIN)
							     : now + ASK_AGAIN;
	stop_waiting(tries, one);
	one->proven = record.proven;
	one->counted = true;
	count(tries, one, 1);
	return 0;
}

void tries_end(struct tries *tries, struct tries_one *one)
{
	stop_waiting(tries, one);
	if (one->counted)
		count(tries, one, -1);
	one->counted = false;
}

int64_t tries_refused(struct tries *tries, struct tries_one *one, int64_t now)
{
	int64_t verdict = now;

	if (tries->most > 0)
		verdict = throttle_refused(tries->throttle, &one->keys, one->begun, one->sent, one->upstream, now,
					   tries->most);
	tries_end(tries, one);
	return verdict;
}

void tries_accepted(struct tries *tries, struct tries_one *one, int64_t now)
{
	if (tries->most > 0)
		throttle_accepted(tries->throttle, &one->keys, now);
	tries_end(tries, one);
}

void tries_left(struct tries *tries, struct tries_one *one)
{
	if (tries->most > 0)
		throttle_left(tries->throttle, &one->keys, one->begun, tries->most);
}
